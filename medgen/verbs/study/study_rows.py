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
from medgen.engine.runtime import Runtime
from medgen.report.page import write_report
from medgen.report.run_report_data import RunResults
from medgen.report.study.comparison import Comparison, Cost, Entry, Failure, FrameView
from medgen.runs.resources import cost
from medgen.runs.run import Run
from medgen.runs.score_table import ScoreTable
from medgen.types import OnProgress, no_progress
from medgen.verbs.audit import audit_frames
from medgen.verbs.figures.frame_panels import frame_views
from medgen.verbs.results import evaluate_run
from medgen.verbs.study.same_frames import identity, unlike
from medgen.verbs.tracking.tracker import note_report


class StudyRun(NamedTuple):
    """A run of a comparison, with its scores, all that its page says, and what it cost."""

    run: Run
    results: RunResults
    scored: ScoreTable
    cost: Cost


def report_run(
    run: Run,
    data: Prepared,
    rows: NDArray[np.int64],
    page: Path,
    device: Device = "auto",
    on_progress: OnProgress = no_progress,
    runtime: Runtime = "torch",
) -> StudyRun:
    """Score a run's test frames, where that is not done yet, write its own page and look at what it cost.

    Parameters
    ----------
    data : the data set that the run was trained on
    rows : of its test frames
    page : folder of the run's page
    """
    _, results, scored, model = evaluate_run(run, data, rows, page, device=device, runtime=runtime, on_progress=on_progress)
    note_report(run, results.metrics, write_report([results], page), on_progress)
    return StudyRun(run, results, scored, cost(run, scored, model=model, device=device, on_progress=on_progress))


def assemble(
    title: str,
    groups: Mapping[str, Sequence[StudyRun]],
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
    for name, members in groups.items():
        orders = [identity(member.scored.data, member.scored.rows).index.get_indexer(paths) for member in members]
        runs = [_ordered(first, member, order) for member, order in zip(members, orders, strict=True)]
        entries.append(Entry(name, runs, [member.cost for member in members], _Views(members[0], orders[0])))
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


def _ordered(first: StudyRun, member: StudyRun, order: NDArray[np.intp]) -> RunResults:
    """Return the results with their scores in this order, and with warnings of what makes the run hard to compare."""
    scores = member.results.scores.iloc[order].reset_index(drop=True)
    warnings = [*member.results.warnings, *unlike(first.run, first.scored.data, member.run, member.scored.data)]
    return replace(member.results, scores=scores, warnings=warnings)


class _Views:
    """Shows frames of a run when they are asked for; until then no model is in memory."""

    def __init__(self, member: StudyRun, order: NDArray[np.intp]) -> None:
        self.run, self.scored, self.order = member.run, member.scored, order

    def __call__(self, rows: Sequence[int]) -> list[FrameView]:
        return frame_views(self.run, self.run.trained_model(), self.scored, self.order[list(rows)].tolist())
