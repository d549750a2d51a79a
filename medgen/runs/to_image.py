"""Tensors to pixels and PNG."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Picture
from torch import Tensor

from medgen.files import PICTURE


def to_pixels(image: Tensor) -> NDArray[np.uint8]:
    """Return (B, S, S, 3) uint8 of (B, C, S, S) in [0, 1]; grey is repeated."""
    pixels = (image.float().clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    return np.repeat(pixels, 3, axis=3) if pixels.shape[3] == 1 else pixels


def png(pixels: NDArray[np.uint8]) -> bytes:
    """Return (S, S) or (S, S, 3) uint8 pixels as a PNG of just that size."""
    buffer = io.BytesIO()
    Picture.fromarray(pixels).save(buffer, **PICTURE)
    return buffer.getvalue()
