"""The same tissue packed in many ways: in borders, sharp and soft, on one side alone, compressed, and scaled."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from io import BytesIO

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]
Sides = tuple[int, int, int, int]  # left, top, right, bottom

HALF_DARK = "half-dark line at the top, no border"  # which is kept: nothing tells it from dark tissue
SOFT = (0.25, 0.7)  # of the brightness, in the lines between border and tissue


def bordered(tissue: Pixels, widths: Sides, shares: tuple[float, ...] = ()) -> Pixels:
    """Return tissue in a black border, whose innermost lines have `shares` of the brightness of the tissue's outermost ones.

    Parameters
    ----------
    tissue : (H, W, C)
    widths : of the border at each side, with its half-dark lines; a side of 0 has none
    shares : in (0, 1), from the border inwards
    """
    lines = [min(width, len(shares)) for width in widths]
    left, top, right, bottom = lines
    frame = np.pad(tissue, ((top, bottom), (left, right), (0, 0)), mode="edge").astype(np.float64)
    views = (frame.swapaxes(0, 1), frame, frame.swapaxes(0, 1)[::-1], frame[::-1])
    for view, count in zip(views, lines, strict=True):
        for row, share in enumerate(shares[:count]):
            view[row] *= share
    rest = [width - count for width, count in zip(widths, lines, strict=True)]
    return np.pad(frame.round().astype(np.uint8), ((rest[1], rest[3]), (rest[0], rest[2]), (0, 0)))


def compressed(frame: Pixels, quality: int) -> Pixels:
    """Return a frame as it is after JPEG of that quality."""
    buffer = BytesIO()
    Image.fromarray(frame).save(buffer, "JPEG", quality=quality)
    return np.array(Image.open(buffer))


def scaled(frame: Pixels, factor: float) -> Pixels:
    """Return a frame with so many times the pixels along each side."""
    mode = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return cv2.resize(frame, None, fx=factor, fy=factor, interpolation=mode).astype(np.uint8)


def _half_dark_edge(tissue: Pixels) -> Pixels:
    frame = tissue.copy()
    frame[0] //= 2
    return frame


PACKINGS: Mapping[str, Callable[[Pixels], Pixels]] = {
    **{f"border of {width} px": partial(bordered, widths=(width,) * 4) for width in (5, 20, 60)},
    **{f"soft border of {width} px": partial(bordered, widths=(width,) * 4, shares=SOFT) for width in (5, 20, 60)},
    "border of 40 px on the left alone": partial(bordered, widths=(40, 0, 0, 0)),
    "border of 40 px at the bottom alone": partial(bordered, widths=(0, 0, 0, 40)),
    "soft border of 40 px on the left alone": partial(bordered, widths=(40, 0, 0, 0), shares=SOFT),
    **{f"JPEG {quality}": partial(compressed, quality=quality) for quality in (95, 90, 85, 80, 75)},
    "JPEG 75 in a soft border of 20 px": lambda tissue: compressed(bordered(tissue, (20,) * 4, SOFT), 75),
    **{f"scaled by {factor}": partial(scaled, factor=factor) for factor in (0.75, 1.5)},
    **{f"in a border of 20 px, scaled by {f}": lambda t, f=f: scaled(bordered(t, (20,) * 4), f) for f in (0.75, 1.5)},
    HALF_DARK: _half_dark_edge,
}
