"""Whether runs were scored on the same frames, and trained alike."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medgen.data.prepared import Prepared
from medgen.errors import RunError
from medgen.runs.run import Run

REMEDY = "; numbers of different test frames cannot be compared: score both on one data set"
AT_A_TIME = "trained_at_a_time"  # what is known of a run whose training shared the machine with others: how many there were
IDENTITY = ["path", "label", "digest"]  # a digest is of the source file's content; "" where frames were not prepared


def identity(data: Prepared, rows: NDArray[np.int64]) -> pd.DataFrame:
    """Return label and digest of each frame, by its path, in the order of the rows."""
    return data.index.iloc[rows][IDENTITY].set_index("path")


def check_same(first: str, frames: pd.DataFrame, second: str, others: pd.DataFrame) -> None:
    """Refuse to compare what was tested on different frames; their order does not matter.

    Parameters
    ----------
    first, second : names of the runs
    frames, others : label and digest of each of their test frames, by its path

    Raises
    ------
    RunError : naming the difference.
    """
    sides = ((first, frames.index, second, others.index), (second, others.index, first, frames.index))
    for one, has, other, lacks in sides:
        if len(lacking := has.difference(lacks)):
            raise RunError(f"'{one}' is tested on {_count(lacking)} that '{other}' is not{REMEDY}")
    others = others.loc[frames.index]
    known = (frames["digest"] != "") & (others["digest"] != "")
    for what, differ in (
        ("labels", frames["label"] != others["label"]),
        ("files", known & (frames["digest"] != others["digest"])),
    ):
        if len(paths := frames.index[differ]):
            raise RunError(f"'{first}' and '{second}' are tested on other {what} of {_count(paths)}{REMEDY}")


def _count(paths: pd.Index) -> str:
    return f"{len(paths)} test {'frame' if len(paths) == 1 else 'frames'}, the first is '{paths[0]}',"


def unlike(first: Run, data: Prepared, run: Run, others: Prepared) -> list[str]:
    """Return in what the training of a run was not that of the first one, besides its backend: sentences for the page."""
    warnings = []
    frames, other_frames = (set(table.loc[table["split"] == "train", "path"]) for table in (data.index, others.index))
    if frames != other_frames:
        warnings.append(f"It was trained on other frames ({len(other_frames)}) than “{first.name}” ({len(frames)}).")
    facts = {
        "frame size": (f"{data.size} pixels", f"{others.size} pixels"),
        "overlay": (first.settings.data.overlay, run.settings.data.overlay),
        "precision": (first.about.get("precision", "unknown"), run.about.get("precision", "unknown")),
    }
    if at_a_time := run.about.get(AT_A_TIME):
        warnings.append(f"Up to {at_a_time} trainings at a time shared the machine: they took longer than alone.")
    warnings += [
        f"Its {name} is “{other}”, that of “{first.name}” “{one}”." for name, (one, other) in facts.items() if one != other
    ]
    return warnings
