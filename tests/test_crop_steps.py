"""Pictures of how the field of view is found: all steps equally large, on paper on which a white mask has an edge."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from medgen import api

HEAD, GAP, SIDE = 22, 4, 240
PAPER = (0xCC, 0xD3, 0xDA)


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> NDArray[np.uint8]:
    """The steps of a frame of 120 x 60 pixels without a border, cropped to 48."""
    folder = tmp_path_factory.mktemp("steps")
    noise = np.random.default_rng(0).integers(120, 250, (60, 120, 3), dtype=np.uint8)
    Image.fromarray(noise).save(folder / "wide.png")
    api.crop_steps(folder / "wide.png", folder / "out", size=48)
    return np.asarray(Image.open(folder / "out" / "wide.png.png"))


def test_the_steps_are_equally_large(steps: NDArray[np.uint8]) -> None:
    assert steps.shape == (HEAD + SIDE + 2 * GAP, 6 * (SIDE + GAP) + GAP, 3)


def test_a_wide_frame_keeps_its_shape_in_the_middle_of_its_tile(steps: NDArray[np.uint8]) -> None:
    tile = steps[HEAD + GAP : HEAD + GAP + SIDE, GAP : GAP + SIDE]
    painted = (tile != PAPER).any(axis=(1, 2))
    assert painted[60:180].all() and not painted[:60].any() and not painted[180:].any()


def test_a_white_mask_ends_at_paper_of_another_colour(steps: NDArray[np.uint8]) -> None:
    left = GAP + 2 * (SIDE + GAP)
    column = steps[HEAD + GAP : HEAD + GAP + SIDE, left + SIDE // 2]
    assert (column[60:180] == 255).all() and (column[[59, 180]] == PAPER).all() and (steps[150, left - 1] == PAPER).all()
