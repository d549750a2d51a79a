"""Find the field of view of an endoscopy frame, cut it out, square it and resize it.

The EndoVAE pipeline: grey values, Otsu's threshold, largest external contour, bounding rectangle, centre square, resize.
Otsu's threshold alone cuts dark tissue away, and on a frame with no border it splits the tissue itself. Here the border is
found first: a frame has one only if some corner is dark and flat. The threshold then sits just above the border's own level,
and a side moves inwards only where the change from border to tissue is a sharp step; a lumen fades.

The field is looked for in a small picture. Where exactly each side lies is then measured in a narrow strip of the larger one, and
each is pulled in to where the tissue has its full brightness: a half-dark line would be an anomaly to whoever scores the crop.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from medgen.data.field.overlay import (
    FIELD_SIDE,
    ChannelLevels,
    Mask,
    find_overlay,
    green_box,
    levels_at,
    reduce_valid,
    rules_for,
)
from medgen.data.field.rims import STEP
from medgen.data.field.sides import opened, tissue_box
from medgen.data.pixel_format import to_uint8
from medgen.data.pyramid import Pyramid
from medgen.types import Box, Crop, OverlayRules

BORDER_LEVEL = 48  # no border is brighter than this, in grey levels
BORDER_NOISE = 14  # nor do its 10th and 90th percentile lie farther apart
SMALLEST_FIELD = 0.08  # of the frame's area; anything smaller is no field of view
HALVED = 4  # times the side of a crop from which on its pixels are halved before they are resized


class Field(NamedTuple):
    """The field of view and how it was found.

    Attributes
    ----------
    box : bounding rectangle, in pixels of the picture
    bordered : whether a dark border was found; without one, the box is the whole frame
    threshold : brightness up to which a pixel counts as border; -1 without a border
    rim : over how many pixels the border becomes tissue, at the side where that takes the most; the box is without them
    scale : how many pixels of the picture each pixel of what follows stands for, along each side
    levels : of the picture at this scale, planes of (H', W')
    mask : (H', W') bool, pixels above the threshold
    contour : (N, 1, 2) int32, outline of the field of view
    green_box : (H', W') bool, `overlay.green_box` of the whole picture
    """

    box: Box
    bordered: bool
    threshold: int
    rim: int
    scale: int
    levels: ChannelLevels
    mask: Mask
    contour: NDArray[np.int32]
    green_box: Mask


def _border_level(bright: NDArray[np.uint8]) -> int | None:
    """Return the upper brightness of the border, from the corners that are dark and flat; None if there is no such corner."""
    side = max(3, round(0.012 * min(bright.shape)))
    near, far = slice(None, side), slice(-side, None)
    corners = [bright[rows, columns].ravel() for rows in (near, far) for columns in (near, far)]
    ordered = np.sort(corners, axis=1).astype(np.int16)
    low, middle, high = (ordered[:, round(share * (ordered.shape[1] - 1))] for share in (0.1, 0.5, 0.9))
    flat = (middle <= BORDER_LEVEL) & (high - low <= BORDER_NOISE)
    return int(high[flat].min()) if flat.any() else None


def _contour(mask: Mask) -> NDArray[np.int32] | None:
    """Return the outline around the largest region of `mask` and all others that are not small beside it."""
    contours, _ = cv2.findContours(opened(mask, min(mask.shape)), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not contours:
        return None
    areas = np.array([cv2.contourArea(contour) for contour in contours])
    large = [contour for contour, area in zip(contours, areas, strict=True) if area >= max(0.03 * areas.max(), 1)]
    if not large:
        return None
    return large[0] if len(large) == 1 else cv2.convexHull(np.concatenate(large))


def find_field(pixels: NDArray) -> Field:
    """Find the field of view.

    Parameters
    ----------
    pixels : (H, W, C) uint8 in [0, 255] or float32 in [0, 1]
    """
    pixels = to_uint8(pixels)
    height, width = pixels.shape[:2]
    small = Pyramid.of(pixels)
    scale = small.divisor_for(FIELD_SIDE)
    levels = levels_at(small, scale)
    shape = levels.brightest.shape
    outline = np.array([[[0, 0]], [[0, shape[0] - 1]], [[shape[1] - 1, shape[0] - 1]], [[shape[1] - 1, 0]]], dtype=np.int32)
    green = green_box(levels.green)
    whole = Field(Box(0, 0, width, height), False, -1, 0, scale, levels, np.ones(shape, dtype=bool), outline, green)

    bright = cv2.medianBlur(levels.brightest, 3)
    level = _border_level(bright)
    if level is None:
        return whole
    threshold = level + STEP
    mask = (bright > threshold) & ~green
    contour = _contour(mask)
    if contour is None:
        return whole
    left, top, across, down = cv2.boundingRect(contour)
    if across * down < SMALLEST_FIELD * mask.size:
        return whole
    coarse = Box(
        scale * left,
        scale * top,
        width if left + across == shape[1] else scale * (left + across),  # what is left over belongs to the last column
        height if top + down == shape[0] else scale * (top + down),
    )
    box, rim = tissue_box(pixels, green, coarse, level)
    return whole._replace(box=box, bordered=True, threshold=threshold, rim=rim, mask=mask, contour=contour)


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
    if inside.shape[:2] == (box.height, box.width):
        return inside
    margins = [(max(-box.top, 0), max(box.bottom - height, 0)), (max(-box.left, 0), max(box.right - width, 0))]
    return np.pad(inside, margins + [(0, 0)] * (pixels.ndim - 2), constant_values=fill)


def resize(pixels: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Return (size, size, C) uint8; shrinking averages over areas, so that nothing aliases.

    What is to be shrunk a lot is halved first, which takes a fraction of the time; of an odd number of rows the last is left out.

    Parameters
    ----------
    pixels : (H, H, C) uint8
    size : side of the result
    """
    while len(pixels) >= HALVED * size:
        pixels = Pyramid.of(pixels).at(2)
    mode = cv2.INTER_AREA if size < len(pixels) else cv2.INTER_LINEAR
    return cv2.resize(pixels, (size, size), interpolation=mode).reshape(size, size, pixels.shape[2])


