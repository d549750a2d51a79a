"""Scores of frames as a table, and how a notebook shows them: of which run, at which threshold, for research use only."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medgen.data.prepared import Prepared
from medgen.data.scorable import is_scored
from medgen.errors import number_of
from medgen.metrics.calibration import p_value
from medgen.runs.run import Run

SHOWN = ["path", "score", "quantile", "abnormal", "status"]  # columns in a notebook
RESEARCH = "Research use only, never for diagnosis."


@dataclass(frozen=True, repr=False)
class ScoreTable:
    """Scores of frames, one row a frame, and their maps; row k belongs to map k.

    A frame of which too few pixels are valid has no score: its column "status" says why, its numbers and its map are NaN, and its
    decision ("abnormal") is missing.

    Attributes
    ----------
    table : "path" of each frame, its raw "score" (higher is more anomalous), "quantile" among the normal frames that the run is
        calibrated by, in [0, 1), "abnormal" at the threshold, "status", "valid_share" (of its crop, 0 to 1), components
    maps : (N, S, S) float32 on the crops, 0 where no tissue is shown; None where the backend localises nothing
    data : the data set of the frames; ``data.rejected()`` names the files that could not be read, and why
    rows : (N,) int64, which of its rows they are
    run : the run that scored them
    made_with : what ran the nets where it was not PyTorch
    """

    table: pd.DataFrame
    maps: NDArray[np.float32] | None
    data: Prepared
    rows: NDArray[np.int64]
    run: Run
    made_with: str = ""

    def __len__(self) -> int:
        return len(self.table)

    def p_values(self) -> NDArray[np.float64]:
        """Return the conformal p-value (N,) of each frame among the normal ones, 1 less its quantile; NaN where it has none."""
        known, scored = self.run.calibration(), is_scored(self.table)
        found = np.full(len(self), np.nan)
        if known.get("scores") and scored.any():
            found[scored] = p_value(known["scores"], self.table["score"].to_numpy()[scored], known.get("shares"))
        return found

    def in_words(self) -> str:
        """Return which run scored how many frames, what its threshold promises, and how many frames are above it."""
        scored, frames = is_scored(self.table), number_of(len(self), "frame", "frames")
        of = f"{frames} scored by run '{self.run.name}' ({self.run.settings.backend})"
        without = f"; {len(self) - scored.sum()} without a score" if not scored.all() else ""
        if "abnormal" not in self.table:
            why = self.run.calibration().get("reason") or "the run had no normal validation frames"
            return f"{of}{without}. There is no threshold: {why}. {RESEARCH}"
        known = self.run.threshold()
        above = number_of(int(self.table["abnormal"].fillna(False).sum()), "is", "are")
        rate = f"a false-alarm rate of {100 * known['false_alarm_rate']:g} % of {known['normals']} normal frames"
        return f"{of}{without}. {above} above the threshold {known['value']:.6g}, put at {rate}. {RESEARCH}"

    def __repr__(self) -> str:
        return f"{self.in_words()}\n{self.table!r}"

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the sentence of `in_words` above the columns that most look for; `table` has all."""
        columns = self.table[[name for name in SHOWN if name in self.table]]
        return f"<p>{escape(self.in_words())}</p>{columns._repr_html_()}"  # type: ignore[operator]
