"""Draw what a phantom frame shows of its instrument: border, burned-in text, and the box of the position indicator.

A random generator and the size of the frame come in, an `Overlay` goes out; `expose` lays it over drawn tissue.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from medgen.data.phantom.scene import Flags, Plane, axes
from medgen.types import Box


class Overlay(NamedTuple):
    """Border, text and box that lie over the tissue of one frame.

    Attributes
    ----------
    field : (H, W) float32 in [0, 1], 1 in the field of view
    text : (H, W) float32 in [0, 1], the burned-in glyphs
    box : box in the lower left corner, in pixels; None where there is none
    colour : (3,) RGB in [0, 1] of the box
    """

    field: Plane
    text: Plane
    box: Box | None
    colour: tuple[float, float, float]

    @property
    def kind(self) -> str:
        """Kind of box: none, black or green."""
        return "none" if self.box is None else "green" if self.colour[1] > 0.2 else "black"

    def hidden(self) -> Flags:
        """Return (H, W) bool, True where the overlay hides the tissue."""
        hidden: Flags = (self.field < 0.5) | (self.text > 0.1)
        if self.box is not None:
            hidden[self.box.top : self.box.bottom, self.box.left : self.box.right] = True
        return hidden


def draw_overlay(rng: np.random.Generator, height: int, width: int, border: float) -> Overlay:
    """Draw border, text and box.

    Parameters
    ----------
    rng : source of randomness; it is moved on
    height, width : of the frame, in pixels
    border : in [0, 1], the shape of the border: octagonal below 0.6, round below 0.85, else rectangular
    """
    field, text = _field(rng, height, width, border), np.zeros((height, width), np.uint8)
    size, line = height / 760, height / 26
    top = height * rng.uniform(0.05, 0.15)
    clock = rng.integers(0, 60, 4)
    date = f"{1 + clock[0] % 28:02d}/{1 + clock[1] % 12:02d}/2013"
    lines = ("ID:", "Name:", "", "Sex:  Age:", date, f"{clock[2] % 24:02d}:{clock[3]:02d}", "", "0/1")
    for line_number, words in enumerate(lines):
        if rng.random() < 0.75:
            corner = (int(0.01 * width), int(top + line_number * line * 1.5))
            cv2.putText(text, words, corner, cv2.FONT_HERSHEY_SIMPLEX, size, 235, 1, cv2.LINE_AA)
    black = float(rng.uniform(0, 0.02))
    colour = [(black, black, black), (0.07, 0.62 + black, 0.52 + black)][int(rng.random() < 0.3)]
    right, up = int(width * rng.uniform(0.27, 0.36)), int(height * rng.uniform(0.27, 0.36))
    box = Box(0, height - up, right, height) if rng.random() < 0.7 else None
    return Overlay(field, np.asarray(text / 255, np.float32), box, colour)


def _field(rng: np.random.Generator, height: int, width: int, border: float) -> Plane:
    """Return the field of view: an octagon, a disc that the frame may cut, or a rectangle."""
    u, v = axes(height, width)
    u = u - rng.uniform(-0.04, 0.04)
    reach, corner = width / height * rng.uniform(0.93, 0.99), rng.uniform(1.45, 1.6)
    if border < 0.6:
        inside = np.minimum(np.minimum(reach - abs(u), 0.98 - abs(v)), (corner - abs(u) - abs(v)) * 0.7)
    elif border < 0.85:
        inside = np.minimum(rng.uniform(0.99, 1.1) - np.hypot(u, v), 0.99 - abs(v))
    else:
        inside = np.minimum(reach - abs(u), rng.uniform(0.93, 0.99) - abs(v))
    return np.asarray(np.clip(inside * height / 3 + 0.5, 0, 1), np.float32)


def expose(rng: np.random.Generator, rgb: Plane, overlay: Overlay) -> NDArray[np.uint8]:
    """Return the frame (H, W, 3) uint8 RGB: tissue (3, H, W) in [0, 1] with blur and sensor noise, under the overlay."""
    grain = 0.008 * rng.standard_normal(overlay.text.shape, np.float32)
    tissue = cv2.GaussianBlur(cv2.merge(list((rgb + grain) * overlay.field + 0.012)), (0, 0), rng.uniform(0.5, 1.1))  # (H, W, 3)
    frame = cv2.convertScaleAbs(np.maximum(tissue, cv2.merge([overlay.text] * 3)), alpha=255)
    if overlay.box is not None:
        inner = np.full((overlay.box.height, overlay.box.width, 3), np.round(np.array(overlay.colour) * 255), np.uint8)
        if overlay.kind == "green":
            course = np.cumsum(rng.normal(0, 0.06, (9, 2)), 0) * inner.shape[0] + np.array(inner.shape[1::-1]) * 0.6
            cv2.polylines(inner, [np.round(course).astype(np.int32)], False, (40, 90, 80), 2, cv2.LINE_AA)
        frame[overlay.box.top : overlay.box.bottom, overlay.box.left : overlay.box.right] = inner
    return frame
