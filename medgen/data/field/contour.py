"""Find the field of view of an endoscopy frame, cut it out, square it and resize it.

The EndoVAE pipeline: grey values, Otsu's threshold, largest external contour, bounding rectangle, centre square, resize.
Otsu's threshold alone cuts dark tissue away, and on a frame with no border it splits the tissue itself. Here the border is
found first: a frame has one only if some corner is dark and flat. The threshold then sits just above the border's own level,
and a side moves inwards only where the change from border to tissue is a sharp step; a lumen fades.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from medgen.data.field.overlay import ChannelLevels, Mask, channel_levels, find_overlay, green_box, reduce_valid, rules_for
from medgen.data.pixel_format import to_uint8
from medgen.types import Box, Crop, Image, OverlayRules

BORDER_LEVEL = 48  # no border is brighter than this, in grey levels
BORDER_NOISE = 14  # nor do its 10th and 90th percentile lie farther apart
STEP = 12  # smallest rise from border to tissue
SMALLEST_FIELD = 0.08  # of the frame's area; anything smaller is no field of view


class Field(NamedTuple):
    """The field of view and how it was found.

    Attributes
    ----------
    box : bounding rectangle in source pixels
    bordered : whether a dark border was found; without one, the box is the whole frame
    threshold : brightness up to which a pixel counts as border; -1 without a border
    otsu : the threshold that Otsu's method alone would take
    mask : (H, W) bool, pixels above the threshold
    contour : (N, 1, 2) int32, outline of the field of view
    green_box : (H, W) bool, `overlay.green_box` of the whole frame; None where it was not needed
    """

    box: Box
    bordered: bool
    threshold: int
    otsu: int
    mask: Mask
    contour: NDArray[np.int32]
    green_box: Mask | None = None


def _border_level(bright: NDArray[np.uint8]) -> int | None:
    """Return the upper brightness of the border, from the corners that are dark and flat; None if there is no such corner."""
    side = max(3, round(0.012 * min(bright.shape)))
    levels = []
    for rows in (slice(None, side), slice(-side, None)):
        for columns in (slice(None, side), slice(-side, None)):
            low, middle, high = np.percentile(bright[rows, columns], (10, 50, 90))
            if middle <= BORDER_LEVEL and high - low <= BORDER_NOISE:
                levels.append(high)
    return round(min(levels)) if levels else None


def _contour(mask: Mask) -> NDArray[np.int32] | None:
    """Return the outline around the largest region of `mask` and all others that are not small beside it."""
    radius = max(1, round(0.006 * min(mask.shape)))
    opened = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, np.ones((2 * radius + 1, 2 * radius + 1), np.uint8))
    contours, _ = cv2.findContours(opened, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not contours:
        return None
    areas = np.array([cv2.contourArea(contour) for contour in contours])
    large = [contour for contour, area in zip(contours, areas, strict=True) if area >= max(0.03 * areas.max(), 1)]
    if not large:
        return None
    return large[0] if len(large) == 1 else cv2.convexHull(np.concatenate(large))


def _is_step(bright: NDArray[np.uint8], mask: Mask, edge: int) -> bool:
    """Tell whether the border ends in a sharp step at row `edge`, where `mask` begins when one comes from row 0.

    Only columns in which tissue begins within a narrow strip count: a round field of view touches its rectangle in few.
    """
    span = max(2, round(0.006 * min(bright.shape)))
    strip = slice(max(edge - span, 0), edge + max(2 * span, round(0.05 * bright.shape[0])))
    columns = mask[edge : strip.stop].any(axis=0)
    values = bright[strip][:, columns].astype(np.int16)  # (rows of the strip, columns that hold tissue)
    if len(values) <= span or values.shape[1] == 0:
        return False
    rise = (values[span:] - values[:-span]).max(axis=0)
    return bool(np.percentile(rise, 90) >= STEP)


def _sharp_box(bright: NDArray[np.uint8], mask: Mask, box: Box) -> Box:
    """Return `box` with each side that is no sharp step put back to the frame's edge."""
    height, width = bright.shape
    left, top, right, bottom = box
    if top > 0 and not _is_step(bright, mask, top):
        top = 0
    if left > 0 and not _is_step(bright.T, mask.T, left):
        left = 0
    if bottom < height and not _is_step(bright[::-1], mask[::-1], height - bottom):
        bottom = height
    if right < width and not _is_step(bright.T[::-1], mask.T[::-1], width - right):
        right = width
    return Box(left, top, right, bottom)


