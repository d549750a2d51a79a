"""Sizes of findings in mm, where the raw frames are still there and their format knows the spacing of its pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medgen.data.images import opened
from medgen.data.prepared import Prepared
from medgen.data.source_file import file_and_frame
from medgen.data.writers.map_to_original import find_originals
from medgen.errors import MedgenError

Spacing = tuple[float, float] | None
TRIED = 3  # files in a row without a spacing, after which no other is asked: pictures have none


def diameters(data: Prepared, rows: NDArray[np.int64], pixels: NDArray[np.int64]) -> NDArray[np.float64] | None:
    """Return the diameter in mm of a disc with the area of each finding, (L,): NaN where no spacing is known, None if of none.

    Parameters
    ----------
    data : the data set
    rows : (L,) row of the frame of each finding
    pixels : (L,) of the crop that it covers
    """
    spacing = spacings(data, rows)
    if spacing is None:
        return None
    index, (down, across) = data.index.iloc[rows], spacing.T
    height = (index["bottom"] - index["top"]).to_numpy(dtype=np.float64) / data.size * down  # of a pixel of the crop, mm
    width = (index["right"] - index["left"]).to_numpy(dtype=np.float64) / data.size * across
    areas: NDArray[np.float64] = pixels * height * width
    return 2 * np.sqrt(areas / np.pi)


def spacings(data: Prepared, rows: NDArray[np.int64]) -> NDArray[np.float64] | None:
    """Return mm from one row of pixels to the next and from one column to the next in each frame, (L, 2).

    NaN where it is not known; None if it is of no frame.

    Parameters
    ----------
    data : the data set
    rows : (L,) of it
    """
    if data.kind or not len(rows):
        return None
    frames = np.unique(rows)
    known: dict[str, Spacing] = {}
    for original in find_originals(data, frames):
        if original.file is None or original.name in known:
            continue
        known[original.name] = _spacing(original.file)
        if len(known) >= TRIED and not any(known.values()):
            return None
    if not any(known.values()):
        return None
    found = [known.get(file_and_frame(str(path))[0]) for path in data.index["path"].iloc[rows]]
    return np.array([spacing or (np.nan, np.nan) for spacing in found], dtype=np.float64)


def _spacing(file: Path) -> Spacing:
    """Return the (row, column) spacing of a file's first frame in mm; None where it has none or cannot be read."""
    try:
        with opened(file) as frames:
            first = next(iter(frames.frames), None)
            return None if first is None else first.spacing
    except MedgenError:
        return None
