"""The test frames of a run's own data set, scored: what frames of another data set are compared with.

Nothing is written into the run. Scores that it holds are copied, and made anew beside the page where they are not of the same
weights, frames and code.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pandas as pd

from medgen.data.prepared import TABLE_CHANGED, Prepared
from medgen.engine.device import Device
from medgen.engine.runtime import Runtime
from medgen.errors import MedgenError
from medgen.files import write_bytes
from medgen.report.external import LookedAt
from medgen.runs.calibrating.calibrate import decide
from medgen.runs.datasets import open_trained_on
from medgen.runs.run import Run
from medgen.runs.scores import STAMP, read_stored, score_rows, still_hold
from medgen.types import OnProgress, no_progress
from medgen.verbs.audit import cached_traits

OWN = "own-test"  # folder of the scores beside the page
FILES = (STAMP, "scores.csv")


class OwnTest(NamedTuple):
    """The run's own data set and its scored test frames.

    Attributes
    ----------
    data : None where it is not there as it was
    frames : None where there are no scores to be had
    note : what is known of them, a sentence
    """

    data: Prepared | None
    frames: LookedAt | None
    note: str


def trained_on(run: Run) -> Prepared | None:
    """Return the data set that a run was trained on; None where it is gone or another one stands in its place."""
    try:
        data = open_trained_on(run)
    except MedgenError:
        return None
    return data if data.digest == run.origin.data_digest or TABLE_CHANGED in data.warnings else None


def own_test(run: Run, out: Path, device: Device, runtime: Runtime, on_progress: OnProgress = no_progress) -> OwnTest:
    """Score the run's own test frames into ``out/own-test``, where that was not done yet.

    Where the data set of the training is gone, as it is where a run was handed on alone, the scores that the run holds are taken,
    decided by its threshold of today, and there are no traits.
    """
    data, stored = trained_on(run), run.folder / "scores"
    if data is None:
        return _of_the_run(run, stored)
    rows = data.rows("test")
    if not len(rows):
        return OwnTest(data, None, "The run's own data set has no test frames to compare these with.")
    if all((stored / name).is_file() for name in FILES) and not (out / OWN / STAMP).is_file():
        for name in reversed(FILES):  # the stamp last: without it they count for nothing
            write_bytes(out / OWN / name, (stored / name).read_bytes())
    scored = score_rows(run, data, rows, out / OWN, device=device, runtime=runtime, on_progress=on_progress)
    traits = cached_traits(data, rows, on_progress)
    return OwnTest(data, LookedAt(scored.table, traits), f"Compared with the {len(rows)} test frames of the run's own data set.")


def _of_the_run(run: Run, stored: Path) -> OwnTest:
    gone = "The data set of the training is not there, so that no trait of its frames is known"
    if not still_hold(run, stored):
        return OwnTest(None, None, f"{gone}, and the run holds no scores of them; `medgen report` on the run would leave some.")
    table = decide(run, read_stored(stored / "scores.csv"))
    return OwnTest(None, LookedAt(table, pd.DataFrame(index=table.index)), f"{gone}; the scores are those that the run holds.")
