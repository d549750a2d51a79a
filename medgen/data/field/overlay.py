"""What in an endoscopy frame is not tissue: dark border, black boxes, the green position indicator, burned-in text, highlights.

Everything works at the resolution of the source, where glyphs and highlights can still be told from tissue, and is
reduced to the prepared size afterwards. Lengths are stated for a field of view of 512 pixels and scale with it.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]

BOX_SHARE = 0.004  # smallest share of the frame that counts as a box
HIGHLIGHT_RISE = 45  # how far a highlight or glyph stands above its surroundings, in grey levels
HIGHLIGHT_FLOOR = 150  # and how bright its darkest channel is at the least
OVEREXPOSED = 250  # all three channels this high: nothing of the tissue is left to see


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


def brightness(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the brightest channel (H, W) of (H, W, C): deep red mucosa is dark in grey but not in red."""
    return pixels.max(axis=2)


def _scaled(length: float, shape: tuple[int, ...]) -> int:
    """Return a length given for a side of 512 pixels, in pixels of this frame, at least 1."""
    return max(1, round(length * min(shape[:2]) / 512))


def _disc(radius: int) -> NDArray[np.uint8]:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1)).astype(np.uint8)


def _grow(mask: Mask, radius: int) -> Mask:
    return cv2.dilate(mask.astype(np.uint8), _disc(radius)).astype(bool)


def green_box(pixels: NDArray[np.uint8]) -> Mask:
    """Find the filled green rectangle in which some endoscopes draw the position of the instrument, (H, W) bool.

    Green light hardly occurs in mucosa; the box is filled to its bounding rectangle, which covers the drawing inside it.
    """
    found = np.zeros(pixels.shape[:2], dtype=bool)
    if pixels.shape[2] < 3:
        return found
    red, green, blue = (pixels[..., channel].astype(np.int16) for channel in range(3))
    candidates = ((green > red + 50) & (green > blue + 8) & (green > 90)).astype(np.uint8)
    closed = cv2.morphologyEx(candidates, cv2.MORPH_CLOSE, _disc(_scaled(8, pixels.shape)))
    count, _, stats, _ = cv2.connectedComponentsWithStats(closed)
    for left, top, width, height, area in stats[1:count]:
        if area > BOX_SHARE * found.size and area > 0.7 * width * height:
            found[top : top + height, left : left + width] = True
    return _grow(found, _scaled(3, pixels.shape)) if found.any() else found


def dark_regions(pixels: NDArray[np.uint8], threshold: int) -> tuple[Mask, Mask]:
    """Split the pixels at or below `threshold` into the border, which reaches the frame's edge, and free-standing black boxes.

    A free-standing region counts as a box if it fills its bounding rectangle; a dark lumen does not.

    Returns
    -------
    border, black_box : (H, W) bool each
    """
    low = (brightness(pixels) <= threshold).astype(np.uint8)
    dark = cv2.morphologyEx(low, cv2.MORPH_OPEN, _disc(_scaled(2, pixels.shape)))
    padded = cv2.copyMakeBorder(dark, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    count, regions, stats, _ = cv2.connectedComponentsWithStats(padded, connectivity=4)
    regions = regions[1:-1, 1:-1]
    edge = np.concatenate([regions[0], regions[-1], regions[:, 0], regions[:, -1]])
    touching = np.zeros(count, dtype=bool)
    touching[edge] = True
    boxes = np.zeros(count, dtype=bool)
    for region, (_, _, width, height, area) in enumerate(stats):
        boxes[region] = not touching[region] and area > BOX_SHARE * dark.size and area > 0.93 * width * height
    touching[0] = boxes[0] = False
    return touching[regions], boxes[regions]


def highlights(pixels: NDArray[np.uint8]) -> Mask:
    """Find specular highlights and burned-in glyphs, (H, W) bool: small, bright, colourless; and overexposed areas."""
    darkest = pixels.min(axis=2)  # a coloured pixel has one dark channel
    width = _scaled(14, pixels.shape)
    rise = cv2.morphologyEx(darkest, cv2.MORPH_TOPHAT, _disc(width))
    found = ((rise > HIGHLIGHT_RISE) & (darkest > HIGHLIGHT_FLOOR)) | (darkest >= OVEREXPOSED)
    return _grow(found, _scaled(2, pixels.shape)) if found.any() else found


def find_overlay(pixels: NDArray[np.uint8], threshold: int) -> Overlay:
    """Return what in (H, W, C) uint8 pixels is not tissue.

    Parameters
    ----------
    pixels : the square crop at source resolution
    threshold : brightness up to which a pixel counts as border (`contour.find_field`); below 0 for a frame with no dark border
    """
    edge = _scaled(1.5, pixels.shape)
    border, black = dark_regions(pixels, threshold)
    return Overlay(
        border=_grow(border, edge) if border.any() else border,
        black_box=_grow(black, edge) if black.any() else black,
        green_box=green_box(pixels),
        highlight=highlights(pixels),
    )


def reduce_valid(valid: Mask, size: int) -> Mask:
    """Return (size, size) bool, True where three quarters or more of what is below are valid, (H, W) bool."""
    return reduce_flags(valid, size, 0.75)


def reduce_truth(mask: Mask, size: int) -> Mask:
    """Return (size, size) bool, True where half or more of what is below is annotated, (H, W) bool."""
    return reduce_flags(mask, size, 0.5)


def reduce_flags(flags: Mask, size: int, share: float) -> Mask:
    """Return (size, size) bool, True where at least `share` of the area below is True in `flags`, (H, W) bool."""
    mode = cv2.INTER_AREA if size < min(flags.shape) else cv2.INTER_LINEAR
    return cv2.resize(flags.astype(np.float32), (size, size), interpolation=mode) >= share
