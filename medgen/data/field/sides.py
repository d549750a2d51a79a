"""Where each side of a field of view lies, to a pixel, and how the dark border becomes tissue there.

A side is where the change from border to tissue is a sharp step, and it is pulled in to where the tissue has its full brightness:
a half-dark line would be an anomaly to whoever scores the crop.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from medgen.data.field.overlay import Mask, brightest
from medgen.data.field.rims import STEP, rim_reach, rim_width
from medgen.types import Box


def opened(mask: Mask, shorter: int) -> NDArray[np.uint8]:
    """Return `mask` without what is no wider than a few pixels of a frame whose shorter side has `shorter`: noise, thin lines."""
    width = 2 * max(1, round(0.006 * shorter)) + 1
    return cv2.morphologyEx(mask.view(np.uint8), cv2.MORPH_OPEN, np.ones((width, width), np.uint8))


def _upright(strip: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a strip (H, W, C) of a picture that may have been turned, in memory of its own; OpenCV turns faster than NumPy."""
    if strip.strides[0] <= 0 or strip.strides[0] > strip.strides[1]:
        return np.ascontiguousarray(strip)
    return cv2.transpose(strip.swapaxes(0, 1)).reshape(strip.shape)


class _Side(NamedTuple):
    """How a dark border ends at one side of the field of view.

    Attributes
    ----------
    inset : how far from the frame's edge the tissue begins, in pixels, the rim left out; 0 where there is no sharp step
    rim : over how many pixels brightness rises to that of the tissue
    """

    inset: int
    rim: int


def _side(pixels: NDArray[np.uint8], green: Mask, coarse: int, level: int) -> _Side:
    """Find where the border ends that lies along row 0.

    Only columns in which tissue begins within a narrow strip count: a round field of view touches its rectangle in few.

    Parameters
    ----------
    pixels : (H, W, C)
    green : (H', W') the green box, in a picture that may be smaller
    coarse : the row at which the border ends, or one a few rows beside it
    level : brightness of the border
    """
    height, width = pixels.shape[:2]
    span = max(2, round(0.006 * min(height, width)))
    start, stop = max(coarse - 2 * span, 0), coarse + max(3 * span, round(0.05 * height))
    strip = cv2.medianBlur(brightest(_upright(pixels[start:stop])), 3)  # (rows, W)
    if len(strip) <= span:
        return _Side(0, 0)
    bright = strip > level + STEP
    drawn = np.any(green[start * len(green) // height : stop * len(green) // height + 1], axis=0)
    columns = np.arange(width) * len(drawn) // width  # of the smaller picture
    bright &= ~drawn[columns]
    tissue = opened(bright, min(height, width))
    first = np.where(tissue.any(axis=0), tissue.argmax(axis=0), len(strip))  # (W,), the first row of tissue
    edge = int(first.min())
    columns = np.flatnonzero((first > 0) & (first < len(strip)))
    if edge == len(strip) or not len(columns):
        return _Side(0, 0)
    values = strip[:, columns]
    rise = np.sort(np.atleast_1d(cv2.subtract(values[span:], values[:-span]).max(axis=0)))  # a fall counts as 0
    if rise[round(0.9 * (len(rise) - 1))] < STEP:
        return _Side(0, 0)
    reach = rim_reach((height, width))
    rim = rim_width(strip[edge:, first <= edge + reach].mean(axis=1) - level, reach)
    return _Side(start + edge + rim, rim)


def tissue_box(pixels: NDArray[np.uint8], green: Mask, coarse: Box, level: int) -> tuple[Box, int]:
    """Return the box in which all is tissue, and the width of the broadest rim around it in pixels.

    Parameters
    ----------
    pixels : (H, W, C)
    green : (H', W') the green box, in a picture that may be smaller
    coarse : the box, to a few pixels
    level : brightness of the border
    """
    height, width = pixels.shape[:2]
    sides = []
    for inset, turn in (
        (coarse.left, lambda plane: plane.swapaxes(0, 1)),
        (coarse.top, lambda plane: plane),
        (width - coarse.right, lambda plane: plane.swapaxes(0, 1)[::-1]),
        (height - coarse.bottom, lambda plane: plane[::-1]),
    ):
        sides.append(_side(turn(pixels), turn(green), inset, level) if inset > 0 else _Side(0, 0))
    left, top, right, bottom = (side.inset for side in sides)
    return Box(left, top, width - right, height - bottom), max(side.rim for side in sides)
