"""Which frames of another data set a run has nearly seen: near-duplicates among its training and validation frames."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medgen.data.prepared import Prepared
from medgen.data.preparing.alike.duplicates import dhash, likest_before, thumbnail
from medgen.report.run_metrics import SeenInTraining
from medgen.runs.datasets import recalibrated_on
from medgen.runs.run import NORMALS, Run
from medgen.types import OnProgress, Progress, no_progress

PAIR = ["path", "split", "other", "other_split", "kind"]  # as the audit lists them: a frame of the training, and one of these
SHOWN = 64  # frames between two messages


class Seen(NamedTuple):
    """Pairs of a training or validation frame of a run and a frame that is nearly the same, and their count."""

    pairs: pd.DataFrame
    counts: SeenInTraining


def seen_in_training(
    run: Run, own: Prepared | None, data: Prepared, rows: NDArray[np.int64], on_progress: OnProgress = no_progress
) -> Seen:
    """Look for frames that the run was trained or calibrated on, or nearly: one pair for each, with the likest.

    Of frames that the run was recalibrated on, the same files are found.

    Parameters
    ----------
    own : the data set of the training; None where it is gone
    rows : of `data`
    """
    reason, near = "", pd.DataFrame(columns=PAIR)
    if own is None:
        reason = "the data set of the training is not there"
    elif own.kind or data.kind:
        reason = "frames at native size are not searched for near-duplicates"
    else:
        near = _near_training(run, own, data, rows, on_progress)
    normals = _files_recalibrated_on(run)
    if normals is None:
        reason = reason or "it is not noted which files it was recalibrated on"
    pairs = pd.concat([_same_files(normals or {}, data, rows), near], ignore_index=True)
    table = pairs.drop_duplicates("other", ignore_index=True)
    return Seen(table, {"frames": len(table), "exact": int((table["kind"] == "exact").sum()), "reason": reason})


def _near_training(run: Run, own: Prepared, data: Prepared, rows: NDArray[np.int64], on_progress: OnProgress) -> pd.DataFrame:
    """Return the pairs with training and validation frames of the run."""
    trained = own.rows("train", "val")
    frames = [(own, row) for row in trained.tolist()] + [(data, row) for row in rows.tolist()]
    hashes, thumbnails = np.empty(len(frames), np.uint64), np.empty((len(frames), 16, 16, 3), np.uint8)
    for place, (source, row) in enumerate(frames):
        pixels = source.frames[np.array([row])][0]
        hashes[place], thumbnails[place] = dhash(pixels), thumbnail(pixels)
        if place % SHOWN == 0:
            on_progress(Progress("likeness", place, len(frames)))
    rank = np.repeat(np.arange(2), [len(trained), len(rows)])
    pairs = [(trained[a], rows[b - len(trained)]) for a, b in likest_before(hashes, thumbnails, rank)]
    return pd.DataFrame([_pair(run, own, int(a), data, int(b)) for a, b in pairs], columns=PAIR)


def _files_recalibrated_on(run: Run) -> dict[str, str] | None:
    """Return the files that a run was recalibrated on, names by digest; None where nobody noted them."""
    if not run.recalibrated_on:
        return {}
    table = recalibrated_on(run)
    return None if table is None or "digest" not in table else dict(zip(table["digest"], table["path"], strict=True))


def _same_files(normals: Mapping[str, str], data: Prepared, rows: NDArray[np.int64]) -> pd.DataFrame:
    """Return the pairs with frames that a run was recalibrated on."""
    frames = data.index.iloc[rows]
    same = frames[frames["digest"].isin(normals.keys() - {""})]
    pairs = [
        (f"{NORMALS}/{normals[digest]}", "normals of the run", path, split, "exact")
        for digest, path, split in zip(same["digest"], same["path"], same["split"], strict=True)
    ]
    return pd.DataFrame(pairs, columns=PAIR)


def seen_in_words(counts: SeenInTraining, frames: int) -> str:
    """Return how many of the frames the training has seen, a sentence; "" where it has seen none, or nobody looked."""
    if not counts["frames"]:
        return ""
    exact = f", {counts['exact']} of them the same files" if counts["exact"] else ""
    return (
        f"{counts['frames']} of {frames} frames are nearly the same as frames that the run was trained or calibrated on{exact}: "
        "for them this is no test on new frames. duplicates.csv lists them."
    )


def _pair(run: Run, own: Prepared, trained: int, data: Prepared, row: int) -> tuple[str, ...]:
    """Return a pair as the audit lists it; the folder before the name of the training frame keeps it apart from these frames."""
    first, second = own.index.iloc[trained], data.index.iloc[row]
    same = bool(first["digest"]) and first["digest"] == second["digest"]
    name = f"{Path(run.origin.dataset).name}/{first['path']}"
    return name, f"{first['split']} of the run", second["path"], second["split"], "exact" if same else "near"
