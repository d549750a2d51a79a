"""Which frames show enough tissue to be scored, and what is said of the others.

A score is a mean over the valid pixels of a crop. A frame without any (white-out, a green test picture, noise) has nothing to
take a mean of, and over a handful the mean says nothing: such a frame has no score at all, and is neither normal nor abnormal.

The bound lies between what was measured of both kinds: of 975 frames of HyperKvasir none has fewer than 67 % valid pixels, while
of grey noise, which is all highlights to `field/overlay.py`, specks of up to 8 % are left over.

A frame of one colour (a lens cap, a slice of air) has the same value wherever tissue could be: it has no score, like a frame
without valid pixels. Noise has valid pixels and gets a score, which says nothing; whoever learns from it alone is told so. In
crops of 32 and 96 pixels, the lowest likeness of frames of HyperKvasir is 0.5, of photographs (BSDS500), faces and chest X-rays
0.25; of independent pixels of 16 to 512 a side, shrunk or enlarged to crops of 16 to 96, it lies between -0.13 and 0.12. Valid
pixels of a real frame differ by 7 grey levels (water on an aerial photograph) and more, of HyperKvasir by 180.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medgen.data.prepared import Prepared, evenly_spaced
from medgen.data.storage.rows import Flags, Frames
from medgen.data.storage.shards import counted
from medgen.files import let_go

LEAST_VALID = 0.1  # share of a crop's pixels that must be valid
SCORED = "scored"  # status of a frame with a score
NO_PIXEL, FEW_PIXELS = "no valid pixel", f"fewer than {100 * LEAST_VALID:.0f} % valid pixels"  # and of those without
BLOCK = 256  # masks read at once
ONE_COLOUR = 3  # grey levels between which all valid pixels of a frame of one colour lie, as a lossy compression leaves them
NOISE = 0.15  # likeness of pixels near each other, below which a frame is noise
NEARLY_ALL = 0.95  # share of normal frames
LOOKED_AT = 64  # frames of a data set
FEWEST = 50  # pairs of pixels from which a likeness says something


def valid_shares(data: Prepared, rows: NDArray[np.int64], overlay: str = "mask") -> NDArray[np.float64]:
    """Return the share of the crop that a run sees of each frame, (n,) in [0, 1].

    Parameters
    ----------
    rows : (n,) of the data set
    overlay : `DataSettings.overlay` of the run. Where overlay is kept, all of a crop is seen. Where one mask is common to all
        frames, what is filled from around it does not count: the frame does not show it
    """
    if overlay == "keep":
        return np.ones(len(rows))
    if data.own_valid is None and (known := counted(data.valid, rows)) is not None:
        return known
    shares = [np.empty(0)]
    for start in range(0, len(rows), BLOCK):
        block = rows[start : start + BLOCK]
        valid = np.asarray(data.valid[block])  # (b, S, S)
        if data.own_valid is not None:
            valid = valid & np.asarray(data.own_valid[block])
        shares.append(valid.mean(axis=(1, 2)))
        let_go(data.valid, data.own_valid)
    return np.concatenate(shares)


def valid_counts(data: Prepared, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many of the frames show each pixel of the crop, (S, S)."""
    counts = np.zeros((data.size, data.size), np.int64)
    for start in range(0, len(rows), BLOCK):
        counts += np.asarray(data.valid[rows[start : start + BLOCK]]).sum(axis=0)
        let_go(data.valid)
    return counts


def scorable(data: Prepared, rows: NDArray[np.int64], overlay: str = "mask") -> NDArray[np.int64]:
    """Return those of the rows whose frames show enough to be scored, trained on or compared with; see `valid_shares`."""
    return rows[valid_shares(data, rows, overlay) >= LEAST_VALID]


def statuses(shares: NDArray[np.float64]) -> list[str]:
    """Return for each share of valid pixels `SCORED`, or why a frame with so few has no score."""
    return [SCORED if share >= LEAST_VALID else FEW_PIXELS if share > 0 else NO_PIXEL for share in shares.tolist()]


