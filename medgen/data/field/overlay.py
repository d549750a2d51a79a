"""What in a frame is not tissue: dark border, black boxes, the green position indicator, burned-in text, highlights.

Not all of that holds for every picture. Wet mucosa under the lamp of an endoscope shines, and what is small, bright and
colourless in it is a reflection or a letter. In a grey picture everything is colourless: there a bright lesion of an MRI, a
calcification of a mammogram or the nerve fibres of an OCT would be blanked, and in a stained section the gaps between cells. What
is black all the way to the edge of the frame, and a filled black rectangle, is no tissue in any of them. Letters in grey pictures
cannot be told from such findings and stay. A frame that is white nearly all over shows nothing in any of them.

====================  =================  ============================================================
rules                 blanks             right for
====================  =================  ============================================================
``endoscopy``         all of the above   white-light endoscopy, in colour
``dark``              border, black box  CT, MRI, X-ray, ultrasound, OCT, fundus, dermoscopy, histology
``none``              nothing            industrial frames, frames cut to tissue
``auto``              of each frame      endoscopy where it is in colour and not stained, else dark
====================  =================  ============================================================

Everything works at the resolution that it is handed, at which glyphs and highlights have to be told from tissue still
(`FIELD_SIDE`), and is brought to the prepared size afterwards. Lengths are stated for a field of view of 512 pixels and
scale with it.

What a pixel's channels say of it is worked out once for a frame (`channel_levels`) and handed to all that looks for something.
"""

from __future__ import annotations

from functools import cache, reduce
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from medgen.data.field.rims import STEP, rim_reach, rim_width
from medgen.data.pyramid import Pyramid
from medgen.types import OverlayRules

Mask = NDArray[np.bool_]

FIELD_SIDE = 240  # pixels that the shorter side of a frame keeps at the least where field of view and overlay are looked for
BOX_SHARE = 0.004  # smallest share of the frame that counts as a box
BOX_FILLED = 0.3  # share of a green box that is green at the least, whatever is drawn in it
HIGHLIGHT_RISE = 45  # how far a highlight or glyph stands above its surroundings, in grey levels
SURROUNDINGS_SIDE = 100  # pixels of the shorter side that are enough to see what surrounds highlights
HIGHLIGHT_FLOOR = 150  # and how bright its darkest channel is at the least
OVEREXPOSED = 250  # all three channels this high: nothing of the tissue is left to see
WHITE_OUT = 0.9  # share of a crop that is overexposed from which on it shows nothing, whatever is in the picture
COLOURED = 16  # how far the channels of a pixel lie apart, in grey levels, where it has a colour
GREY_SHARE = 0.05  # of coloured pixels, at the most, in a grey picture: a marker or a scale in colour
STAINED_BLUE = 1.02  # blue of a stained section against its green, at the least; of noise both are alike
STAINED_RED = 1.3  # red of a stained section against its blue, at the most; mucosa has 1.5 to 15 times as much red


class Overlay(NamedTuple):
    """Masks (H, W) bool, True where a pixel shows something other than tissue."""

    border: Mask
    black_box: Mask
    green_box: Mask
    highlight: Mask  # specular highlights and burned-in glyphs: both are small, bright and colourless

    @property
    def any(self) -> Mask:
        """Return the union of all masks."""
        return self.border | self.black_box | self.green_box | self.highlight


class ChannelLevels(NamedTuple):
    """What the channels of each pixel of a frame say of it.

    Attributes
    ----------
    brightest : (H, W) uint8, of the brightest channel: deep red mucosa is dark in grey but not in red
    darkest : (H, W) uint8, of the darkest channel: only what has no colour is bright in all of them.
    peak : (H, W) uint8, `darkest`; in a picture that was made smaller, of the highest values among the pixels that each stands
        for, as the smallest highlights and letters fade in the mean
    green : (H, W) bool, as green as the box in which some endoscopes draw the position of the instrument
    """

    brightest: NDArray[np.uint8]
    darkest: NDArray[np.uint8]
    peak: NDArray[np.uint8]
    green: Mask


def is_grey(pixels: NDArray[np.uint8]) -> bool:
    """Tell whether (H, W, C) uint8 pixels are grey: of one channel, or of three that are alike but for a marker in colour."""
    if pixels.shape[2] == 1:
        return True
    levels = channel_levels(pixels)
    coloured = cv2.threshold(cv2.subtract(levels.brightest, levels.darkest), COLOURED, 1, cv2.THRESH_BINARY)[1]
    return cv2.countNonZero(coloured) < GREY_SHARE * coloured.size


