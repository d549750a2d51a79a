"""Differentiable augmentation changes each frame by what it may, in its own way, and lets gradients through."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from medgen.nn.adversarial.diffaugment import CHANGES, Change, augment

every = pytest.mark.parametrize("change", CHANGES)


def frames(n: int = 200, channels: int = 3, side: int = 16) -> Tensor:
    """Return n frames without a 0, all the same."""
    torch.manual_seed(0)
    return (torch.rand(1, channels, side, side) * 0.9 + 0.1).repeat(n, 1, 1, 1)


def test_without_changes_frames_stay_as_they_are() -> None:
    image = frames(2)
    assert torch.equal(augment(image, ()), image)


@every
def test_each_frame_is_changed_in_its_own_way(change: Change) -> None:
    kinds = len(augment(frames(50), (change,)).flatten(1).unique(dim=0))
    assert kinds > (20 if change == "translation" else 40)  # there are 25 translations, of which 50 draws hit 22


@every
@pytest.mark.parametrize(("side", "channels"), [(28, 1), (33, 3)])
def test_frames_keep_their_shape(change: Change, side: int, channels: int) -> None:
    assert augment(frames(3, channels, side), (change,)).shape == (3, channels, side, side)


def test_changes_are_made_one_after_another() -> None:
    image = frames(4)
    torch.manual_seed(1)
    together = augment(image, ("translation", "colour"))
    torch.manual_seed(1)
    assert torch.equal(together, augment(augment(image, ("translation",)), ("colour",)))


def measured(image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return of each frame its mean (B,), grey without its mean and colour without grey, (B, ...) each."""
    grey = image.mean(1, keepdim=True)
    return image.mean((1, 2, 3)), grey - image.mean((1, 2, 3), keepdim=True), image - grey


def test_colour_draws_brightness_contrast_and_saturation_from_their_ranges() -> None:
    before, after = measured(frames().double()), measured(augment(frames().double(), ("colour",)))
    brightness = after[0] - before[0]
    contrast = (after[1] / before[1]).flatten(1).median(1).values
    saturation = (after[2] / before[2]).flatten(1).median(1).values / contrast
    torch.testing.assert_close(after[1], before[1] * contrast[:, None, None, None])
    torch.testing.assert_close(after[2], before[2] * (contrast * saturation)[:, None, None, None])
    for values, low, high in ((brightness, -0.5, 0.5), (contrast, 0.5, 1.5), (saturation, 0.0, 2.0)):
        reach = 0.05 * (high - low)
        assert low <= values.min() < low + reach and high - reach < values.max() <= high


def test_colour_equals_the_formula_of_its_three_draws() -> None:
    image = frames(2)
    torch.manual_seed(3)
    changed = augment(image, ("colour",)).numpy()
    torch.manual_seed(3)
    brightness, saturation, contrast = torch.rand(3, 2).numpy()
    for k, pixels in enumerate(image.numpy()):
        lit = pixels + brightness[k] - 0.5
        grey = lit.mean(0)
        coloured = grey + 2 * saturation[k] * (lit - grey)
        expected = coloured.mean() + (0.5 + contrast[k]) * (coloured - coloured.mean())
        np.testing.assert_allclose(changed[k], expected, atol=1e-6)


def test_translation_moves_by_up_to_an_eighth_and_fills_with_zeros() -> None:
    image = frames()[0].numpy()
    padded = np.pad(image, ((0, 0), (2, 2), (2, 2)))
    places = {(row, column): padded[:, row : row + 16, column : column + 16] for row in range(5) for column in range(5)}
    found = [
        [place for place, expected in places.items() if np.array_equal(moved, expected)]
        for moved in augment(frames(), ("translation",)).numpy()
    ]
    assert all(len(place) == 1 for place in found)
    assert {place[0] for place in found} == set(places)  # 200 draws hit each of the 25


def test_cutout_blanks_a_square_of_half_the_side_that_may_reach_over_the_edge() -> None:
    image, cut = frames(400), augment(frames(400), ("cutout",))
    blank = (cut == 0).all(1)  # (B, S, S)
    assert torch.equal(cut, torch.where(blank[:, None], 0.0, image))
    sizes = set()
    for hole in blank:
        rows, columns = hole.any(1).nonzero()[:, 0], hole.any(0).nonzero()[:, 0]
        assert hole.sum() == len(rows) * len(columns)  # a rectangle, of consecutive rows and columns
        assert rows[-1] - rows[0] + 1 == len(rows) and columns[-1] - columns[0] + 1 == len(columns)
        for lines in (rows, columns):
            crosses = lines[0] == 0 or lines[-1] == 15
            assert len(lines) == 8 or (crosses and len(lines) >= 4)
            sizes.add(len(lines))
    assert sizes == {4, 5, 6, 7, 8}


def test_an_odd_square_is_cut_out_whole_too() -> None:
    blank = augment(frames(200, side=18), ("cutout",))[:, 0] == 0
    assert blank.flatten(1).sum(1).max() == 9 * 9


def test_gradients_of_what_is_moved_or_cut_out_are_zero_and_of_the_rest_one() -> None:
    for change in ("translation", "cutout"):
        image = frames(20).requires_grad_()
        changed = augment(image, (change,))  # type: ignore[arg-type]
        (slope,) = torch.autograd.grad(changed.sum(), image)
        assert set(slope.unique().tolist()) == {0.0, 1.0}
        assert torch.equal(slope.sum((1, 2, 3)), (changed != 0).sum((1, 2, 3)).float())


def test_gradients_go_through_a_change_of_colour() -> None:
    image = frames(2)[:1].double().requires_grad_()

    def change(pixels: Tensor) -> Tensor:
        torch.manual_seed(0)
        return augment(pixels, ("colour",))

    direction = torch.randn_like(image)
    (slope,) = torch.autograd.grad(change(image)[0, 1, 2, 3], image)
    moved = (change(image + 1e-4 * direction) - change(image - 1e-4 * direction))[0, 1, 2, 3] / 2e-4
    torch.testing.assert_close((slope * direction).sum(), moved)
