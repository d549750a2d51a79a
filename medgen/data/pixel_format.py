"""The form in which pixels travel, (H, W, C) uint8 or float32 in [0, 1], and how raw arrays are checked and brought into it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from medgen.errors import ImageError

MAX_PIXELS = 100_000_000  # of one frame; a header that asks for more is refused before anything is decoded
MAX_VOLUME = 10 * MAX_PIXELS  # of everything that has to lie in memory at once (a NIfTI volume)
TOLERANCE = 1e-6  # how far outside [0, 1] a float may lie by rounding

Raw = NDArray[Any]  # pixels as a file stores them, of whatever type
Pixels = NDArray[np.uint8] | NDArray[np.float32]
Spacing = tuple[float, float] | None


class FileFrames(NamedTuple):
    """What a reader finds in a file.

    Attributes
    ----------
    total : how many frames there are
    frames : each in turn, decoded when it is asked for, with its (row, column) spacing in mm, None where the format has none
    """

    total: int
    frames: Iterator[tuple[Pixels, Spacing]]


def check_size(height: int, width: int) -> None:
    """Refuse a frame before it is decoded.

    Raises
    ------
    ImageError : if the frame has no pixels or more than `MAX_PIXELS`.
    """
    if height < 1 or width < 1:
        raise ImageError(f"has no pixels ({width} x {height})")
    if height * width > MAX_PIXELS:
        raise ImageError(
            f"{width} x {height} is {height * width / 1e6:.0f} megapixels; at most {MAX_PIXELS // 1_000_000} megapixels are read"
        )


def check_finite(values: Raw) -> None:
    """Refuse NaN and infinity.

    Raises
    ------
    ImageError : with how many of the pixels are not finite.
    """
    if values.dtype.kind == "f" and (bad := values.size - int(np.isfinite(values).sum())):
        raise ImageError(f"{bad} of {values.size} pixels are NaN or infinite")


def standard(raw: Raw, top: int = 65535) -> Pixels:
    """Bring one frame as a file stores it into the form that travels.

    Parameters
    ----------
    raw : (H, W) or (H, W, C), C 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGB, alpha)
    top : the value of white in a 16-bit frame

    Returns
    -------
    (H, W, C), C 1 or 3. Alpha is laid over black, the colour of the border of an endoscope's field of view. uint8 stays;
    bool becomes 0 and 255; uint16 is divided by `top`; floats must lie in [0, 1]; other integers must lie in [0, 255].

    Raises
    ------
    ImageError : on NaN, infinity, values out of range (nobody can know what was white) or a type that is no number.
    """
    pixels = _unit(raw[..., None] if raw.ndim == 2 else raw, top)  # (H, W, C)
    if pixels.shape[-1] in (2, 4):
        pixels = _over_black(pixels)
    return pixels if pixels.flags.c_contiguous and pixels.flags.writeable else pixels.copy(order="C")


def _unit(raw: Raw, top: int) -> Pixels:
    kind, size = raw.dtype.kind, raw.dtype.itemsize
    if kind == "b":
        return raw.astype(np.uint8) * np.uint8(255)
    if kind == "u" and size == 1:
        return raw
    if kind == "u" and size == 2:
        return np.minimum(raw.astype(np.float32) / np.float32(top), np.float32(1))
    if kind not in "iuf":
        raise ImageError(f"pixels are of type {raw.dtype}; expected integers or floats")
    check_finite(raw)
    low, high = raw.min(), raw.max()
    if kind == "f":
        if low < -TOLERANCE or high > 1 + TOLERANCE:
            raise ImageError(f"{raw.dtype} pixels from {low:g} to {high:g}; expected 0 to 1 (rescale them before saving)")
        return np.clip(raw, 0, 1).astype(np.float32)
    if low < 0 or high > 255:
        raise ImageError(f"{raw.dtype} pixels from {low} to {high}; expected uint8, uint16, or floats from 0 to 1")
    return raw.astype(np.uint8)


def _over_black(pixels: Pixels) -> Pixels:
    """Lay grey or colour with alpha over black: (H, W, 2 or 4) -> (H, W, 1 or 3)."""
    colour, alpha = pixels[..., :-1], pixels[..., -1:]
    if pixels.dtype == np.uint8:
        return ((colour.astype(np.uint32) * alpha + 127) // 255).astype(np.uint8)
    return colour * alpha


def to_uint8(pixels: NDArray) -> NDArray[np.uint8]:
    """Return uint8 pixels in [0, 255] of uint8 pixels or of float32 pixels in [0, 1]."""
    return pixels if pixels.dtype == np.uint8 else np.rint(np.clip(pixels, 0, 1) * 255).astype(np.uint8)


def with_channels(pixels: NDArray[Any], channels: int) -> NDArray[Any]:
    """Return (..., H, W, channels) of (..., H, W, 1 or 3): grey is repeated, colour becomes its luminance (ITU-R BT.601)."""
    *rest, width, own_channels = pixels.shape
    if own_channels == channels:
        return pixels
    if channels == 3 or not pixels.size:
        return np.repeat(pixels[..., :1], channels, axis=-1)
    return cv2.cvtColor(pixels.reshape(-1, width, own_channels), cv2.COLOR_RGB2GRAY).reshape(*rest, width, 1)


def joined(shape: tuple[int, ...]) -> str:
    """Return a shape as messages show it: 5 x 6 x 3."""
    return " x ".join(map(str, shape))
