"""The forms in which pixels travel, and how raw arrays are checked and brought into them.

A reader hands over `StoredFrame`: what the file holds, in the file's own unit. `medgen.data.intensity` makes it a picture,
(H, W, C) uint8 or float32 in [0, 1]; `medgen.data.preparing.truth` makes it a mask.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from medgen.data.pyramid import Pyramid
from medgen.data.sampling import Sampling
from medgen.errors import ImageError

MAX_PIXELS = 100_000_000  # of one frame; a header that asks for more is refused before anything is decoded
MAX_VOLUME = 10 * MAX_PIXELS  # of everything that has to lie in memory at once (a NIfTI volume)

Raw = NDArray[Any]  # pixels as a file stores them, of whatever type
Pixels = NDArray[np.uint8] | NDArray[np.float32]
Spacing = tuple[float, float] | None


class StoredFrame(NamedTuple):
    """One frame as its file holds it, upright.

    Attributes
    ----------
    values : (H, W, C), C 1 or 3, of any real type, in the file's own unit (Hounsfield units, counts, grey levels); alpha is laid
        over 0; NaN where the file has no value (padding, outside of the brain)
    black, white : the values that are shown black and white where the whole range of the file's type is shown; white is the
        smaller one where small values are bright (MONOCHROME1, WhiteIsZero)
    conventional : whether black and white are a convention of the type that values may exceed: 0 to 1 of floats, 0 to 255 of
        integers of more than 16 bits
    rendered : (H, W, C) uint8 or float32 in [0, 1], the picture that the file itself asks for: 8 bits as they are, a DICOM window
        or table; None where it asks for none
    labels : (H, W), what each pixel is called where the frame is a mask and that is not its value: the index in a palette
    lossy : whether values near edges are guesses of a compression (JPEG)
    spacing : (row, column) in mm; None where the format has none
    number : which frame of its file it is, from 0; None for the next one
    seconds : since the first frame of a video; None where there is no time
    residue : whether the compression may have left in it something of the frames before
    """

    values: Raw
    black: float
    white: float
    conventional: bool = False
    rendered: Pixels | None = None
    labels: Raw | None = None
    lossy: bool = False
    spacing: Spacing = None
    number: int | None = None
    seconds: float | None = None
    residue: bool = False


class FileFrames(NamedTuple):
    """What a reader finds in a file.

    Attributes
    ----------
    total : how many frames there are
    frames : each in turn, decoded when it is asked for
    identity : kind and value of who or what the frames show, as far as the file knows: ("patient", "1234"), ("study", "1.2.3"),
        ("series", ...); ("", "") where it knows nothing. It is personal and never stored as it is.
    instance : the name under which masks refer to this file (DICOM SOP Instance UID), or ""
    refers_to : for each frame of a segmentation the instance and frame number (from 0; None for the whole file) that it marks;
        None for a picture. A segmentation is a mask and is never read as a picture.
    understood : how the file was understood where that could have been otherwise ("axes NHW"), or ""
    orientation : letters of the directions in which the axes of a volume run, "LPS", or ""
    sampled : of a video: how to read some of its frames alone, in place of all of them; None where all are read
    pyramid : of a file whose one frame can be decoded at a fraction of its size, at a fraction of the cost: that frame as it is
        rendered, in place of `frames`; None elsewhere
    """

    total: int
    frames: Iterator[StoredFrame]
    identity: tuple[str, str] = ("", "")
    instance: str = ""
    refers_to: Sequence[tuple[str, int | None]] | None = None
    orientation: str = ""
    understood: str = ""
    sampled: Callable[[Sampling], FileFrames] | None = None
    pyramid: Callable[[], Pyramid] | None = None


def split_axes(axes: str) -> tuple[str, int | None]:
    """Divide stated axes: a letter for each, and the item, from 0, that is taken of one more axis behind them; None without one.

    Examples
    --------
    >>> split_axes("NHWC"), split_axes("HWN2")
    (('NHWC', None), ('HWN', 2))
    """
    letters = axes.rstrip("0123456789")
    return letters, int(axes[len(letters) :]) if len(letters) < len(axes) else None


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
    """Refuse infinity; NaN is kept, as a pixel without a value.

    Raises
    ------
    ImageError : with how many of the pixels are infinite.
    """
    if values.dtype.kind == "f" and (infinite := int(np.isinf(values).sum())):
        raise ImageError(f"{infinite} of {values.size} pixels are infinite")


def stored(raw: Raw, top: int | None = None, *, spacing: Spacing = None, lossy: bool = False) -> StoredFrame:
    """Return a frame of the usual types of arrays.

    Parameters
    ----------
    raw : (H, W) or (H, W, C), C 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGB, straight alpha). Alpha is laid over black, the
        colour of the border of an endoscope's field of view.
    top : the value of white where it is not that of the type: 4095 for 12 bits in 16
    spacing : (row, column) in mm
    lossy : whether the values were compressed with loss

    Returns
    -------
    uint8 and bool are rendered as they are. Integers of 8 and 16 bits range over their type, or from 0 to `top`; wider integers,
    NumPy's own, by convention from 0 to 255; floats by convention from 0 to 1.

    Raises
    ------
    ImageError : on infinity, or a type that is no real number.
    """
    pixels = raw[..., None] if raw.ndim == 2 else raw  # (H, W, C)
    kind, size = pixels.dtype.kind, pixels.dtype.itemsize
    if kind == "b":
        pixels, kind, size = pixels.astype(np.uint8) * np.uint8(255), "u", 1
    if kind not in "iuf":
        raise ImageError(f"pixels are of type {raw.dtype}; expected integers or floats")
    check_finite(pixels)
    black, white = (0.0, 1.0) if kind == "f" else (0.0, 255.0)
    conventional = kind == "f" or size > 2
    if not conventional:
        limits = np.iinfo(pixels.dtype)
        black, white = float(limits.min), float(limits.max if top is None else top)
    if pixels.shape[-1] in (2, 4):
        opaque = 255.0 if kind == "u" and size == 1 else white
        pixels = _over_black(pixels, opaque)
    pixels = np.ascontiguousarray(pixels)
    rendered = (pixels if pixels.flags.writeable else pixels.copy()) if pixels.dtype == np.uint8 and top in (None, 255) else None
    return StoredFrame(pixels, black, white, conventional, rendered, None, lossy, spacing)


def _over_black(pixels: Raw, opaque: float) -> Raw:
    """Lay grey or colour with straight alpha over black: (H, W, 2 or 4) -> (H, W, 1 or 3); `opaque` is the largest alpha."""
    colour, alpha = pixels[..., :-1], pixels[..., -1:]
    if pixels.dtype == np.uint8:
        return ((colour.astype(np.uint32) * alpha + 127) // 255).astype(np.uint8)
    return colour * (alpha / opaque)


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
