"""FreeSurfer volumes for the tests that every reader has to pass (test_readers.py)."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

SUFFIX = ".mgh"
COLOURLESS = True  # the format has no colour
UPRIGHT = np.diag([-1.0, -1.0, 1.0, 1.0])  # columns run to the patient's left, rows to the back


def write_frames(path: Path, frames: NDArray[np.uint8]) -> None:
    nib.save(nib.MGHImage(np.ascontiguousarray(frames[..., 0].transpose(2, 1, 0)), UPRIGHT), path)  # (W, H, N)


def write_header(path: Path, height: int, width: int) -> None:
    header = nib.MGHImage(np.zeros((2, 2, 1), dtype=np.uint8), UPRIGHT).to_bytes()
    path.write_bytes(header[:4] + np.array([width, height], dtype=">i4").tobytes() + header[12:284])


def write_corner(path: Path, value: float) -> None:
    nib.save(nib.MGHImage(np.array([[[1], [0]], [[0.5], [value]]], dtype=np.float32), UPRIGHT), path)
