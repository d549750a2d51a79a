"""Frames at native size that are brought to another size or number of channels when they are read."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import test_archives as made
from PIL import Image as Picture

from medgen.data.fitted import Fitted
from medgen.data.sources import Reading, open_dataset
from medgen.errors import DataError

FRAMES = np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3), dtype=np.uint8)


def test_frames_are_filled_up_with_black_on_all_sides_alike(tmp_path: Path) -> None:
    address = f"mnist:{made.mnist(tmp_path)}"
    plain, filled = open_dataset(address), open_dataset(address, Reading(pad_to=33))
    assert filled.size == 33 and filled.valid.shape[1:] == (33, 33) and filled.digest != plain.digest
    assert np.array_equal(filled.frames[:][:, 2:30, 2:30], plain.frames[:])
    assert filled.frames[:].sum() == plain.frames[:].sum()


def test_frames_are_not_filled_up_to_less_than_they_are(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is 16, but the frames have a side of 28"):
        open_dataset(f"mnist:{made.mnist(tmp_path)}", Reading(pad_to=16))


def test_smaller_frames_are_the_means_of_areas() -> None:
    means = FRAMES.reshape(5, 8, 2, 8, 2, 3).mean((2, 4))
    assert np.abs(Fitted(FRAMES, resize_to=8)[:].astype(float) - means).max() <= 0.5


def test_larger_frames_are_those_of_opencv() -> None:
    expected = np.stack([cv2.resize(frame, (20, 20), interpolation=cv2.INTER_LINEAR) for frame in FRAMES])
    assert np.array_equal(Fitted(FRAMES, resize_to=20)[:], expected)


def test_frames_are_resized_before_they_are_filled_up() -> None:
    fitted = Fitted(FRAMES, resize_to=8, pad_to=12)
    assert fitted[1].shape == (12, 12, 3) and np.array_equal(fitted[1][2:10, 2:10], Fitted(FRAMES, resize_to=8)[1])


def test_grey_frames_become_colour_ones_and_back_as_in_pillow() -> None:
    grey = Fitted(FRAMES, channels=1)[:]
    expected = np.stack([np.asarray(Picture.fromarray(frame).convert("L")) for frame in FRAMES])
    assert grey.shape == (5, 16, 16, 1) and np.abs(grey[..., 0].astype(int) - expected).max() <= 1
    assert np.array_equal(Fitted(grey, channels=3)[:], np.repeat(grey, 3, axis=3))
    assert Fitted(grey, resize_to=8)[:].shape == (5, 8, 8, 1)


def test_no_frames_are_no_frames() -> None:
    assert Fitted(FRAMES, resize_to=8, pad_to=12, channels=1)[np.array([], dtype=np.int64)].shape == (0, 12, 12, 1)


@pytest.mark.parametrize("name", ["resize_to", "pad_to", "channels"])
def test_prepared_frames_are_left_as_they_are(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"were fixed when it was prepared; leave data.{name} at 0"):
        open_dataset(tmp_path, Reading.parse({name: 3}))
