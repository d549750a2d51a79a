"""Frames at native size that are filled up with black to another side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import test_archives as made

from medgen.data.sources import open_dataset
from medgen.errors import DataError


def test_frames_are_filled_up_with_black_on_all_sides_alike(tmp_path: Path) -> None:
    address = f"mnist:{made.mnist(tmp_path)}"
    plain, filled = open_dataset(address), open_dataset(address, pad_to=33)
    assert filled.size == 33 and filled.valid.shape[1:] == (33, 33) and filled.digest != plain.digest
    assert np.array_equal(filled.frames[:][:, 2:30, 2:30], plain.frames[:])
    assert filled.frames[:].sum() == plain.frames[:].sum()


def test_frames_are_not_filled_up_to_less_than_they_are(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is 16, but the frames have a side of 28"):
        open_dataset(f"mnist:{made.mnist(tmp_path)}", pad_to=16)