def find_field(pixels: NDArray, levels: ChannelLevels | None = None) -> Field:
    """Find the field of view.

    Parameters
    ----------
    pixels : (H, W, C) uint8 in [0, 255] or float32 in [0, 1]
    levels : of these pixels, where they are known already
    """
    pixels = to_uint8(pixels)
    levels = levels or channel_levels(pixels)
    height, width = pixels.shape[:2]
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY) if pixels.shape[2] == 3 else pixels[..., 0]
    otsu = int(cv2.threshold(grey, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)[0])
    outline = np.array([[[0, 0]], [[0, height - 1]], [[width - 1, height - 1]], [[width - 1, 0]]], dtype=np.int32)
    whole = Field(Box(0, 0, width, height), False, -1, otsu, np.ones((height, width), dtype=bool), outline)

    bright = cv2.medianBlur(levels.brightest, 3)
    level = _border_level(bright)
    if level is None:
        return whole
    threshold = level + STEP
    green = green_box(levels.green)
    whole = whole._replace(green_box=green)
    mask = (bright > threshold) & ~green
    contour = _contour(mask)
    if contour is None:
        return whole
    left, top, across, down = cv2.boundingRect(contour)
    if across * down < SMALLEST_FIELD * height * width:
        return whole
    box = _sharp_box(bright, mask, Box(left, top, left + across, top + down))
    return Field(box, True, threshold, otsu, mask, contour, green)


def square_box(box: Box, square: Literal["crop", "pad"] = "crop") -> Box:
    """Return the centre square inside `box` ("crop"), or the smallest square around it, which may leave the frame ("pad")."""
    side = min(box.width, box.height) if square == "crop" else max(box.width, box.height)
    left = box.left + (box.width - side) // 2
    top = box.top + (box.height - side) // 2
    return Box(left, top, left + side, top + side)


def cut(pixels: NDArray, box: Box, fill: float = 0) -> NDArray:
    """Return the pixels (box.height, box.width, ...) below `box`; what lies outside the frame is `fill`."""
    height, width = pixels.shape[:2]
    inside = pixels[max(box.top, 0) : max(box.bottom, 0), max(box.left, 0) : max(box.right, 0)]
    margins = [(max(-box.top, 0), max(box.bottom - height, 0)), (max(-box.left, 0), max(box.right - width, 0))]
    return np.pad(inside, margins + [(0, 0)] * (pixels.ndim - 2), constant_values=fill)


def resize(pixels: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Return (size, size, C) uint8; shrinking averages over areas, so that nothing aliases."""
    mode = cv2.INTER_AREA if size < pixels.shape[0] else cv2.INTER_LINEAR
    return cv2.resize(pixels, (size, size), interpolation=mode).reshape(size, size, pixels.shape[2])


def crop(image: Image, size: int, square: Literal["crop", "pad"] = "crop", rules: OverlayRules = "auto") -> tuple[Crop, Field]:
    """Cut the field of view out of a frame and resize it to (size, size, C), with the pixels that show tissue.

    Parameters
    ----------
    image : the frame
    size : side of the crop in pixels
    square : the centre square of the field of view, or the square around it
    rules : what is looked for that is no tissue (`medgen.data.field.overlay`)

    Returns
    -------
    The crop, and how its field of view was found.
    """
    pixels = to_uint8(image.pixels)
    height, width = pixels.shape[:2]
    levels = channel_levels(pixels)
    field = find_field(pixels, levels)
    box = square_box(field.box, square)
    green = field.green_box if box == (0, 0, width, height) else None  # its lengths scale with the frame it is looked for in
    cropped_levels = ChannelLevels(*(cut(plane, box) for plane in levels))
    overlay = find_overlay(cropped_levels, field.threshold, green, rules_for(pixels, rules))
    valid = cut(np.ones((height, width), dtype=bool), box) & ~overlay.any
    return Crop(resize(cut(pixels, box), size), reduce_valid(valid, size), box, image.source), field
