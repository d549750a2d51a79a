"""DICOM files for the tests that every reader has to pass (test_readers.py); their pixels are integers, never NaN."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from writers import GREY, write_dicom

SUFFIX = ".dcm"


def write_frames(path: Path, frames: NDArray[np.uint8]) -> None:
    write_dicom(path, frames, "RGB", frames=len(frames))


def write_header(path: Path, height: int, width: int) -> None:
    write_dicom(path, GREY, "MONOCHROME2", Rows=height, Columns=width)
