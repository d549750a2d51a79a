"""NIfTI volumes for the tests that every reader has to pass (test_readers.py)."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from writers import nifti

SUFFIX = ".nii"


def write_frames(path: Path, frames: NDArray[np.uint8]) -> None:
    upright = np.diag([-1.0, -1.0, 1.0, 1.0])  # columns run to the patient's left, rows to the back
    colour = np.ascontiguousarray(frames.transpose(2, 1, 0, 3)).view([("R", "u1"), ("G", "u1"), ("B", "u1")])[..., 0]
    nifti(path, colour, upright)  # (W, H, N)


def write_header(path: Path, height: int, width: int) -> None:
    header = nib.Nifti1Image(np.zeros((2, 2, 1), dtype=np.uint8), np.eye(4)).to_bytes()
    path.write_bytes(header[:42] + np.array([width, height], dtype="<i2").tobytes() + header[46:])


def write_corner(path: Path, value: float) -> None:
    nifti(path, np.array([[[1], [0]], [[0.5], [value]]], dtype=np.float32))
