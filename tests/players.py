"""Small backends of the adversarial family, and a hand that trains them turn by turn."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from tiny import SIZE, batch
from torch import Tensor, nn

from medgen import registry
from medgen.backends._gan import Adversarial
from medgen.engine.device import make_fabric
from medgen.engine.player import PlayerOptimizer
from medgen.nn.conv_stacks import init_he
from medgen.nn.inpaint import inpaint

PLAIN = {"latents": 8, "width": 4, "hidden": 16}
SMALL: dict[str, dict[str, Any]] = {
    "gan": PLAIN,
    "wgan": PLAIN,
    "ssgan": {"latents": 8, "generator_width": 4, "critic_width": 4},
    "stylegan": {"net": {"latent": 8, "width": 8, "mapping_layers": 2, "capacity": 64}},
}
every = pytest.mark.parametrize("name", SMALL)
Move = tuple[str, set[str], dict[str, float]]


def small(name: str, size: int = SIZE, channels: int = 3, **settings: Any) -> Adversarial:
    """Return a narrow model whose generator answers to its latents from the start."""
    torch.manual_seed(0)
    inversion = {"width": 4, **settings.pop("inversion", {})}
    model = registry.create(name, {**SMALL[name], "inversion": inversion, **settings}, size, channels)
    assert isinstance(model, Adversarial)
    if name in ("gan", "wgan"):
        model.generator.apply(init_he)
    return model


def copied(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in module.state_dict().items()}


def moved(before: dict[str, Tensor], module: nn.Module) -> bool:
    """Tell whether any weight or statistic has changed."""
    return any(not torch.equal(value, before[name]) for name, value in module.state_dict().items())


def play(model: Adversarial, batches: int = 1, progress: float = 0.0) -> Iterator[Move]:
    """Train as the engine does; yield of each turn its player, the players whose weights it moved, and its losses."""
    fabric, optimizers = make_fabric("cpu", "float32"), {name: PlayerOptimizer(player) for name, player in model.players.items()}
    model.train()
    for seed in range(batches):
        for name, losses in model.turns(batch(seed=seed), progress):
            before = {one: [weight.detach().clone() for weight in hand.weights] for one, hand in optimizers.items()}
            optimizers[name].move(fabric, torch.stack(list(losses.values())).sum(), 0.0)
            changed = {one for one, kept in before.items() if not all(map(torch.equal, kept, optimizers[one].weights))}
            yield name, changed, {loss: value.item() for loss, value in losses.items()}


def first_stage(model: Adversarial) -> tuple[Tensor, Tensor, dict[str, Tensor], dict[str, Tensor]]:
    """Return the frames that both players see, real and generated, and the losses of each."""
    torch.manual_seed(5)
    turns = dict(model.turns(batch(), 0.0))
    torch.manual_seed(5)
    fake = model.generator(torch.randn(4, 8)).detach()
    frames = batch()
    return 2 * inpaint(frames.image, frames.valid) - 1, fake, turns["critic"], turns.get("generator", {})


class Slope(nn.Module):
    """A critic with the same slope everywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(0.1 * torch.randn(3 * SIZE * SIZE))

    def forward(self, image: Tensor) -> Tensor:
        return image.flatten(1) @ self.weight
