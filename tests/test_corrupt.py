"""What is taken from a frame is what is said, and patterns erase each pixel equally often."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter

from medgen.nn.translation.corrupt import blur, erase, fixed_patterns, grey, random_patterns

CPU = torch.device("cpu")


def test_the_grey_of_a_colour_is_what_a_hand_computes() -> None:
    colour = torch.tensor([200.0, 100.0, 50.0]).view(1, 3, 1, 1) / 255
    torch.testing.assert_close(grey(colour)[0, :, 0, 0], torch.full((3,), (59.8 + 58.7 + 5.7) / 255))


def test_greys_are_those_of_pillow() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    frames = torch.from_numpy(pixels).permute(2, 0, 1)[None] / 255  # (1, 3, 16, 16)
    expected = np.asarray(Image.fromarray(pixels).convert("L"))
    assert np.abs(255 * grey(frames)[0, 1].numpy() - expected).max() <= 0.51


def test_the_blur_is_scipys_gaussian_of_a_share_of_the_side() -> None:
    frames, everywhere = torch.rand(2, 3, 40, 40), torch.ones(2, 1, 40, 40, dtype=torch.bool)
    sides = {"sigma": (0, 0, 2, 2), "truncate": 3.0, "mode": "constant"}
    expected = gaussian_filter(frames.numpy(), **sides) / gaussian_filter(np.ones(frames.shape), **sides)
    np.testing.assert_allclose(blur(frames, everywhere, 0.05).numpy(), expected, atol=1e-5)


def test_what_is_not_valid_is_not_blurred_into_the_rest() -> None:
    frames, valid = torch.rand(1, 3, 24, 24), torch.rand(1, 1, 24, 24) > 0.2
    changed = torch.where(valid, frames, 1.0)
    assert torch.equal(blur(frames, valid, 0.1), blur(changed, valid, 0.1))
    assert not blur(frames, valid, 0.1)[~valid.expand_as(frames)].any()


def test_mixed_precision_does_not_change_the_blur() -> None:
    frames, everywhere = torch.rand(1, 3, 24, 24), torch.ones(1, 1, 24, 24, dtype=torch.bool)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = blur(frames, everywhere, 0.1)
    assert torch.equal(mixed, blur(frames, everywhere, 0.1))


def test_only_erased_pixels_are_mid_grey() -> None:
    frames, pattern = torch.rand(2, 3, 16, 16), torch.rand(2, 1, 16, 16) > 0.5
    drawn, where = erase(frames, pattern), pattern.expand_as(frames)
    assert (drawn[where] == 0.5).all() and torch.equal(drawn[~where], frames[~where])


@pytest.mark.parametrize("size", [16, 17, 50])
@pytest.mark.parametrize(("cells", "groups"), [(2, 2), (8, 2), (5, 3), (16, 4)])
def test_the_patterns_together_erase_each_pixel_once(cells: int, groups: int, size: int) -> None:
    patterns = fixed_patterns(cells, groups, size, CPU)
    assert patterns.shape == (groups, 1, size, size) and (patterns.sum(0) == 1).all()


def test_two_patterns_are_a_chessboard_and_its_negative() -> None:
    first, second = fixed_patterns(2, 2, 4, CPU)[:, 0].int().tolist()
    assert first == [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]]
    assert second == [[0, 0, 1, 1], [0, 0, 1, 1], [1, 1, 0, 0], [1, 1, 0, 0]]


def test_cells_of_a_side_that_they_do_not_divide_differ_by_one_pixel() -> None:
    row = fixed_patterns(8, 2, 50, CPU)[0, 0, 0].int()
    edges = [0, *(row.diff().nonzero()[:, 0] + 1).tolist(), 50]
    assert len(edges) == 9 and set(np.diff(edges)) == {6, 7}


@pytest.mark.parametrize("groups", [2, 4])
def test_random_patterns_erase_their_share(groups: int) -> None:
    torch.manual_seed(0)
    drawn = random_patterns(200, 8, groups, 16, CPU).float().mean().item()
    assert drawn == pytest.approx(1 / groups, abs=4 * 0.5 / (200 * 64) ** 0.5)  # four standard errors of so many coins


def test_random_patterns_erase_whole_cells_and_differ_from_frame_to_frame() -> None:
    torch.manual_seed(0)
    patterns = random_patterns(2, 8, 2, 32, CPU)
    cells = patterns.unfold(2, 4, 4).unfold(3, 4, 4).flatten(4)  # (2, 1, 8, 8, 16)
    assert torch.equal(cells.all(-1), cells.any(-1)) and not torch.equal(patterns[0], patterns[1])
