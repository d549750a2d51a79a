"""Arrays that are taken whole as pictures, with one range of values for all of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from medgen.data.intensity import ROBUST, Intensity, keeps_convention, picture
from medgen.data.pixel_format import stored, to_uint8
from medgen.errors import ImageError


def range_of(frames: NDArray[Any]) -> Intensity:
    """Return which values are black and white, of frames (n, H, W, C) that are taken whole: one range for all."""
    if frames.dtype == np.uint8 or keeps_convention(stored(frames.reshape(1, -1, 1))):
        return Intensity()
    low, high = (float(value) for value in np.percentile(frames, ROBUST))
    return Intensity("percentile", ROBUST, (low, high if high > low else low + 1))


def shown(frames: NDArray[Any], intensity: Intensity) -> NDArray[np.uint8]:
    """Return frames as pictures (n, H, W, C) uint8.

    Raises
    ------
    ValueError : if values lie outside of what those in `fit` said of them.
    """
    try:
        return np.stack([to_uint8(picture(stored(frame), intensity)) for frame in frames])
    except ImageError as error:
        low, high = frames.min(), frames.max()
        raise ValueError(f"X has values from {low:g} to {high:g}; those in fit were from 0 to 1 (floats) or 255") from error
