"""Where frames of another data set show tissue and hardly any training frame did, as in the corners of a rounder field of view.

A model that knows one place of a frame from another has learnt next to nothing there: a high score of such a place is no finding.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medgen.data.prepared import Prepared
from medgen.data.scorable import BLOCK, scorable, valid_counts
from medgen.files import let_go

FEW = 0.01  # share of the training frames; of 100 and fewer, none
TOLD = 0.01  # of a frame's tissue, from which on it is spoken of


def unseen_shares(own: Prepared, data: Prepared, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the share of each frame's tissue that lies where fewer than `FEW` of the training frames show any.

    Parameters
    ----------
    own : the data set of the training, whose frames have the side of the others
    rows : (n,) of `data`

    Returns
    -------
    (n,) in [0, 1]; 0 of a frame without tissue, and all 0 where there are no training frames
    """
    trained = scorable(own, own.rows("train"))
    if not len(trained):
        return np.zeros(len(rows))
    unseen = valid_counts(own, trained) < max(1.0, FEW * len(trained))  # (S, S)
    shares = np.zeros(len(rows))
    for start in range(0, len(rows), BLOCK):
        valid = np.asarray(data.valid[rows[start : start + BLOCK]])  # (b, S, S)
        shares[start : start + BLOCK] = (valid & unseen).sum((1, 2)) / valid.sum((1, 2)).clip(1)
        let_go(data.valid)
    return shares


def unseen_places(own: Prepared | None, data: Prepared, rows: NDArray[np.int64]) -> str:
    """Return how many frames show tissue there, a sentence; "" where none does, or the frames of the training are gone."""
    if own is None or own.kind or data.kind or own.size != data.size:  # frames at native size have no common places
        return ""
    shares = unseen_shares(own, data, rows)
    count = int((shares >= TOLD).sum())
    if not count:
        return ""
    return (
        f"{count} of {len(rows)} frames show tissue where fewer than one in a hundred training frames did, at most "
        f"{100 * shares.max():.0f} % of what they show: look at their maps before a high score there is called a finding."
    )
