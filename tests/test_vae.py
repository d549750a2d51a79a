"""The variational autoencoders: sizes of the published nets, what a class does, what a KL target does."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny import batch
from torch import nn

from medgen import registry
from medgen.backends._vae import Variational
from medgen.config import read_toml
from medgen.contract.backend import Backend
from medgen.types import Batch

CONFIGS = Path(__file__).parents[1] / "configs"


def from_recipe(name: str, size: int, channels: int, **more: object) -> Variational:
    recipe = read_toml(CONFIGS / f"{name}.toml")
    model = registry.create(recipe["backend"], {**recipe["model"], **more}, size, channels)
    assert isinstance(model, Variational)
    return model


def weights(*modules: nn.Module) -> int:
    return sum(weight.numel() for module in modules for weight in module.parameters() if weight.requires_grad)


@pytest.mark.parametrize(
    ("model", "encoder", "decoder"),
    [
        (from_recipe("vae-faces64", 64, 3), 1_598_928, 1_374_163),
        (from_recipe("vae-mnist", 28, 1), 69_076, 65_089),
        (from_recipe("cvae-faces64", 64, 3, classes=["anime", "selfie"]), 1_147_296, 775_811),
    ],
)
def test_the_nets_have_the_published_sizes(model: Variational, encoder: int, decoder: int) -> None:
    assert weights(model.encoder, model.mean, model.log_variance) == encoder  # type: ignore[arg-type]
    assert weights(model.decoder) == decoder  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["vae", "cvae", "controlvae"])
@pytest.mark.parametrize(("size", "channels"), [(28, 1), (33, 3)])
def test_frames_of_any_size_come_back_in_their_size(name: str, size: int, channels: int) -> None:
    model = registry.create(name, {"latents": 4}, size, channels).eval()
    frames = Batch(torch.rand(2, channels, size, size), torch.ones(2, 1, size, size, dtype=torch.bool), torch.arange(2))
    assert model.reconstruct(frames).shape == frames.image.shape  # type: ignore[operator]


def test_the_squared_error_is_that_of_the_valid_pixels_times_its_weight() -> None:
    model, frames = registry.create("vae", {"loss": "squared_error", "reconstruction_weight": 100.0}, 32, 3).eval(), batch()
    torch.manual_seed(0)
    (_, losses), *_ = list(model.turns(frames, 1.0))
    torch.manual_seed(0)
    mean, log_variance = model.encode(frames.image, None)  # type: ignore[operator]
    drawn = model.logits(mean + torch.randn_like(mean) * (0.5 * log_variance).exp(), None).sigmoid()  # type: ignore[operator]
    expected = 100 * nn.functional.mse_loss(drawn * frames.valid, frames.image, reduction="sum") / len(frames)
    torch.testing.assert_close(losses["reconstruction"], expected)


def conditional(count: int = 3) -> tuple[Backend, Batch]:
    torch.manual_seed(0)
    model = registry.create("cvae", {"latents": 4, "classes": [f"class {k}" for k in range(count)]}, 32, 3).eval()
    return model, batch()


def test_the_class_that_is_given_changes_the_reconstruction() -> None:
    model, frames = conditional()
    drawn = [model.reconstruct(replace(frames, finding=torch.full((4,), place))) for place in (0, 2)]  # type: ignore[operator]
    assert (drawn[0] - drawn[1]).abs().max() > 1e-3


def test_without_a_class_a_frame_is_scored_under_the_one_that_explains_it_best() -> None:
    model, frames = conditional()
    costs = []
    for place in range(3):
        finding = torch.full((4,), place)
        mean, log_variance = model.encode(frames.image, finding)  # type: ignore[operator]
        cross_entropy = nn.functional.binary_cross_entropy_with_logits(
            model.logits(mean, finding),  # type: ignore[operator]
            frames.image,
            reduction="none",
        )
        divergence = torch.distributions.kl_divergence(
            torch.distributions.Normal(mean, (0.5 * log_variance).exp()), torch.distributions.Normal(0.0, 1.0)
        )
        costs.append((cross_entropy * frames.valid).sum((1, 2, 3)) + divergence.sum(1))
    best = torch.stack(costs).argmin(0)
    torch.testing.assert_close(model.score(frames).score, model.score(replace(frames, finding=best)).score)


def test_a_class_that_is_unknown_is_chosen_and_a_known_one_is_kept() -> None:
    model, frames = conditional()
    mixed = model.best(replace(frames, finding=torch.tensor([-1, 2, 0, 1])))  # type: ignore[operator]
    assert mixed.finding.tolist()[1:] == [2, 0, 1] and mixed.finding[0] == model.best(frames).finding[0]  # type: ignore[operator]


def test_samples_are_of_the_class_asked_for() -> None:
    model, _ = conditional()
    torch.manual_seed(1)
    drawn = model.sample(3, 2)  # type: ignore[operator]
    torch.manual_seed(1)
    latent = torch.randn(3, 4)
    assert torch.equal(drawn, model.logits(latent, torch.full((3,), 2)).sigmoid())  # type: ignore[operator]


def test_a_cvae_works_with_any_number_of_classes() -> None:
    for count in (1, 2, 10):
        model, frames = conditional(count)
        assert model.score(frames).score.shape == (4,)


@pytest.mark.parametrize("name", ["vae", "endovae", "controlvae"])
def test_a_kl_target_weighs_the_kl_by_what_the_controller_says(name: str) -> None:
    torch.manual_seed(0)
    model, frames = registry.create(name, {"kl_target": 5.0, "latents": 4}, 32, 3).train(), batch()
    (_, losses), *_ = list(model.turns(frames, 0.5))
    kl, beta = float(model.notes["kl"]), float(model.notes["beta"])
    settings = model.config.control  # type: ignore[attr-defined]
    error = settings.start - kl
    expected = settings.kp / (1 + math.exp(error)) - settings.ki * error + settings.beta_min
    assert beta == pytest.approx(min(max(expected, settings.beta_min), settings.beta_max), abs=1e-9)
    assert losses["kl"].item() == pytest.approx(beta * kl, rel=1e-5)


def test_validation_leaves_the_controller_as_it_is() -> None:
    model = registry.create("controlvae", {}, 32, 3).train()
    list(model.turns(batch(), 0.5))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    list(model.eval().turns(batch(), 1.0))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_the_controller_survives_a_checkpoint() -> None:
    model = registry.create("controlvae", {}, 32, 3).train()
    for _ in range(3):
        list(model.turns(batch(), 0.5))
    other = registry.create("controlvae", {}, 32, 3)
    other.load_state_dict(model.state_dict())
    assert other.controller.beta == model.controller.beta  # type: ignore[union-attr]
