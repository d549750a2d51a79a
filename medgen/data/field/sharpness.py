"""How sharp a frame is: the variance of its Laplacian.

Source: Pech-Pacheco et al. 2000, "Diatom autofocusing in brightfield microscopy: a comparative study",
https://doi.org/10.1109/ICPR.2000.903548. What is sharp in one organ, light or instrument is not in another, so that a frame is
judged beside others of its own video (`preparing.video_frames`).
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from medgen.data.field.contour import cut, resize, square_box
from medgen.data.pixel_format import with_channels
from medgen.types import Box

SIDE = 256  # pixels to which the square in the field of view is brought, so that frames of any size are measured alike


def sharpness(pixels: NDArray[np.uint8], field: Box) -> float:
    """Return the variance of the Laplacian of the grey levels in a field of view, from 0; 0 is a frame of one colour.

    Parameters
    ----------
    pixels : (H, W, C), C 1 or 3
    field : the box around the field of view
    """
    square = resize(np.ascontiguousarray(with_channels(cut(pixels, square_box(field)), 1)), SIDE)
    return float(cv2.Laplacian(square[..., 0], cv2.CV_64F).var())
