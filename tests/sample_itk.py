"""MetaImages for the tests that every reader has to pass (test_readers.py)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK
from numpy.typing import NDArray

SUFFIX = ".mha"


def write_frames(path: Path, frames: NDArray[np.uint8]) -> None:
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(frames, isVector=True), str(path))


def write_header(path: Path, height: int, width: int) -> None:
    path.write_text(
        f"ObjectType = Image\nNDims = 2\nBinaryData = True\nDimSize = {width} {height}\nElementType = MET_UCHAR\n"
        "ElementDataFile = LOCAL\n"
    )


def write_corner(path: Path, value: float) -> None:
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(np.array([[value, 1], [0, 0.5]], dtype=np.float32)), str(path))
