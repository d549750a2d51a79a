"""Which frames show enough tissue to be scored, and what is said of the others.

A score is a mean over the valid pixels of a crop. A frame without any (white-out, a green test picture, noise) has nothing to
take a mean of, and over a handful the mean says nothing: such a frame has no score at all, and is neither normal nor abnormal.

The bound lies between what was measured of both kinds: of 975 frames of HyperKvasir none has fewer than 67 % valid pixels, while
of grey noise, which is all highlights to `field/overlay.py`, specks of up to 8 % are left over.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medgen.data.prepared import Prepared

LEAST_VALID = 0.1  # share of a crop's pixels that must be valid
SCORED = "scored"  # status of a frame with a score
NO_PIXEL, FEW_PIXELS = "no valid pixel", f"fewer than {100 * LEAST_VALID:.0f} % valid pixels"  # and of those without
BLOCK = 256  # masks read at once


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
    shares = [np.empty(0)]
    for start in range(0, len(rows), BLOCK):
        block = rows[start : start + BLOCK]
        valid = np.asarray(data.valid[block])  # (b, S, S)
        if data.own_valid is not None:
            valid = valid & np.asarray(data.own_valid[block])
        shares.append(valid.mean(axis=(1, 2)))
    return np.concatenate(shares)


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
