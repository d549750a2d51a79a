"""Which frames a run is recalibrated on: normal ones, that it has never seen, of a place that is named."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from medgen.data.native.addresses import is_address
from medgen.data.prepared import Prepared, is_prepared
from medgen.data.scorable import left_out, scorable
from medgen.errors import DataError, MedgenError
from medgen.metrics.calibration import fewest
from medgen.metrics.units import statistical_units
from medgen.runs.datasets import open_trained_on
from medgen.runs.run import Run
from medgen.types import OnProgress, Progress
from medgen.verbs.score import Split, open_input

FEWEST = 20  # frames: at 5 % false alarms a threshold needs 19
NOT_FOR_TESTS = ("train", "val")  # splits of a data set that are taken where none is named


class Normals(NamedTuple):
    """Normal frames of another place.

    Attributes
    ----------
    data : their data set
    rows : (N,) of it
    groups : (N,) names, equal for frames that belong together
    """

    data: Prepared
    rows: NDArray[np.int64]
    groups: NDArray[np.str_]


def open_normals(run: Run, source: Path, out: Path, split: Split | None, by_group: bool, on_progress: OnProgress) -> Normals:
    """Open the frames that a run is recalibrated on.

    Frames whose label says that they are abnormal, files that the run was trained on, where its data set is there to tell, and
    frames that show next to nothing are left out, and a message says how many. Frames without a label are normal, as whoever gave
    them says. No label of a test frame is read where no split is named.

    Parameters
    ----------
    source : raw frames (all of them), or a data set: frames of splits train and val, of the run's own val alone, or of `split`
    out : folder where raw frames are prepared
    by_group : frames of a group belong together; otherwise each counts as independent of all others

    Raises
    ------
    DataError : if there are fewer than `FEWEST`, or they are what the run was trained on or is measured on.
    """
    is_set = is_prepared(source) or is_address(source)
    data, rows = open_input(run, source, out, split or "all", on_progress)
    fitted = run.settings.scoring.fitted_splits
    if data.digest == run.origin.data_digest and (split or "val") in (*fitted, "all", "test"):
        free = "" if "val" in fitted else "choose --split val, or "
        what = "is measured" if split == "test" else "was trained"  # no threshold may hang on a label of its test frames
        raise DataError(f"'{source}' is what '{run.folder}' {what} on; {free}give frames of another place")
    if is_set and split is None:
        own = data.digest == run.origin.data_digest
        rows = data.rows(*(("val",) if own else NOT_FOR_TESTS))
    labels = data.index["label"].iloc[rows]
    normal = rows[(labels != "abnormal").to_numpy()]
    if len(normal) < len(rows):
        _say(on_progress, f"left out: {len(rows) - len(normal)} of {len(rows)} frames are labelled abnormal")
    fresh = normal[~data.index["digest"].iloc[normal].isin(_trained_on(run)).to_numpy()]
    if len(fresh) < len(normal):
        _say(on_progress, f"left out: {len(normal) - len(fresh)} of {len(normal)} frames are among those of the training")
    shown = scorable(data, fresh, run.settings.data.overlay)
    if len(shown) < len(fresh):
        _say(on_progress, f"left out: {left_out(len(fresh) - len(shown), len(fresh), 'frames')}")
    if len(shown) < FEWEST:
        hint = "; name a --split, test frames are not taken unasked" if is_set and split is None else ""
        raise DataError(
            f"'{source}' has {len(shown)} normal frames to recalibrate on; expected {FEWEST} or more, and at least 19 for a "
            f"false-alarm rate of 0.05, 99 for 0.01{hint}"
        )
    groups = data.index["group"].iloc[shown] if by_group else [""] * len(shown)
    return Normals(data, shown, statistical_units(groups))


def check_rate(groups: NDArray[np.str_], rate: float, by_group: bool) -> float:
    """Return the lowest false-alarm rate that can be promised with these groups (N,), 1 / (G + 1).

    Raises
    ------
    MedgenError : if `rate` is below it.
    """
    count = len(set(groups.tolist()))
    lowest = 1 / (count + 1)
    if rate < lowest - 1e-12:
        what = "groups of normal frames (patients, videos, near-duplicates)" if by_group else "normal frames"
        reached = f"{np.ceil(1e4 * lowest) / 1e4:g}"
        alone = ", or --by-frame where frames do not resemble each other" if by_group else ""
        raise MedgenError(
            f"a false-alarm rate of {rate:g} needs {fewest(rate)} {what}, got {count}; "
            f"these reach {reached}: give --false-alarm-rate {reached}, or more frames{alone}"
        )
    return lowest


def _trained_on(run: Run) -> set[str]:
    """Return the digests of the files that a run was trained on, as far as its data set is there and holds them."""
    try:
        data = open_trained_on(run)
    except MedgenError:
        return set()
    return set(data.index["digest"].iloc[data.rows(*run.settings.scoring.fitted_splits)]) - {""}


def _say(on_progress: OnProgress, message: str) -> None:
    on_progress(Progress("recalibrate", 0, 0, {}, message))
