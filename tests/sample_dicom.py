"""DICOM files for the tests that every reader has to pass (test_readers.py)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from writers import GREY, dicom, write_dicom

SUFFIX = ".dcm"


def write_frames(path: Path, frames: NDArray[np.uint8]) -> None:
    write_dicom(path, frames, "RGB", frames=len(frames))


def write_header(path: Path, height: int, width: int) -> None:
    write_dicom(path, GREY, "MONOCHROME2", Rows=height, Columns=width)


def write_corner(path: Path, value: float) -> None:
    write_floats(path, np.array([[value, 1], [0, 0.5]], dtype=np.float32))


def write_floats(path: Path, pixels: NDArray[np.float32] | NDArray[np.float64], **tags: object) -> Path:
    """Float or Double Float Pixel Data, as of a parametric map."""
    ds = dicom(pixels, "MONOCHROME2", **tags)
    setattr(ds, "FloatPixelData" if pixels.dtype == np.float32 else "DoubleFloatPixelData", pixels.tobytes())
    for keyword in ("PixelData", "BitsStored", "HighBit", "PixelRepresentation"):
        delattr(ds, keyword)
    ds.save_as(path, enforce_file_format=True)
    return path