def rules_for(picture: Pyramid, rules: OverlayRules = "auto") -> OverlayRules:
    """Return the rules that hold for a frame, which is looked at in small; never "auto".

    Of 975 frames of HyperKvasir, 65 to 98 % of the pixels are coloured, red is 1.5 to 15 times as strong as blue and green
    stronger than blue; haematoxylin and eosin leave blue above green.

    Parameters
    ----------
    picture : the frame
    rules : the setting
    """
    if rules != "auto":
        return rules
    pixels = picture.at(picture.divisor_for(FIELD_SIDE))
    if is_grey(pixels):
        return "dark"
    red, green, blue, _ = cv2.mean(pixels)
    return "dark" if blue > STAINED_BLUE * green and red < STAINED_RED * blue else "endoscopy"


def channel_levels(pixels: NDArray[np.uint8]) -> ChannelLevels:
    """Return the levels of (H, W, C) uint8 pixels, C 1 or 3."""
    if pixels.shape[2] == 1:
        grey = np.ascontiguousarray(pixels[..., 0])
        return ChannelLevels(grey, grey, grey, np.zeros(grey.shape, dtype=bool))
    red, green, blue = cv2.split(pixels)
    darkest = cv2.min(cv2.min(red, green), blue)
    greenish = (cv2.subtract(green, red) > 50) & (cv2.subtract(green, blue) > 8) & (green > 90)  # differences end at 0
    return ChannelLevels(cv2.max(cv2.max(red, green), blue), darkest, darkest, greenish)


