"""Arrays for the tests that every reader has to pass (test_readers.py)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SUFFIX = ".npy"


def write_frames(path: Path, frames: NDArray[np.uint8]) -> None:
    np.save(path, frames)


def write_header(path: Path, height: int, width: int) -> None:
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": (height, width)})


def write_corner(path: Path, value: float) -> None:
    np.save(path, np.array([[value, 1], [0, 0.5]]))