def is_scored(table: pd.DataFrame) -> NDArray[np.bool_]:
    """Return which rows of a table of scores have a score, (N,); all of them where the table has no column "status"."""
    return (table["status"] == SCORED).to_numpy(dtype=bool) if "status" in table else np.ones(len(table), dtype=bool)


def left_out(count: int, of: int, what: str, paths: Sequence[str] = ()) -> str:
    """Return in words, without a full stop, how many of some frames cannot be scored, and which is the first.

    Parameters
    ----------
    count, of : how many of how many
    what : "test frames", ...
    paths : of the frames that cannot, the first of which is named
    """
    first = f", the first is '{paths[0]}'" if paths else ""
    show = "shows" if count == 1 else "show"
    return f"{count} of {of} {what} {show} {FEW_PIXELS} (white-out, one colour, noise){first}"


def is_one_colour(pixels: NDArray[np.uint8], valid: NDArray[np.bool_]) -> bool:
    """Tell whether the valid pixels of a frame, (S, S, C) and (S, S), have one colour; without any they have none."""
    mask = np.ascontiguousarray(valid).view(np.uint8)
    ends = [cv2.minMaxLoc(channel, mask)[:2] for channel in cv2.split(np.ascontiguousarray(pixels))]  # lowest, highest
    return bool(valid.any()) and max(high - low for low, high in ends) <= ONE_COLOUR


def likeness(pixels: NDArray[np.uint8], valid: NDArray[np.bool_], width: float) -> float:
    """Return the correlation of valid pixels with those near them, across and down, -1 to 1; NaN where there are too few.

    Parameters
    ----------
    pixels, valid : (S, S, C), (S, S)
    width : of what was cut out, in pixels of the source. Pixels are compared that lie two apart, in the source too: neighbours
        are made of the same ones of the source
    """
    grey = pixels.mean(axis=2, dtype=np.float64)
    lag = 2 * max(1, ceil(len(grey) / width))
    pairs = ((np.s_[:, lag:], np.s_[:, :-lag]), (np.s_[lag:], np.s_[:-lag]))
    return float(np.mean([_correlation(grey[here], grey[there], valid[here] & valid[there]) for here, there in pairs]))


def _correlation(here: NDArray[np.float64], there: NDArray[np.float64], both: NDArray[np.bool_]) -> float:
    values = np.stack([here[both], there[both]])
    if values.shape[1] < FEWEST or not values.std(axis=1).all():
        return float("nan")
    return float(np.asarray(np.corrcoef(values))[0, 1])


def noise_warning(index: pd.DataFrame, frames: Frames, valid: Flags) -> str:
    """Return a sentence without a full stop where nearly all normal frames of a data set are noise, else "".

    Parameters
    ----------
    index : one row a frame, columns label, left and right; where no frame is labelled normal, all count
    frames, valid : (N, S, S, C), (N, S, S); a few rows are read
    """
    normal = np.flatnonzero(index["label"] == "normal")
    rows = normal if len(normal) else np.arange(len(index))
    chosen = rows[evenly_spaced(len(rows), LOOKED_AT)]
    widths = (index["right"] - index["left"]).to_numpy()
    found = []
    for row in chosen.tolist():
        found.append(likeness(frames[row], valid[row], widths[row]))
        let_go(frames, valid)  # a row of a mapped file brings many of its neighbours along
    return noise_sentence(found)


def noise_sentence(found: Any) -> str:
    """Return the sentence of `noise_warning` for the likeness of each frame that was looked at; NaN counts for none."""
    known = np.asarray(found, dtype=np.float64)
    known = known[~np.isnan(known)]
    noisy = int((known < NOISE).sum())
    if not noisy or noisy < NEARLY_ALL * len(known):
        return ""
    return (
        f"{noisy} of {len(known)} frames to learn from that were looked at are noise: a pixel says nothing of those near it "
        f"(correlation {np.median(known):.2f}), so that there is nothing to learn, and scores mean nothing"
    )
