"""The nets of PixelDA have the published sizes, and its content loss is that of the paper."""

from __future__ import annotations

import math

import pytest
import torch
from pixelda_models import small, values, weights
from tiny import batch
from torch import Tensor

from medgen.nn.translation.pixelda_nets import (
    DigitClassifier,
    Discriminator,
    Generator,
    Noise,
    ResidualClassifier,
    pairwise_squared_error,
)
from medgen.types import Batch

# nets


def test_the_classifier_of_ten_digits_has_359290_weights() -> None:
    assert weights(DigitClassifier(32, 3, 10)) == 359_290


def test_the_generator_has_the_weights_of_its_layers() -> None:
    plane, first, last = 11 * 1024, 4 * 9 * 64 + 64, 64 * 9 * 3 + 3
    block = 2 * (64 * 9 * 64 + 2 * 64)  # a convolution, whose bias batch norm would take away, and scale and shift
    assert weights(Generator(32, 3)) == plane + first + 6 * block + last


def test_the_discriminator_has_the_weights_of_its_layers() -> None:
    first, last = 3 * 9 * 64 + 64, 512 * 4 * 4 + 1
    further = [before * 9 * after + 2 * after for before, after in ((64, 128), (128, 256), (256, 512))]
    assert weights(Discriminator(32, 3)) == first + sum(further) + last


@pytest.mark.parametrize(("size", "channels"), [(16, 1), (17, 3), (33, 1), (50, 3), (96, 3)])
def test_frames_of_any_side_and_colour_pass_all_nets(size: int, channels: int) -> None:
    model = small(size, channels)
    image = torch.rand(2, channels, size, size)
    frames = Batch(
        image, torch.ones(2, 1, size, size, dtype=torch.bool), torch.arange(2), finding=torch.tensor([0, 2]), other=image
    )
    assert all(math.isfinite(value) for value in values(model, frames).values())
    assert model.translate(frames).shape == image.shape and model.classify(frames)["adapted"].shape == (2, 3)


@pytest.mark.parametrize(
    ("size", "asked", "kind"),
    [
        (32, "auto", DigitClassifier),
        (33, "auto", ResidualClassifier),
        (96, "digits", DigitClassifier),
        (32, "residual", ResidualClassifier),
    ],
)
def test_the_classifier_is_chosen_by_the_side_unless_it_is_named(size: int, asked: str, kind: type) -> None:
    assert isinstance(small(size, classifier=asked).classifier, kind)


def test_noise_has_the_stated_deviation_while_it_trains() -> None:
    added = Noise(0.2)(torch.ones(100_000)) - 1
    assert added.std().item() == pytest.approx(0.2, rel=0.02) and added.mean().item() == pytest.approx(0, abs=0.005)


def test_the_discriminator_is_shown_noise_and_dropout_in_training_alone() -> None:
    image, still = batch().image, {"noise": 0.0, "dropout": 0.0}
    for settings, varies in (({"noise": 0.2, "dropout": 0.0}, True), ({"noise": 0.0, "dropout": 0.1}, True), (still, False)):
        critic = Discriminator(32, 3, 8, **settings)
        assert torch.equal(critic(image), critic(image)) is not varies
        critic.eval()
        assert torch.equal(critic(image), critic(image))


def test_noise_changes_what_the_generator_draws() -> None:
    generator, image = Generator(32, 3, 10, 8, 1).eval(), batch().image
    one, other = (generator(image, torch.full((4, 10), value)) for value in (-1.0, 1.0))
    assert (one - other).abs().max() > 1e-3


# pairwise squared error


def frames_of(*pixels: float) -> Tensor:
    return torch.tensor(pixels).view(1, 1, 1, -1)


def test_the_pairwise_error_is_that_of_equation_5() -> None:
    drawn, image, mask = frames_of(1, 5, 2, 9), frames_of(0, 1, 0, 0), frames_of(1, 1, 1, 0) > 0
    differences = (1, 4, 2)
    by_hand = (1 + 16 + 4) / 3 - sum(differences) ** 2 / 9  # 7 - 49 / 9 = 14 / 9
    assert pairwise_squared_error(drawn, image, mask).item() == pytest.approx(by_hand) == pytest.approx(14 / 9)


def test_the_pairwise_error_is_half_the_mean_square_over_all_pairs() -> None:
    drawn, image = torch.rand(2, 3, 4, 4), torch.rand(2, 3, 4, 4)
    difference = (drawn - image).flatten(1)
    pairs = (difference[:, :, None] - difference[:, None, :]).square().mean((1, 2)) / 2
    torch.testing.assert_close(pairwise_squared_error(drawn, image, torch.ones(2, 1, 4, 4) > 0), pairs)


def test_a_constant_inside_the_mask_and_anything_outside_it_cost_nothing() -> None:
    frames = batch()
    changed = torch.where(frames.valid, frames.image + 0.7, torch.rand(4, 3, 32, 32))
    torch.testing.assert_close(pairwise_squared_error(changed, frames.image, frames.valid), torch.zeros(4))
    assert pairwise_squared_error(changed, frames.image, torch.ones_like(frames.valid)).min() > 0.01


def test_an_empty_mask_costs_nothing() -> None:
    assert pairwise_squared_error(torch.rand(1, 3, 4, 4), torch.rand(1, 3, 4, 4), torch.zeros(1, 1, 4, 4) > 0).item() == 0
