"""Which frames a second domain has, where a backend trains on one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medgen.data.prepared import Prepared
from medgen.data.preparing.splits import UNUSED
from medgen.data.scorable import scorable
from medgen.errors import DataError


def second_domain(data: Prepared, second: Prepared | None, overlay: str = "mask") -> tuple[Prepared, NDArray[np.int64]]:
    """Return the data set and rows of the second domain: split "unused" of `data`, or `second` without its val and test frames.

    Unlabelled frames of `second` cannot be tested on, so they belong to the second domain whatever their split. Frames that
    show next to nothing (`data/scorable.py`) do not.

    Parameters
    ----------
    data : the data set that is trained on
    second : the data set of the second domain; None where `data` holds it
    overlay : how the run treats a frame's overlay

    Returns
    -------
    data : the data set that holds the second domain
    rows : (M,) rows of it

    Raises
    ------
    DataError : if there are no such frames.
    """
    rows = data.rows(UNUSED)
    if second is not None:
        rows = np.union1d(second.rows("train", UNUSED), np.flatnonzero(second.index["label"] == ""))
    rows = scorable(second or data, rows, overlay)
    if not len(rows):
        raise DataError(
            f"'{(second or data).address}' has no frames of a second domain; name its data set with --set data.other=ADDRESS, "
            "hold abnormal frames out of test with --set data.pool_share=0.5, or read unpaired:PATH"
        )
    return second or data, rows
