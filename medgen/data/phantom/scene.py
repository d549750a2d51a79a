"""Draw what a phantom frame shows of its patient: tissue, lesions and highlights.

A random generator and the frame's size come in, pictures in floats go out; `frames` puts them together.

Tissue is (3, H, W) float32 RGB in [0, 1]. Coordinates u (right) and v (down) have their origin in the middle of the frame; v is
-1 at its upper and 1 at its lower edge, and u has the same scale.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]
Flags = NDArray[np.bool_]

TONES = ((0.87, 0.48, 0.41), (0.90, 0.52, 0.29), (0.85, 0.55, 0.52), (0.76, 0.47, 0.40), (0.85, 0.60, 0.30))  # salmon to ochre
RED = np.array((0.04, 0.34, 0.32), np.float32)[:, None, None]  # share of each channel that a reddened lesion absorbs
PALE = np.array((0.97, 0.82, 0.72), np.float32)[:, None, None]  # colour that a pale lesion moves towards
NOTICEABLE = 4 / 255  # a pixel belongs to a lesion where the lesion changes some channel by at least this much


class Patient(NamedTuple):
    """What all frames of a patient share.

    Attributes
    ----------
    tone : (3,) RGB in [0, 1], the colour of the mucosa
    vessels : in [0, 1], contrast of the vessels
    border : in [0, 1], shape of the border that the instrument leaves: octagonal below 0.6, round below 0.85, else rectangular
    """

    tone: Plane
    vessels: float
    border: float


def draw_patient(rng: np.random.Generator) -> Patient:
    """Draw colour cast, vessels and border."""
    weights = rng.dirichlet([0.5] * len(TONES))
    tone = np.clip(weights @ np.array(TONES) + rng.normal(0, 0.015, 3), 0.1, 0.95).astype(np.float32)
    return Patient(tone, float(rng.uniform(0.1, 0.9)), float(rng.random()))


def draw_lesion(rng: np.random.Generator, rgb: Plane, hidden: Flags, difficulty: float) -> Flags:
    """Draw one polyp-like lesion on `rgb` in place, preferably where it can be seen.

    A dome lit from the lamp's side replaces the mucosa: paler or redder, with its own texture, highlight and shadow at its foot.

    Parameters
    ----------
    rng : source of randomness; it is moved on
    rgb : (3, H, W) float32 in [0, 1]; it is modified
    hidden : (H, W) bool, True under overlay and earlier lesions
    difficulty : in [0, 1]; 0 is a large lesion of strong contrast, 1 a small one in nearly the colour of the mucosa

    Returns
    -------
    (H, W) bool, the lesion: the pixels inside its outline that it changes noticeably.
    """
    height, width = hidden.shape
    strength = 1 - 0.7 * difficulty
    radius = height / 2 * (0.38 - 0.22 * difficulty) * rng.uniform(0.85, 1.15)
    x, y = _lesion_centre(rng, rgb, hidden, radius)
    left, top = max(0, int(x - 2 * radius)), max(0, int(y - 2 * radius))
    window = (slice(None), slice(top, int(y + 2 * radius) + 1), slice(left, int(x + 2 * radius) + 1))
    old = rgb[window].copy()  # (3, h, w)
    dx = (np.arange(old.shape[2], dtype=np.float32)[None] + left - x) / radius
    dy = (np.arange(old.shape[1], dtype=np.float32)[:, None] + top - y) / radius
    edge, rho = _outline(rng, dx, dy)
    lamp = np.array([width / 2 - x, height / 2 - y], np.float32) / height + rng.normal(0, 0.3, 2).astype(np.float32)
    lamp /= max(1.0, float(np.hypot(*lamp)))
    shadow = smoothstep(1.5 - np.hypot(dx + 0.25 * lamp[0], dy + 0.25 * lamp[1]) / edge, 0.1, 0.6) * (rho > 1)
    cover = np.clip((1 - rho) * radius / 2 + 0.5, 0, 1) * (1 - 0.4 * difficulty**2)
    dome = np.sqrt(np.clip(1 - rho**2, 0, 1))
    shade = 0.52 + 0.56 * dome + 0.22 * (dx * lamp[0] + dy * lamp[1])
    shade += 0.04 * noise(rng, rho.shape, 5, 2) + 0.03 * noise(rng, rho.shape, 24)
    side = int(2 * radius) | 1
    ground = np.stack([0.4 * cv2.blur(plane, (side, side)) + 0.6 * plane[rho < 1].mean() for plane in old])
    tint = strength * rng.uniform(0.7, 1.2)
    ground += -tint * RED * ground if rng.random() < 0.5 else 0.45 * tint * (PALE - ground)
    new = old * (1 - 0.45 * strength * shadow) * (1 - cover) + cover * ground * (1 + (shade - 1) * strength)
    for centre in rng.normal(0, 0.14, (rng.integers(1, 5), 2)).astype(np.float32) + 0.25 * lamp:
        spot = np.hypot((dx - centre[0]) * rng.uniform(10, 26), (dy - centre[1]) * rng.uniform(10, 26))
        new += (1 - smoothstep(spot, 0.6, 1.2)) * (0.15 + 0.6 * strength)
    rgb[window] = np.clip(new, 0, 1)
    lesion = np.zeros_like(hidden)
    lesion[window[1:]] = (rho < 1) & (abs(rgb[window] - old).max(0) >= NOTICEABLE)
    return lesion


def _outline(rng: np.random.Generator, dx: Plane, dy: Plane) -> tuple[Plane, Plane]:
    """Return a wavy oval, from offsets in units of its radius.

    The first result is the distance of the rim in the direction of each pixel, the second the distance of the pixel as a share of
    that: below 1 inside.
    """
    turn, stretch, wave = rng.uniform(0, np.pi), rng.uniform(1, 1.2), rng.uniform(0, 2 * np.pi, 3).tolist()
    along, across = dx * math.cos(turn) + dy * math.sin(turn), dy * math.cos(turn) - dx * math.sin(turn)
    angle = np.arctan2(across, along)
    edge = 1 + sum(size * np.cos(n * angle + w) for n, size, w in zip((2, 3, 5), (0.07, 0.06, 0.03), wave, strict=True))
    return edge, np.hypot(along / stretch, across * stretch) / edge


def _lesion_centre(rng: np.random.Generator, rgb: Plane, hidden: Flags, radius: float) -> tuple[float, float]:
    """Return a centre for a lesion, (x, y) in pixels: the least hidden and best lit of a dozen random points."""
    height, width = hidden.shape
    side = (int(2 * radius) | 1,) * 2
    covered = cv2.blur(hidden.astype(np.float32), side, borderType=cv2.BORDER_REPLICATE)
    light = cv2.blur(rgb[0], side)
    spots = rng.uniform(0.1, 0.9, (12, 2)) * (width, height)
    column, row = spots.astype(int).T
    dark = np.clip(0.55 - light[row, column], 0, 1) + np.clip(light[row, column] - 0.9, 0, 1)
    best = int(np.argmin(np.maximum(covered[row, column], 0.05) + 2 * dark))
    return float(spots[best, 0]), float(spots[best, 1])


def draw_highlights(rng: np.random.Generator, rgb: Plane, lesion: Flags) -> None:
    """Add wet highlights and bubbles to `rgb` (3, H, W) in place, but not on `lesion` (H, W), which has its own."""
    height, width = lesion.shape
    fine = 0.9 * noise(rng, (height, width), int(rng.uniform(34, 70)), 2) + 0.9 * noise(rng, (height, width), 5)
    rare = rng.uniform(2.8, 3.55)
    spots = smoothstep(fine + rgb[0], rare, rare + 0.35) * (rgb[0] > 0.3)
    bubbles = np.zeros((height, width), np.uint8)
    if rng.random() < 0.3:
        middle, count = rng.uniform(0.15, 0.85, 2) * (width, height), int(rng.integers(3, 25))
        centres = middle + rng.normal(0, 0.07 * height, (count, 2))
        for (x, y), r in zip(centres, height * rng.uniform(0.008, 0.025, count), strict=True):
            cv2.circle(bubbles, (int(x * 8), int(y * 8)), int(r * 8), 90, 1, cv2.LINE_AA, 3)
            cv2.circle(bubbles, (int((x - r / 3) * 8), int((y - r / 3) * 8)), int(r * 2), 230, -1, cv2.LINE_AA, 3)
    gain = np.maximum(spots, bubbles.astype(np.float32) / 255) * ~lesion
    rgb += (0.98 - rgb) * gain


def draw_tissue(rng: np.random.Generator, height: int, width: int, tone: Plane, vessels: float) -> Plane:
    """Return tissue without lesions, (3, H, W) in [0, 1].

    Parameters
    ----------
    rng : source of randomness; it is moved on
    height, width : of the frame, in pixels
    tone : (3,) RGB in [0, 1], the colour of the mucosa
    vessels : in [0, 1], contrast of the vessels
    """
    light = _tube(rng, height, width) * rng.uniform(0.85, 1.25)  # exposure
    light *= 1 + 0.025 * noise(rng, (height, width), 12, 4)
    red = 0.05 * noise(rng, (height, width), 4, 2) + _patches(rng, height, width, 0.22)
    red += vessels * _vessels(rng, height, width)
    yellow = _patches(rng, height, width, 0.6)
    level = np.arange(0, 1.5, 1 / 1024, dtype=np.float32) / 0.75  # 1 shows the tone itself
    level_index = (np.clip(light, 0, 1.49) * 1024).astype(np.int32)
    rgb = np.empty((3, height, width), np.float32)
    for c, (own, bleeds, stains) in enumerate(zip(tone, (0.25, 1.0, 0.85), (0.05, 0.12, 0.75), strict=True)):
        glare = (1 - own) * 0.55 * smoothstep(level, 1.1, 2.0)
        curve = own * level ** (1 + 0.5 * (tone.max() - own)) + glare  # red shade, pale glare
        rgb[c] = np.clip(curve[level_index] * (1 - bleeds * red) * (1 - stains * yellow), 0, 1)
    return rgb


def _tube(rng: np.random.Generator, height: int, width: int) -> Plane:
    """Return the light (H, W) that a tube with folds reflects: 0 dark, about 0.75 a near wall, above 1 glare."""
    u, v = axes(height, width, 2)
    offset, heading = (rng.uniform(0, 0.3) if rng.random() < 0.8 else rng.uniform(0.7, 1.0)), rng.uniform(0, 2 * np.pi)
    du, dv = u - offset * math.cos(heading), v - offset * math.sin(heading)
    angle, turn = np.arctan2(dv, du), rng.uniform(0, 2 * np.pi, 3).tolist()
    bend = 0.08 * noise(rng, angle.shape, 3, 2)
    squeeze = 1 + rng.uniform(0, 0.25) * np.cos(2 * angle + turn[0]) + rng.uniform(0, 0.12) * np.cos(3 * angle + turn[1])
    radius = np.hypot(du, dv) * squeeze * (1 + bend) + 1e-3
    lumen = rng.uniform(0.10, 0.26)
    depth = np.log(radius / lumen) * rng.uniform(1.6, 2.6) + 0.35 * np.cos(angle + turn[2]) + 0.5 * bend  # grows towards us
    ring = np.floor(depth)
    part = depth - ring  # 0 at the lip of a fold, 1 in the shade of the next one
    phase = rng.uniform(0, 2 * np.pi, 64).astype(np.float32)
    strength = 0.55 + 0.45 * np.cos(angle + phase[ring.astype(np.int32) % 64])
    fold = smoothstep(part, 0, 0.12) * ((1 - part) ** 1.6 + 0.35 * np.exp(-12 * part)) - 0.42
    dark = rng.uniform(0.2, 0.45)
    near = (dark + (1 - dark) * smoothstep(radius, 0.2 * lumen, 2.4 * lumen)) * (0.46 + 0.24 * np.minimum(radius, 1.5))
    light = near * (1 + rng.uniform(0.15, 0.45) * strength * fold)
    lamp = rng.uniform(-0.5, 0.5, 2).tolist()
    light *= 1.12 - rng.uniform(0.1, 0.3) * ((u - lamp[0]) ** 2 + (v - lamp[1]) ** 2)
    return _enlarge(light, height, width)


def _patches(rng: np.random.Generator, height: int, width: int, most: float) -> Plane:
    """Return none to two ragged patches (H, W) in [0, `most`]: reddened mucosa, or mucus and stool."""
    u, v = axes(height, width, 2)
    total = np.zeros((v.size, u.size), np.float32)
    for _ in range(rng.choice(3, p=[0.5, 0.35, 0.15])):
        centre, size = rng.uniform(-0.9, 0.9, 2).tolist(), rng.uniform(0.15, 0.4, 2).tolist()
        hill = np.hypot((u - centre[0]) / size[0], (v - centre[1]) / size[1]) + 0.35 * noise(rng, total.shape, 8, 3)
        total = np.maximum(total, rng.uniform(0.4, 1) * most * (1 - smoothstep(hill, 0.5, 1.1)))
    return _enlarge(total, height, width)


def _vessels(rng: np.random.Generator, height: int, width: int) -> Plane:
    """Return branching thin curves (H, W), about 0.5 on a vessel."""
    canvas = np.zeros((height, width), np.uint8)
    trees = int(rng.integers(5, 12))
    todo = [(*(rng.uniform(0, 1, 2) * (width, height)), rng.uniform(0, 2 * np.pi), 2) for _ in range(trees)]
    while todo:
        x, y, heading, order = todo.pop()
        course = heading + np.cumsum(rng.normal(0, 0.16, 26))
        path = np.cumsum(np.stack([np.cos(course), np.sin(course)], 1), 0) * height / 110 + (x, y)  # (26, 2)
        cv2.polylines(canvas, [np.round(path * 8).astype(np.int32)], False, 90 + 40 * order, 1 + order // 2, cv2.LINE_AA, 3)
        if order:
            for start in rng.integers(4, 24, 2):
                todo.append((*path[start], course[start] + rng.choice([-1, 1]) * rng.uniform(0.4, 0.9), order - 1))
    return cv2.GaussianBlur(canvas, (0, 0), 0.8).astype(np.float32) * np.float32(0.5 / 255)


def axes(height: int, width: int, stride: int = 1) -> tuple[Plane, Plane]:
    """Return u (1, W) and v (H, 1) of every `stride`-th pixel."""
    row, column = np.arange(0, height, stride, dtype=np.float32), np.arange(0, width, stride, dtype=np.float32)
    return (column[None] - width / 2) / (height / 2), (row[:, None] - height / 2) / (height / 2)


def noise(rng: np.random.Generator, shape: tuple[int, ...], cells: int, octaves: int = 1) -> Plane:
    """Return smooth noise (H, W) with a standard deviation of about 1.

    Parameters
    ----------
    rng : source of randomness; it is moved on
    shape : (H, W)
    cells : cells per side of the coarsest octave; each octave has twice as many as the one before
    octaves : number of octaves; each has 0.6 of the amplitude of the one before
    """
    height, width = shape
    total = np.zeros((height, width), np.float32)
    for octave in range(octaves):
        side = cells * 2**octave + 1
        grid = rng.standard_normal((side, side), np.float32) * 0.6**octave
        total += cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
    return total


def smoothstep(value: Plane, low: float, high: float) -> Plane:
    """Rise smoothly from 0 at `low` to 1 at `high`."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def _enlarge(plane: Plane, height: int, width: int) -> Plane:
    return np.asarray(cv2.resize(plane.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
