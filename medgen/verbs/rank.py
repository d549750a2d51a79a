"""Rank new frames, which nobody has labelled, by how anomalous they are to a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from medgen import registry
from medgen.data.prepared import Prepared
from medgen.engine.device import Device
from medgen.metrics.calibration import p_value
from medgen.report.ranking import write_ranking
from medgen.report.run_report_data import RunResults
from medgen.runs.run import Run, open_run
from medgen.runs.scores import ScoreTable, score_rows
from medgen.types import OnProgress, no_progress
from medgen.verbs.figures.frame_panels import panels
from medgen.verbs.report import OVERLAYS, REPORTS
from medgen.verbs.score import chosen_rows, open_input

TOP = 24  # frames that are shown
SHIFTED = 0.5  # share of flagged frames above which the frames are probably of another kind
BLIND = {"label": "", "finding": ""}  # what a ranking makes of columns that could give an answer away


def rank(
    run_folder: Path,
    given: Path,
    out: Path | None = None,
    *,
    top: int = TOP,
    device: Device = "auto",
    on_progress: OnProgress = no_progress,
) -> Path:
    """Score new frames and write a page about them, most anomalous first, with ``ranks.csv``; return the page's path.

    Columns of ``ranks.csv``: rank, path, score (raw), quantile (share of normal validation frames below), p_value (conformal),
    abnormal (the decision at the run's threshold). ``scores/`` has scores, maps and ``rejected.csv``.

    Parameters
    ----------
    given : raw frames (all of them), or a data set (its test split); no label is read
    out : folder of the page, by default ``reports/runs/RUN-INPUT``
    top : so many of the most anomalous frames are shown with reconstruction and map

    Raises
    ------
    RunError, DataError : if the run is not trained, or there are no frames or none that fit it.
    """
    run = open_run(run_folder)
    run.weights_digest()
    out = out or REPORTS / f"{run.name}-{given.resolve().name}"
    data = open_input(run, given, out, on_progress)
    scored = score_rows(run, data, chosen_rows(data, given, None), out / "scores", False, device, on_progress)
    order = scored.table["score"].to_numpy().argsort(kind="stable")[::-1]
    shown = panels(run, run.trained_model(), scored, [(f"rank {k}", int(place)) for k, place in enumerate(order[:top], 1)])
    normal_scores = run.calibration().get("scores", [])
    table = _ranks(scored, normal_scores).iloc[order].reset_index(drop=True)
    table.insert(0, "rank", table.index + 1)
    metrics = _metrics(run, table, len(normal_scores))
    evidence = RunResults(
        name=f"{given.resolve().name} by {run.name}",
        backend=run.settings.backend,
        about=registry.about(run.settings.backend),
        dataset=_dataset(run, data, len(table)),
        scores=table,
        history=pd.DataFrame(),
        metrics=metrics,
        panels=[replace(panel, mask=None, label="", finding="") for panel in shown],
        samples=None,
        settings=run.settings.model_dump(mode="json") | {"prepare": run.origin.prepare.model_dump(mode="json")},
        provenance=run.about,
        warnings=_warnings(run, metrics, len(data.rejected())),
        rejected=data.rejected(),
    )
    return write_ranking(evidence, normal_scores, out)


def _ranks(scored: ScoreTable, normal_scores: Sequence[float]) -> pd.DataFrame:
    """Return the table of scores with p-values, without what is known of the frames."""
    table = scored.table.assign(**BLIND)
    if normal_scores:
        table.insert(table.columns.get_loc("quantile") + 1, "p_value", p_value(normal_scores, table["score"].to_numpy()))  # type: ignore[operator, arg-type]
    return table


def _metrics(run: Run, table: pd.DataFrame, normal_scores: int) -> dict[str, Any]:
    """Return the numbers of the page."""
    threshold = run.threshold()
    decided = threshold.get("value") is not None
    return {
        "frames": {"unlabelled": len(table)},
        "flagged": {"count": int(table["abnormal"].sum()), "of": len(table)} if decided else {},
        "threshold": threshold,
        "validation_frames": normal_scores,
        "expected_false_alarms": threshold["false_alarm_rate"] * len(table) if decided else None,
    }


def _dataset(run: Run, data: Prepared, frames: int) -> dict[str, str | int]:
    return {
        "frames scored": frames,
        "from": data.source,
        "crop": f"{data.size} x {data.size} x {data.channels}",
        "overlay": OVERLAYS[run.settings.data.overlay],
        "rejected files": len(data.rejected()),
        "run": str(run.folder),
        "trained on": run.origin.source,
    }


def _warnings(run: Run, metrics: dict[str, Any], rejected: int) -> list[str]:
    """Return what a reader has to know before the ranking."""
    found = []
    if rejected:
        found.append(f"{rejected} {'file' if rejected == 1 else 'files'} could not be read, listed below.")
    if not metrics["flagged"]:
        found.append(f"No threshold: {run.calibration().get('reason') or 'there were no normal validation frames'}.")
    elif metrics["flagged"]["count"] > SHIFTED * metrics["flagged"]["of"]:
        found.append(
            "More than half of the frames are flagged. Frames of another camera, hospital or crop look anomalous as a whole: "
            "compare with normal frames of the same kind before any finding is believed."
        )
    if run.about.get("warning"):
        found.append(f"The training ended with a warning: {run.about['warning']}.")
    return found
