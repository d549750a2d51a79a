"""Gather the evidence of finished runs and write the page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medgen import registry
from medgen.contract.backend import Backend
from medgen.contract.capabilities import Samples, Styles
from medgen.data.prepared import Prepared
from medgen.engine.device import Device
from medgen.errors import DataError
from medgen.report.evaluate import evaluate
from medgen.report.page import write_report
from medgen.report.run_report_data import RunResults
from medgen.report.study.summary import few_groups
from medgen.runs.datasets import check_fits, open_trained_on
from medgen.runs.run import Run, open_run
from medgen.runs.scores import ScoreTable, score_rows
from medgen.types import OnProgress, no_progress
from medgen.verbs.audit import audit_frames
from medgen.verbs.distance import measured, quick
from medgen.verbs.draw import draw_samples
from medgen.verbs.figures.capability_figures import control, extras
from medgen.verbs.figures.frame_panels import panels, spread
from medgen.verbs.figures.styles import path_length
from medgen.verbs.subgroups import subgroups
from medgen.verbs.transfer import transfer

REPORTS = Path("reports") / "runs"  # each run's own report is written here by default
BLOCK = 256  # maps read at once
OVERLAYS: Mapping[str, str] = {
    "mask": "masked in input, loss and score, in each frame its own",
    "common": "masked in every frame alike where it usually stands, filled elsewhere",
    "keep": "kept",
}
QUICK = 500  # samples that a report measures of its own accord


def report(
    runs: Sequence[Path],
    out: Path | None = None,
    *,
    dataset: Path | None = None,
    split: Literal["train", "val", "test"] = "test",
    by: Sequence[str] = (),
    device: Device = "auto",
    on_progress: OnProgress = no_progress,
) -> Path:
    """Score the test frames of each run's data set, where that is not done yet, and write ``report.html``; return its path.

    Parameters
    ----------
    runs : run folders
    out : folder of the page, by default ``reports/runs/NAME``
    dataset : the prepared data set, where it has moved since the training
    split : whose frames are scored; any but "test" is for sets that have no test frames
    by : columns of the source's manifest (hospital, sex, ...) by whose values detection is measured, too

    Raises
    ------
    RunError, DataError : if a run is not trained or its data set is gone.
    """
    opened = [open_run(folder) for folder in runs]
    evidence = [gather(run, *split_of(run, dataset, split), split, by, device, on_progress)[0] for run in opened]
    return write_report(evidence, out or REPORTS / "+".join(run.name for run in opened))


def split_of(run: Run, dataset: Path | None = None, split: str = "test") -> tuple[Prepared, NDArray[np.int64]]:
    """Open the data set that a run was trained on; return it with the rows of a split.

    Parameters
    ----------
    dataset : where the data set is now, if it has moved

    Raises
    ------
    RunError, DataError : if the run is not trained, or its data set is gone or has no frames of that split.
    """
    run.weights_digest()
    data = open_trained_on(run, dataset)
    check_fits(run, data)
    return data, split_rows(data, split)


def split_rows(data: Prepared, split: str) -> NDArray[np.int64]:
    """Return the rows of a split that is to be scored.

    Raises
    ------
    DataError : if there are none.
    """
    rows = data.rows(split)
    if not len(rows):
        splits = ", ".join(sorted(set(data.index["split"])))
        remedy = f"it has {splits}" if data.kind else "prepare it again with --test-share above 0, or `medgen score` other frames"
        raise DataError(f"'{data.folder}' has no frames of split '{split}'; {remedy}")
    return rows


def gather(
    run: Run,
    data: Prepared,
    rows: NDArray[np.int64],
    split: str = "test",
    by: Sequence[str] = (),
    device: Device = "auto",
    on_progress: OnProgress = no_progress,
) -> tuple[RunResults, ScoreTable]:
    """Score a split, where that is not done yet; return what the page says about the run, and the scores."""
    folder = run.folder / ("scores" if split == "test" else f"scores-{split}")
    scored = score_rows(run, data, rows, folder, False, device, on_progress)
    metrics = evaluate(scored.table, _pixel_maps(scored), run.threshold(), subgroups(data, rows, by))
    metrics |= {"control": held} if (held := control(run)) else {}
    model = run.trained_model()
    if isinstance(model, Samples):
        reason = quick(run, data, QUICK, device, on_progress)
        metrics["distribution"] = {"measured": measured(run), "reason": reason}
    metrics |= {"transfer": moved} if (moved := transfer(run, model, data, device, on_progress)) else {}
    if isinstance(model, Styles):
        metrics["path_length"] = path_length(model.cpu().eval())
    history = run.history()
    evidence = RunResults(
        name=run.name,
        backend=run.settings.backend,
        about=registry.about(run.settings.backend),
        dataset=_dataset(run, data),
        scores=scored.table,
        history=history,
        metrics=metrics,
        panels=panels(run, model, scored, spread(scored.table)),
        samples=draw_samples(run, 9, run.settings.train.seed, device) if isinstance(model, Samples) else None,
        settings=run.settings.model_dump(mode="json") | {"prepare": run.origin.prepare.model_dump(mode="json")},
        provenance=run.about | {"training seconds": f"{history['seconds'].max():.0f}" if len(history) else "unknown"},
        warnings=_warnings(run, model, data, metrics, split, scored.table),
        rejected=data.rejected(),
        extras=extras(run, model, scored),
        audit=audit_frames(data, rows, {run.name: scored.table["score"]}, on_progress),
    )
    return evidence, scored


def _pixel_maps(scored: ScoreTable) -> Iterator[tuple[NDArray, NDArray, NDArray]] | None:
    """Yield maps, truth masks and valid pixels of the frames whose truth is known everywhere: annotated ones and normals."""
    data, rows = scored.data, scored.rows
    if scored.maps is None or data.masks is None:
        return None
    maps, masks = scored.maps, data.masks
    known = (data.index["annotated"].iloc[rows].to_numpy() == 1) | (scored.table["label"].to_numpy() == "normal")
    places = np.flatnonzero(known)
    blocks = (places[start : start + BLOCK] for start in range(0, len(places), BLOCK))
    return ((maps[block], masks[rows[block]], data.valid[rows[block]]) for block in blocks)


def _dataset(run: Run, data: Prepared) -> dict[str, str | int]:
    """Return what the run was trained on, in words and counts."""
    originals = data.index[data.index["copy"] == 0]
    facts: dict[str, str | int] = {
        "source": run.origin.source,
        "crop": f"{data.size} x {data.size} x {data.channels}",
        "overlay": OVERLAYS[run.settings.data.overlay],
    }
    for (split, finding), frames in originals.groupby(["split", "finding"]):
        facts[f"{split}: {finding or 'no finding named'}"] = len(frames)
    facts["groups"] = originals["group"].nunique()
    facts["augmented copies"] = len(data.index) - len(originals)
    facts["rejected files"] = len(data.rejected())
    return facts


def _warnings(run: Run, model: Backend, data: Prepared, metrics: dict[str, Any], split: str, scores: pd.DataFrame) -> list[str]:
    """Return what a reader has to know before any number."""
    found = []
    requirements = type(model).requirements(model.config)
    if requirements.abnormal or (requirements.other == "pool" and not run.settings.data.other):
        found.append(
            "The training saw abnormal frames, none of them a test frame: do not put these numbers beside those of a training "
            "that saw normal frames alone without saying so."
        )
    elif requirements.other == "pool":
        found.append(f"The training saw a second data set besides, {run.settings.data.other}.")
    if split != "test":
        found.append(f"What is called test here are frames of split “{split}”, which the training may have seen.")
    if data.digest != run.origin.data_digest:
        found.append("The frames scored here are not from the data set that the run was trained on.")
    leaks = len(data.leaks())
    if leaks:
        found.append(
            f"Near-duplicate frames stand in different splits ({leaks} {'pair' if leaks == 1 else 'pairs'}); they are listed in "
            "leaks.csv of the data set."
        )
    if run.about.get("warning"):
        found.append(f"The training ended with a warning: {run.about['warning']}.")
    calibration = run.calibration()
    if not calibration.get("value"):
        found.append(f"No threshold: {calibration.get('reason') or 'there were no normal validation frames'}.")
    if run.settings.data.overlay == "keep":
        found.append(
            "Border, boxes, text and highlights were scored like tissue; a score may see the camera and not the finding."
        )
    sizes = data.index.groupby("label")[["width", "height"]].median()
    if {"normal", "abnormal"} <= set(sizes.index) and (sizes.loc["normal"] != sizes.loc["abnormal"]).any():
        found.append("Normal and abnormal frames differ in their original size; other traits of the camera may differ as well.")
    rejected = len(data.rejected())
    if rejected:
        found.append(f"{rejected} files could not be read; they are listed below.")
    if few := few_groups(scores["label"].to_numpy(), scores["group"].to_numpy()):
        found.append(f"{few}.")
    if not metrics["detection"]:
        found.append("Without both normal and abnormal test frames, detection cannot be measured.")
    return found
