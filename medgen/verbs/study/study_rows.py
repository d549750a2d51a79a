"""From trained runs to the rows of a comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from medgen.data.prepared import Prepared
from medgen.engine.device import Device
from medgen.report.page import write_report
from medgen.report.run_report_data import RunResults
from medgen.report.study.comparison import Comparison, Cost, Entry, Failure, FrameView
from medgen.runs.resources import cost
from medgen.runs.run import Run
from medgen.runs.scores import ScoreTable
from medgen.types import OnProgress, no_progress
from medgen.verbs.audit import audit_frames
from medgen.verbs.figures.frame_panels import views
from medgen.verbs.report import gather
from medgen.verbs.study.same_frames import identity, unlike


class EvaluatedRun(NamedTuple):
    """A run with all that is to be said about it."""

    run: Run
    evidence: RunResults
    scored: ScoreTable
    cost: Cost


def evaluate_run(
    run: Run, data: Prepared, rows: NDArray[np.int64], page: Path, device: Device = "auto", on_progress: OnProgress = no_progress
) -> EvaluatedRun:
    """Score a run's test frames, where that is not done yet, write its own page and look at what it cost."""
    evidence, scored = gather(run, data, rows, device=device, on_progress=on_progress)
    write_report([evidence], page)
    return EvaluatedRun(run, evidence, scored, cost(run, scored, device, on_progress))


def assemble(
    title: str,
    groups: Mapping[str, Sequence[EvaluatedRun]],
    *,
    failures: Sequence[Failure] = (),
    study: Mapping[str, Any],
    commands: Sequence[str],
    on_progress: OnProgress = no_progress,
) -> Comparison:
    """Return what the page of a comparison says; all frames are brought into the order of the first run.

    Parameters
    ----------
    groups : name of an entry -> its runs, one for each seed; all scored on the same frames
    """
    first = next(iter(groups.values()))[0]
    paths = identity(first.scored.data, first.scored.rows).index
    entries = []
    for name, seen in groups.items():
        orders = [identity(some.scored.data, some.scored.rows).index.get_indexer(paths) for some in seen]
        runs = [_ordered(first, some, order) for some, order in zip(seen, orders, strict=True)]
        entries.append(Entry(name, runs, [some.cost for some in seen], _Views(seen[0], orders[0])))
    data, rows = first.scored.data, first.scored.rows
    return Comparison(
        title=title,
        entries=entries,
        failures=failures,
        audit=audit_frames(data, rows, {entry.name: entry.runs[0].scores["score"] for entry in entries}, on_progress),
        duplicates=data.leaks(),
        rejected=data.rejected(),
        study=study,
        commands=commands,
    )


def _ordered(first: EvaluatedRun, seen: EvaluatedRun, order: NDArray[np.intp]) -> RunResults:
    """Return the evidence with its scores in this order, and with warnings of what makes the run hard to compare."""
    scores = seen.evidence.scores.iloc[order].reset_index(drop=True)
    warnings = [*seen.evidence.warnings, *unlike(first.run, first.scored.data, seen.run, seen.scored.data)]
    return replace(seen.evidence, scores=scores, warnings=warnings)


class _Views:
    """Shows frames of a run when they are asked for; until then no model is in memory."""

    def __init__(self, seen: EvaluatedRun, order: NDArray[np.intp]) -> None:
        self.run, self.scored, self.order = seen.run, seen.scored, order

    def __call__(self, places: Sequence[int]) -> list[FrameView]:
        return views(self.run, self.run.trained_model(), self.scored, self.order[list(places)].tolist())
