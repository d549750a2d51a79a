"""How wide the half-dark rim is over which a black border becomes tissue."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

STEP = 12  # smallest rise from border to tissue, in grey levels
RIM = 0.012  # of the shorter side: over so many pixels the border becomes tissue, at the most
RIM_SHARE = 0.8  # of the brightness of the tissue behind, below which a line belongs to the rim


def rim_reach(shape: tuple[int, ...]) -> int:
    """Return over how many pixels the border of a picture of this shape, (H, W, ...), becomes tissue, at the most."""
    return max(2, round(RIM * min(shape[:2])))


def rim_width(brightness: NDArray[np.float64], reach: int) -> int:
    """Return in how many lines border becomes tissue, at the most `reach`.

    A line is tissue that is nearly as bright as those a few lines behind it. As no line is compared with those before it, lines
    that are added in front change nothing of where the tissue begins.

    Parameters
    ----------
    brightness : (N,) of each line above that of the border, in grey levels, from the border inwards
    reach : `rim_reach`
    """
    for line in range(reach):
        behind = brightness[line + (reach + 1) // 2 : line + reach + 1]
        if not len(behind) or brightness[line] >= RIM_SHARE * behind.mean():
            return line
    return reach