def _moved(mask: Mask, right: float, down: float) -> NDArray[np.uint8]:
    """Return which share of each pixel is True, (H, W) in 255, once the pixels are taken so much farther right and down."""
    shares = cv2.threshold(mask.view(np.uint8), 0, 255, cv2.THRESH_BINARY)[1]
    if not right and not down:
        return shares
    place = np.array([[1, 0, -right], [0, 1, -down]])
    return cv2.warpAffine(shares, place, shares.shape[::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def crop(
    picture: Pyramid, size: int, square: Literal["crop", "pad"] = "crop", rules: OverlayRules = "auto"
) -> tuple[Crop, Field]:
    """Cut the field of view out of a frame and resize it to (size, size, C), with the pixels that show tissue.

    Parameters
    ----------
    picture : the frame
    size : side of the crop in pixels
    square : the centre square of the field of view, or the square around it
    rules : what is looked for that is no tissue (`medgen.data.field.overlay`)

    Returns
    -------
    The crop, and how its field of view was found: in the smallest picture of the pyramid with `FIELD_SIDE` pixels. The pixels
    come from the smallest in which the field has as many as the crop.
    """
    divisor = picture.divisor_for(2 * FIELD_SIDE)
    pixels = picture.at(divisor)
    field = find_field(pixels)
    box = square_box(field.box, square)
    seen = box.over(field.scale)
    levels = ChannelLevels(*(cut(plane, seen) for plane in field.levels))
    overlay = find_overlay(levels, field.threshold, cut(field.green_box, seen), rules_for(picture, rules))
    inside = cut(np.ones(field.mask.shape, dtype=bool), seen)
    valid = _moved(inside & ~overlay.any, box.left % field.scale / field.scale, box.top % field.scale / field.scale)
    finer = divisor
    while finer > 1 and box.width * divisor < size * finer:
        finer //= 2
    shown = cut(picture.at(finer), box.times(divisor // finer))
    field = field._replace(box=field.box.times(divisor), scale=divisor * field.scale)
    return Crop(resize(shown, size), reduce_valid(valid, size), box.times(divisor)), field
