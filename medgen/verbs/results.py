"""From a run to its results, the one way that a report and a study take.

`open_split` opens the data set and names the rows, `evaluate_run` scores them, where that is not done yet, and gathers all that a
page says about the run. The model is built and loaded once and handed to everything that draws with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medgen import registry
from medgen.config import with_paths_from
from medgen.contract.backend import Backend
from medgen.contract.capabilities import Samples, Styles
from medgen.data.prepared import Prepared
from medgen.engine.device import Device, seed_all
from medgen.engine.runtime import Runtime
from medgen.errors import DataError
from medgen.report.evaluate import evaluate
from medgen.report.run_metrics import RunMetrics
from medgen.report.run_report_data import RunResults
from medgen.runs.datasets import open_trained_on
from medgen.runs.group_scores import grouped_scores, validation_scorer
from medgen.runs.localising.localisation import find_lesions, localise, score_maps, with_known_truth
from medgen.runs.localising.regions import flagged_regions
from medgen.runs.run import Run
from medgen.runs.score_table import ScoreTable
from medgen.runs.scores import score_rows, scores_folder
from medgen.types import OnProgress, no_progress
from medgen.verbs.audit import Training, audit_frames
from medgen.verbs.distance import SampleDistance, measure_once, measured
from medgen.verbs.draw import draw_samples
from medgen.verbs.figures.capability_figures import control, extra_figures
from medgen.verbs.figures.frame_panels import chosen_by_score, panels
from medgen.verbs.figures.styles import path_length
from medgen.verbs.run_warnings import ScoredRun, run_warnings
from medgen.verbs.subgroups import kinds_of_groups, subgroups
from medgen.verbs.transfer import transfer

N_MEASURED = 500  # samples whose distance from real frames is measured where nobody has measured any
N_PAGE_SAMPLES = 9  # samples on the page
OVERLAYS: Mapping[str, str] = {
    "mask": "masked in input, loss and score, in each frame its own",
    "common": "masked in every frame alike where it usually stands, filled elsewhere",
    "keep": "kept",
}


class EvaluatedRun(NamedTuple):
    """A run with its scores, its trained model and all that its page says."""

    run: Run
    results: RunResults
    scored: ScoreTable
    model: Backend


def open_split(run: Run, dataset: Path | None = None, split: str = "test") -> tuple[Prepared, NDArray[np.int64]]:
    """Open the data set that a run was trained on; return it with the rows of a split.

    Parameters
    ----------
    dataset : where the data set is now, if it has moved

    Raises
    ------
    RunError, DataError : if the run is not trained, or its data set is gone or has no frames of that split.
    """
    run.require_weights()
    data = open_trained_on(run, dataset)
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


def evaluate_run(
    run: Run,
    data: Prepared,
    rows: NDArray[np.int64],
    out: Path,
    *,
    split: str = "test",
    by: Sequence[str] = (),
    training: Training | None = None,
    device: Device = "auto",
    runtime: Runtime = "torch",
    on_progress: OnProgress = no_progress,
) -> EvaluatedRun:
    """Score the rows of a split, where that is not done yet, and gather what a page says about the run.

    Parameters
    ----------
    data : the data set that the run was trained on, or another one that its frames are measured on
    rows : of the data set, those of `split`
    out : folder of the page; it takes the scores that are none of the run's own, see `scores_folder`
    split : "train", "val" or "test"; scores of each are kept in a folder of their own
    by : columns of the source's manifest by whose values detection is measured, too
    training : the run's, where the frames are of another data set than its own. What speaks of the training (its log, samples,
        latent space, second domain) is left out then

    Raises
    ------
    RunError, DataError, MedgenError : if the run cannot score, or the source has no such column.
    """
    model = run.trained_model()
    folder = scores_folder(run, data, split, out)
    scored = score_rows(run, data, rows, folder, model=model, device=device, runtime=runtime, on_progress=on_progress)
    metrics = _of_the_frames(run, scored, by, on_progress)
    scorer = validation_scorer(run, model, out, device, on_progress)
    metrics["group_scores"] = grouped_scores(run, scored, partial(kinds_of_groups, columns=by), scorer)
    own = training is None
    if own:
        metrics |= _of_the_backend(run, model, data, out, device, runtime, on_progress)
    log = run.history()
    about = ScoredRun(run, type(model).requirements(model.config), data, split, scored.table, metrics, external=not own)
    results = RunResults(
        name=run.name,
        backend=run.settings.backend,
        about=registry.about(run.settings.backend),
        dataset=_dataset(run, data),
        scores=scored.table,
        history=log if own else pd.DataFrame(),
        metrics=metrics,
        panels=panels(run, model, scored, chosen_by_score(scored.table)),
        samples=(
            draw_samples(model, N_PAGE_SAMPLES, run.settings.train.seed, device) if own and isinstance(model, Samples) else None
        ),
        settings=page_settings(run),
        provenance=run.about
        | {"training seconds": f"{log['seconds'].max():.0f}" if len(log) else "unknown"}
        | ({"scored with": scored.made_with} if scored.made_with else {}),
        warnings=run_warnings(about),
        rejected=data.rejected(),
        extra_figures=extra_figures(run, model, scored) if own else [],
        audit=audit_frames(data, rows, {run.name: scored.table["score"]}, on_progress, training),
        regions=_regions(run, scored),
    )
    return EvaluatedRun(run, results, scored, model)


def page_settings(run: Run) -> dict[str, Any]:
    """Return the settings of a run, and those of the data set it was trained on, as nested plain values."""
    return with_paths_from(run.settings.model_dump(mode="json"), run.folder) | {
        "prepare": run.origin.prepare.model_dump(mode="json")
    }


def _of_the_frames(run: Run, scored: ScoreTable, by: Sequence[str], on_progress: OnProgress) -> RunMetrics:
    """Return the numbers of detection and localisation."""
    maps = score_maps(scored, positions) if len(positions := with_known_truth(scored)) else None
    metrics = evaluate(scored.table, maps, run.threshold(), subgroups(scored.data, scored.rows, by))
    metrics["localisation"] = localise(run, scored, metrics["pixel"], on_progress)
    metrics["lesions"] = find_lesions(run, scored)
    return metrics


def _regions(run: Run, scored: ScoreTable) -> pd.DataFrame | None:
    """Return the flagged regions of the maps; None where there are no maps, or no level to cut them at."""
    level = run.threshold().get("pixel_level")
    return None if scored.maps is None or level is None else flagged_regions(scored, level)


def _of_the_backend(
    run: Run, model: Backend, data: Prepared, out: Path, device: Device, runtime: Runtime, on_progress: OnProgress
) -> RunMetrics:
    """Return the numbers of what the backend can do besides detection: "control", "distribution", "transfer", "path_length"."""
    metrics: RunMetrics = {}
    if controlled := control(run):
        metrics["control"] = controlled
    if isinstance(model, Samples):
        reason = measure_once(run, model, data, N_MEASURED, device=device, on_progress=on_progress)
        metrics["distribution"] = {"measured": _distances(run, data), "reason": reason}
    if transferred := transfer(run, model, data, out, device, runtime, on_progress):
        metrics["transfer"] = transferred
    if isinstance(model, Styles):
        model.cpu().eval()
        seed_all(run.settings.train.seed)
        metrics["path_length"] = path_length(model)
    return metrics


def _distances(run: Run, data: Prepared) -> list[SampleDistance]:
    """Return what is known of the samples, one entry for each extractor: against frames of this data set, else of another one."""
    own_last = sorted(measured(run), key=lambda entry: entry.get("data") == data.digest)
    return [*{entry["extractor"]: entry for entry in own_last}.values()]


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