def brightest(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return `ChannelLevels.brightest` alone of (H, W, C) uint8 pixels, C 1 or 3."""
    return reduce(cv2.max, cv2.split(pixels))


def levels_at(picture: Pyramid, divisor: int) -> ChannelLevels:
    """Return the levels of a picture made smaller, planes of (H // divisor, W // divisor).

    Parameters
    ----------
    picture : the picture
    divisor : one of `pyramid.DIVISORS`
    """
    levels = channel_levels(picture.at(divisor))
    if divisor == 1:
        return levels
    rows, columns = levels.darkest.shape
    pixels = picture.at(1)[: rows * divisor, : columns * divisor]
    lines = reduce(cv2.max, [pixels[first::divisor] for first in range(divisor)])
    darkest = reduce(cv2.min, cv2.split(lines))  # (rows, columns * divisor)
    return levels._replace(peak=reduce(cv2.max, cv2.split(darkest.reshape(rows, columns, divisor))))


def _scaled(length: float, shape: tuple[int, ...]) -> int:
    """Return a length given for a side of 512 pixels, in pixels of this frame, at least 1."""
    return max(1, round(length * min(shape[:2]) / 512))


@cache
def _disc(radius: int) -> NDArray[np.uint8]:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1)).astype(np.uint8)


def _grow(mask: Mask, radius: int) -> Mask:
    return cv2.dilate(mask.astype(np.uint8), _disc(radius)).astype(bool)


def green_box(green: Mask) -> Mask:
    """Find the filled green rectangle in which some endoscopes draw the position of the instrument, (H, W) bool.

    Green light hardly occurs in mucosa; the box is filled to its bounding rectangle, which covers the drawing inside it.

    Parameters
    ----------
    green : (H, W) bool, `ChannelLevels.green`
    """
    boxes = np.zeros(green.shape, dtype=bool)
    if np.count_nonzero(green) < BOX_FILLED * BOX_SHARE * green.size:
        return boxes
    closed = cv2.morphologyEx(green.astype(np.uint8), cv2.MORPH_CLOSE, _disc(_scaled(8, green.shape)))
    count, _, stats, _ = cv2.connectedComponentsWithStats(closed)
    for left, top, width, height, area in stats[1:count]:
        if area > BOX_SHARE * boxes.size and area > 0.7 * width * height:
            boxes[top : top + height, left : left + width] = True
    return _grow(boxes, _scaled(3, green.shape)) if boxes.any() else boxes


def dark_regions(brightest: NDArray[np.uint8], threshold: int) -> tuple[Mask, Mask]:
    """Split the pixels at or below `threshold` into the border, which reaches the frame's edge, and free-standing black boxes.

    A free-standing region counts as a box if it fills its bounding rectangle; a dark lumen does not.

    Parameters
    ----------
    brightest : (H, W) uint8, `ChannelLevels.brightest`
    threshold : in grey levels

    Returns
    -------
    border, black_box : (H, W) bool each
    """
    low = cv2.threshold(brightest, threshold, 1, cv2.THRESH_BINARY_INV)[1]
    dark = cv2.morphologyEx(low, cv2.MORPH_OPEN, _disc(_scaled(2, brightest.shape)))
    padded = cv2.copyMakeBorder(dark, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=1)
    cv2.floodFill(padded, None, (0, 0), 2)  # comes in from all sides
    filled = padded[1:-1, 1:-1]
    border, inner = filled == 2, filled == 1
    if np.count_nonzero(inner) <= BOX_SHARE * inner.size:
        return border, np.zeros_like(border)
    _, regions, stats, _ = cv2.connectedComponentsWithStats(inner.astype(np.uint8), connectivity=4)
    width, height, area = stats[:, cv2.CC_STAT_WIDTH], stats[:, cv2.CC_STAT_HEIGHT], stats[:, cv2.CC_STAT_AREA]
    boxes = (area > BOX_SHARE * inner.size) & (area > 0.93 * width * height)
    boxes[0] = False
    return border, boxes[regions]


def highlights(levels: ChannelLevels) -> Mask:
    """Find specular highlights and burned-in glyphs, (H, W) bool: small, bright, colourless; and overexposed areas.

    Parameters
    ----------
    levels : planes of (H, W)
    """
    peak, darkest = levels.peak, levels.darkest
    small = Pyramid.of(darkest[..., None])
    surroundings = small.at(small.divisor_for(SURROUNDINGS_SIDE))[..., 0]
    surroundings = cv2.morphologyEx(surroundings, cv2.MORPH_OPEN, _disc(_scaled(14, surroundings.shape)))
    rise = cv2.subtract(peak, cv2.resize(surroundings, peak.shape[::-1]))
    bright = ((rise > HIGHLIGHT_RISE) & (peak > HIGHLIGHT_FLOOR)) | (peak >= OVEREXPOSED)
    return _grow(bright, _scaled(2, peak.shape)) if bright.any() else bright


def _with_rim(border: Mask, brightest: NDArray[np.uint8], level: int) -> Mask:
    """Return the border with the half-dark pixels along each of its regions, (H, W) bool.

    How wide they are is measured at each region itself, which lies in a corner of the field of view. The sides, which show how
    the frame was packed, say nothing of that.

    Parameters
    ----------
    border : (H, W) bool
    brightest : (H, W) uint8, `ChannelLevels.brightest`
    level : brightness of the border
    """
    reach, edge, grown = rim_reach(border.shape), _scaled(1.5, border.shape), border.copy()
    margin = 2 * reach + edge
    count, regions, stats, _ = cv2.connectedComponentsWithStats(border.view(np.uint8))
    for number, (left, top, width, height, _) in enumerate(stats[1:count], 1):
        window = (slice(max(top - margin, 0), top + height + margin), slice(max(left - margin, 0), left + width + margin))
        outside = (regions[window] != number).view(np.uint8)
        away = cv2.distanceTransform(outside, cv2.DIST_L2, cv2.DIST_MASK_3)
        near = (away <= 2 * reach) & ~border[window]
        lines = np.ceil(away[near]).astype(np.intp) - 1  # 0 beside the region
        levels = brightest[window][near].astype(np.float64)
        means = np.bincount(lines, levels) / np.maximum(np.bincount(lines), 1)
        grown[window] |= away <= edge + rim_width(means - level, reach)
    return grown


def find_overlay(levels: ChannelLevels, threshold: int, green: Mask | None = None, rules: OverlayRules = "endoscopy") -> Overlay:
    """Return what in a frame is not tissue.

    Parameters
    ----------
    levels : of the square crop, planes of (H, W)
    threshold : brightness up to which a pixel counts as border (`contour.find_field`); below 0 for a frame with no dark border
    green : (H, W) bool, the green box; None looks for it
    rules : what is looked for, "endoscopy", "dark" or "none"
    """
    nothing = np.zeros(levels.brightest.shape, dtype=bool)
    if rules == "none":
        return Overlay(nothing, nothing, nothing, nothing)
    border, black = dark_regions(levels.brightest, threshold)
    border = _with_rim(border, levels.brightest, threshold - STEP) if border.any() else border
    black = _grow(black, _scaled(1.5, black.shape)) if black.any() else black
    if rules == "dark":
        white = levels.darkest >= OVEREXPOSED
        return Overlay(border, black, nothing, white if white.mean() >= WHITE_OUT else nothing)
    return Overlay(
        border=border,
        black_box=black,
        green_box=green_box(levels.green) if green is None else green,
        highlight=highlights(levels),
    )


def reduce_valid(valid: Mask | NDArray[np.uint8], size: int) -> Mask:
    """Return (size, size) bool, True where three quarters or more of what is below are valid: (H, W) bool, or shares of 255."""
    return reduce_flags(valid, size, 0.75)


def reduce_truth(mask: Mask, size: int) -> Mask:
    """Return (size, size) bool, True where half or more of what is below is annotated, (H, W) bool."""
    return reduce_flags(mask, size, 0.5)


def reduce_flags(flags: Mask | NDArray[np.uint8], size: int, share: float) -> Mask:
    """Return (size, size) bool, True where at least `share` of the area below is flagged: (H, W) bool, or uint8 shares of 255."""
    mode = cv2.INTER_AREA if size < min(flags.shape) else cv2.INTER_LINEAR
    shares = flags if flags.dtype == np.uint8 else cv2.threshold(flags.view(np.uint8), 0, 255, cv2.THRESH_BINARY)[1]
    covered = cv2.resize(shares, (size, size), interpolation=mode)
    return covered >= 255 * share - 0.5  # shares are rounded to whole numbers of 255
