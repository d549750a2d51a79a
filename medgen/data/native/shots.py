"""A training on few frames: which of them are kept, so that a curve over training sizes compares like with like."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from medgen.data.prepared import Prepared

LEFT_OUT = "left out"  # the split of training frames that were not drawn: no verb looks at it


def with_shots(data: Prepared, shots: int, seed: int) -> Prepared:
    """Return the data set with so many of its training frames, all others being in split "left out".

    Frames come from as many groups as there are: one of each group in an order that the seed draws, then a second of each, and so
    on. Fewer are always the first of more, so 4 lie within 16. Nothing but paths and groups of training frames is looked at.
    Validation and test frames stay as they are, and so do augmented copies of the frames that are kept.

    Parameters
    ----------
    shots : frames to keep; 0, or as many as there are, keeps all
    seed : of the draw
    """
    rows = data.rows("train")
    if not shots or shots >= len(rows):
        return data
    frames = data.index.iloc[rows].sort_values("path", kind="stable")  # the order of the files on a disk has no part in it
    frames = frames.iloc[np.random.default_rng(seed).permutation(len(frames))]
    turn = frames.groupby("group", sort=False).cumcount()
    drawn = set(frames.iloc[np.argsort(turn, kind="stable")[:shots]]["path"])
    index: pd.DataFrame = data.index
    lost = (index["split"] == "train") & ~index["path"].isin(drawn)
    return replace(data, index=index.assign(split=index["split"].mask(lost, LEFT_OUT)))
