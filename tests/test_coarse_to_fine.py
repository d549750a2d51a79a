"""The generator in two parts: its weights, what each part sees, and when each is trained."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from players import batch

from medgen import api
from medgen.backends.pix2pix import Config, Model
from medgen.errors import ConfigError
from medgen.nn.translation.coarse_to_fine import CoarseToFine, halvings_of

CONFIGS = Path(__file__).parents[1] / "configs"


def of_recipe(name: str) -> Model:
    """Build a recipe's model at 256 pixels without memory for its weights."""
    with torch.device("meta"):
        return Model(Config.parse(api.recipe("pix2pix", CONFIGS / f"{name}.toml").model), 256, 3)


def weights(net: torch.nn.Module) -> int:
    return sum(weight.numel() for weight in net.parameters())


def test_the_first_part_has_as_many_weights_as_the_published_global_generator() -> None:
    """Of 36 channels that one has 182,546,755; each channel of the first convolution has 64 filters of 7 x 7."""
    net = of_recipe("pix2pix-maps-hd").generator
    assert isinstance(net, CoarseToFine)
    assert weights(net.first) + weights(net.first_head) == 182_546_755 - (36 - 3) * 64 * 49


def test_the_settings_of_the_report_have_its_numbers_of_weights_and_batch_norm() -> None:
    model = of_recipe("pix2pix-maps-report")
    assert (weights(model.generator), weights(model.critic)) == (54_419_459, 2_769_601)
    assert any(isinstance(layer, torch.nn.BatchNorm2d) for layer in model.critic.modules())


@pytest.mark.parametrize(("size", "halvings"), [(16, 1), (32, 1), (64, 2), (128, 3), (256, 4), (512, 4)])
def test_halving_leaves_eight_pixels_or_more(size: int, halvings: int) -> None:
    assert halvings_of(size, 4) == halvings and (size <= 16 or size // 2 // 2**halvings >= 8)


@pytest.mark.parametrize("size", [16, 36, 64])
def test_frames_of_any_side_keep_it(size: int) -> None:
    net = CoarseToFine(size, 3, width=2, blocks=1, fine_blocks=1)
    frame = torch.rand(2, 3, size, size)
    assert net(frame).shape == frame.shape and net.coarse(frame[..., ::2, ::2]).shape == (2, 3, size // 2, size // 2)


@pytest.mark.parametrize(
    ("progress", "trained"), [(0.0, {"first", "first_head"}), (0.9, {"first", "second_down", "second_up", "second_head"})]
)
def test_the_first_part_is_trained_alone_before_both_are(progress: float, trained: set[str]) -> None:
    torch.manual_seed(0)
    model = Model(Config(generator="coarse_to_fine", width=2, critic_width=2, pairing="blur"), 32, 3)
    turns = dict(model.turns(batch(), progress))
    torch.stack(list(turns["generator"].values())).sum().backward()
    moved = {
        name.split(".")[0] for name, weight in model.generator.named_parameters() if weight.grad is not None and weight.grad.any()
    }
    assert moved == trained


def test_while_the_first_part_is_trained_alone_it_draws_alone() -> None:
    torch.manual_seed(0)
    model = Model(Config(generator="coarse_to_fine", width=2, critic_width=2, pairing="blur"), 32, 3).eval()
    net, frames = model.generator, batch()
    assert isinstance(net, CoarseToFine)
    drawn = {}
    for progress in (0.0, 0.9):
        next(model.turns(frames, progress))
        drawn[progress] = model.translate(frames)
    small = net.coarse(torch.nn.functional.avg_pool2d(2 * frames.image - 1, 2))
    large = torch.nn.functional.interpolate(small, (32, 32), mode="bilinear")
    torch.testing.assert_close(drawn[0.0], (large + 1) / 2)
    assert not torch.allclose(drawn[0.0], drawn[0.9])


def test_a_training_of_the_first_part_alone_is_refused() -> None:
    with pytest.raises(ConfigError, match="coarse_share"):  # what it saved would draw with an untrained part
        Config.parse({"generator": "coarse_to_fine", "coarse_share": 1.0})
