"""TIFF files for the tests that every reader has to pass (test_readers.py)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import tifffile
from numpy.typing import NDArray

SUFFIX = ".tif"


def write_frames(path: Path, frames: NDArray[np.uint8]) -> None:
    first, *others = (PIL.Image.fromarray(frame) for frame in frames)
    first.save(path, save_all=True, append_images=others)


def write_header(path: Path, height: int, width: int) -> None:
    tifffile.imwrite(path, np.zeros((2, 2), dtype=np.uint8))
    with tifffile.TiffFile(path, mode="r+b") as file:
        for name, value in (("ImageLength", height), ("ImageWidth", width)):
            file.pages.first.tags[name].overwrite(value)


def write_corner(path: Path, value: float) -> None:
    PIL.Image.fromarray(np.array([[value, 1], [0, 0.5]], dtype=np.float32)).save(path)
