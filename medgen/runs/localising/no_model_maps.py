"""Maps that no model made: what a score map has to be better than before it says anything.

Frames come in, a map for each comes out. What a map has to know beforehand (the mean normal frame, where synthetic anomalies lie,
the level at which it is cut) it takes from normal frames of the training and the validation, and from nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from medgen.data.prepared import Prepared, evenly_spaced
from medgen.data.scorable import scorable
from medgen.nn.synthetic import foreign_patches
from medgen.runs.calibrating.calibrate import PIXELS_BELOW
from medgen.runs.calibrating.normal_frames import MAX_PIXELS

MAX_NORMALS = 1000  # normal frames from which a map takes what it has to know, evenly spaced
PATCHES = 256  # synthetic anomalies whose places are averaged
SMOOTH = 1 / 16  # of the side: the standard deviation by which that mean is smoothed, as so few patches leave edges
BLOCK = 64  # frames read at once

Maps = NDArray[np.float32]  # (B, S, S)
Draw = Callable[[NDArray[np.uint8], NDArray[np.bool_]], Maps]  # frames (B, S, S, C), valid (B, S, S)


class NoModelMap(NamedTuple):
    """A way to draw maps without a model.

    Attributes
    ----------
    name : of the row
    title : what pages call it; that of the opposite map, where there is one, is `opposite`
    draw : frames (B, S, S, C) in 0 to 255 and valid (B, S, S) to maps (B, S, S), higher is taken for more anomalous
    opposite : title of the map with its sign turned, for a trait of which nobody knows beforehand whether findings have more or
        less of it; "" where the direction is given
    """

    name: str
    title: str
    draw: Draw
    opposite: str = ""


def no_model_maps(normals: Prepared) -> list[NoModelMap]:
    """Return the ways to draw maps without a model: by the place, the colour, the light, and by what is normal at a place.

    Parameters
    ----------
    normals : the data set of a training; its normal training frames alone are looked at
    """
    ways = [NoModelMap("centre", "nearness to the centre of the field", nearness, "distance from the centre of the field")]
    if normals.channels == 3:
        ways.append(NoModelMap("redness", "redness", redness, "lack of redness"))
    ways.append(NoModelMap("brightness", "brightness", brightness, "darkness"))
    train = _normal_rows(normals, "train")
    if len(train):
        mean, prior = mean_frame(normals, train), prior_map(normals, train)
        ways.append(NoModelMap("mean_frame", "difference from the mean normal frame", lambda frames, _: difference(frames, mean)))
        ways.append(NoModelMap("prior", "where synthetic anomalies lie", lambda frames, _: np.stack([prior] * len(frames))))
    return ways


def nearness(frames: NDArray[np.uint8], valid: NDArray[np.bool_]) -> Maps:
    """Return minus the distance from the middle of the rectangle around a frame's valid pixels, in sides of the crop."""
    side = valid.shape[1]
    places = np.arange(side)

    def middle(lines: Any) -> Any:  # (B, S) to (B,)
        return (lines.argmax(1) + side - 1 - lines[:, ::-1].argmax(1)) / 2

    down = places - middle(valid.any(2))[:, None]  # (B, S)
    across = places - middle(valid.any(1))[:, None]
    return (-np.hypot(down[:, :, None], across[:, None, :]) / side).astype(np.float32)


def redness(frames: NDArray[np.uint8], valid: NDArray[np.bool_]) -> Maps:
    """Return by how much red exceeds the mean of green and blue, -255 to 255."""
    red, green, blue = np.moveaxis(frames.astype(np.float32), 3, 0)
    return red - (green + blue) / 2


def brightness(frames: NDArray[np.uint8], valid: NDArray[np.bool_]) -> Maps:
    """Return the mean of the channels, 0 to 255."""
    return frames.mean(axis=3, dtype=np.float32)


def difference(frames: NDArray[np.uint8], mean: NDArray[np.float32]) -> Maps:
    """Return the absolute difference from a mean frame (S, S, C), its mean over channels, 0 to 255; 0 where that is NaN."""
    return np.nan_to_num(np.abs(frames - mean).mean(axis=3, dtype=np.float32))


def mean_frame(data: Prepared, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the mean of frames, (S, S, C), each pixel over the frames where it is valid; NaN where it is in none."""
    total = np.zeros(data.frames.shape[1:])
    count = np.zeros((*total.shape[:2], 1))
    for start in range(0, len(rows), BLOCK):
        valid = np.asarray(data.valid[rows[start : start + BLOCK]])[..., None]  # (b, S, S, 1)
        total += (data.frames[rows[start : start + BLOCK]] * valid).sum(axis=0, dtype=np.float64)
        count += valid.sum(axis=0)
    mean = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    return mean.astype(np.float32)


def prior_map(data: Prepared, rows: NDArray[np.int64]) -> Maps:
    """Return how often a pixel lies in a synthetic anomaly, (S, S) in [0, 1]: the smoothed mean of masks in normal frames."""
    from scipy.ndimage import gaussian_filter  # long to import

    total = np.zeros((data.size, data.size))
    for start in range(0, PATCHES, BLOCK):
        index = torch.arange(start, start + BLOCK)
        valid = torch.from_numpy(np.asarray(data.valid[rows[index.numpy() % len(rows)]]))[:, None]  # (b, 1, S, S)
        total += foreign_patches(torch.zeros(valid.shape), valid, index)[1].sum(0)[0].numpy()
    smooth: Maps = gaussian_filter(total / PATCHES, SMOOTH * data.size).astype(np.float32)
    return smooth


def normal_levels(way: NoModelMap, normals: Prepared) -> tuple[float | None, float | None]:
    """Return where a map and its opposite are cut for Dice, as those of a model are: 99 % of normal validation pixels lie below.

    None where there are no such frames.
    """
    rows = _normal_rows(normals, "val")
    step = -(-len(rows) * normals.size**2 // MAX_PIXELS)
    pixels = []
    for start in range(0, len(rows), BLOCK):
        block = rows[start : start + BLOCK]
        valid = np.asarray(normals.valid[block])
        pixels.append(way.draw(normals.frames[block], valid)[valid][::step])
    if not pixels:
        return None, None
    low, high = np.percentile(np.concatenate(pixels), [100 - PIXELS_BELOW, PIXELS_BELOW])
    return float(high), -float(low)


def _normal_rows(data: Prepared, split: str) -> NDArray[np.int64]:
    """Return evenly spaced normal frames of a split that show enough, at most `MAX_NORMALS`."""
    rows = data.rows(split)
    rows = rows[(data.index["label"] == "normal").to_numpy()[rows]]
    return scorable(data, rows[evenly_spaced(len(rows), MAX_NORMALS)])
