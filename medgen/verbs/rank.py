"""Rank new frames, which nobody has labelled, by how anomalous they are to a run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd

from medgen import registry
from medgen.data.prepared import Prepared
from medgen.data.scorable import is_scored
from medgen.engine.device import Device, find_device
from medgen.engine.runtime import Runtime
from medgen.errors import number_of
from medgen.files import shown_source
from medgen.outputs.folder import output_folder
from medgen.report.ranking import write_ranking
from medgen.report.run_metrics import RunMetrics, ThresholdMetrics
from medgen.report.run_report_data import RunResults
from medgen.runs.datasets import shown_otherwise
from medgen.runs.made_of import made_of
from medgen.runs.run import Run, open_run
from medgen.runs.score_table import ScoreTable
from medgen.runs.scores import score_rows
from medgen.types import OnProgress, no_progress
from medgen.verbs.figures.frame_panels import panels
from medgen.verbs.report import RANKED, REPORTS
from medgen.verbs.results import OVERLAYS, page_settings
from medgen.verbs.run_warnings import no_threshold, other_version, recalibrated_warning, training_warning, unscored_warning
from medgen.verbs.score import open_input

TOP = 24  # frames that are shown
SHIFTED = 0.5  # share of flagged frames above which the frames are probably of another kind
BLIND = {"label": "", "finding": ""}  # what a ranking makes of columns that could give an answer away


def rank(
    run_folder: Path,
    input_path: Path,
    out: Path | None = None,
    *,
    top: int = TOP,
    device: Device = "auto",
    runtime: Runtime = "torch",
    on_progress: OnProgress = no_progress,
) -> Path:
    """Score new frames and write a page about them, most anomalous first, with ``ranks.csv``; return the page's path.

    Columns of ``ranks.csv``: rank, path, status and valid_share, score (raw), quantile (share of normal validation frames below),
    p_value (conformal), abnormal (the decision at the run's threshold). Frames that cannot be scored stand last, without a rank:
    they are for a person to look at. ``scores/`` has scores, maps and ``rejected.csv``.

    Parameters
    ----------
    run_folder : a trained run
    input_path : raw frames (all of them), or a data set (its test split); no label is read
    out : folder of the page, by default ``reports/runs/RUN-INPUT``
    top : so many of the most anomalous frames are shown with reconstruction and map
    device : "auto" takes a GPU where there is one
    runtime : what runs the nets, see `engine/runtime.py`

    Raises
    ------
    RunError, DataError : if the run is not trained, or there are no frames or none that fit it.
    FolderError : if `out` holds something else, or another process writes into it.

    Examples
    --------
    >>> page = api.rank(RUN, FRAMES / "polyp", OUT / "ranking", top=4)
    >>> page.with_name("ranks.csv").is_file()
    True
    """
    run = open_run(run_folder)
    run.require_weights()
    find_device(device)  # one that is not there is refused before frames are prepared for it
    out = out or REPORTS / f"{run.name}-{input_path.resolve().name}"
    with output_folder(out, "report --input", RANKED, of=made_of(out, [run], input_path)):
        return _rank(run, input_path, out, top, device, runtime, on_progress)


def _rank(run: Run, input_path: Path, out: Path, top: int, device: Device, runtime: Runtime, on_progress: OnProgress) -> Path:
    """Score the frames and write the page."""
    name = input_path.resolve().name
    data, rows = open_input(run, input_path, out, on_progress=on_progress, shows_unread=True)
    model = run.trained_model()
    scored = score_rows(run, data, rows, out / "scores", model=model, device=device, runtime=runtime, on_progress=on_progress)
    known = is_scored(scored.table)
    order = scored.table["score"].to_numpy().argsort(kind="stable")[::-1]
    order = order[known[order]]
    highest = panels(run, model, scored, [(f"rank {k}", int(row)) for k, row in enumerate(order[:top], 1)])
    calibration = run.calibration()
    normal_scores = calibration.get("scores", [])
    table = _ranks(scored).iloc[[*order, *np.flatnonzero(~known)]].reset_index(drop=True)
    table.insert(0, "rank", pd.Series(table.index + 1, dtype="Int64").mask(table.index >= len(order)))
    metrics = _metrics(run, table, len(normal_scores))
    results = RunResults(
        name=f"{name} by {run.name}",
        backend=run.settings.backend,
        about=registry.about(run.settings.backend),
        dataset=_dataset(run, data, len(table)),
        scores=table,
        history=pd.DataFrame(),
        metrics=metrics,
        panels=[replace(panel, mask=None, label="", finding="") for panel in highest],
        samples=None,
        settings=page_settings(run),
        provenance=run.about,
        warnings=[
            *_warnings(run, metrics, len(data.rejected())),
            *filter(None, [recalibrated_warning(run), unscored_warning(table), shown_otherwise(run, data)]),
        ],
        rejected=data.rejected(),
    )
    return write_ranking(results, normal_scores, out)


def _ranks(scored: ScoreTable) -> pd.DataFrame:
    """Return the table of scores with p-values, without what is known of the frames."""
    table = scored.table.assign(**BLIND)
    if "quantile" in table:
        column = [*table.columns].index("quantile") + 1
        table.insert(column, "p_value", scored.p_values())
    return table


def _metrics(run: Run, table: pd.DataFrame, normal_scores: int) -> RunMetrics:
    """Return the numbers of the page."""
    threshold, scored = run.threshold(), int(is_scored(table).sum())
    decided = threshold.get("value") is not None
    return {
        "frames": {"unlabelled": scored},
        "unscored": {"unlabelled": len(table) - scored},
        "flagged": {"count": int(table["abnormal"].sum()), "of": scored} if decided else {},
        "threshold": cast(ThresholdMetrics, threshold),
        "validation_frames": normal_scores,
        "expected_false_alarms": threshold["false_alarm_rate"] * scored if decided else None,
    }


def _dataset(run: Run, data: Prepared, frames: int) -> dict[str, str | int]:
    return {
        "frames scored": frames,
        "from": shown_source(data.source),
        "crop": f"{data.size} x {data.size} x {data.channels}",
        "overlay": OVERLAYS[run.settings.data.overlay],
        "rejected files": len(data.rejected()),
        "run": run.name,
        "trained on": run.origin.source,
    }


def _warnings(run: Run, metrics: RunMetrics, rejected: int) -> list[str]:
    """Return what a reader has to know before the ranking."""
    warnings = []
    if rejected:
        warnings.append(f"{number_of(rejected, 'file', 'files')} could not be read, listed below.")
    if not metrics["flagged"]:
        warnings.append(no_threshold(run))
    elif metrics["flagged"]["count"] > SHIFTED * metrics["flagged"]["of"]:
        warnings.append(
            "More than half of the frames are flagged. Frames of another camera, hospital or crop look anomalous as a whole: "
            "compare with normal frames of the same kind before any finding is believed."
        )
    return [*warnings, *filter(None, [training_warning(run), other_version(run)])]
