"""What a classifier is worth in the second domain, whose labels its training never read."""

from __future__ import annotations

from pathlib import Path

from medgen.contract.backend import Backend
from medgen.contract.capabilities import Classifies
from medgen.data.prepared import Prepared
from medgen.engine.device import Device
from medgen.engine.runtime import Runtime
from medgen.files import shown_source
from medgen.report.evaluate import evaluate
from medgen.report.run_metrics import TransferMetrics
from medgen.runs.datasets import open_second
from medgen.runs.run import Run
from medgen.runs.scores import score_rows, scores_folder
from medgen.types import OnProgress


def transfer(
    run: Run, model: Backend, data: Prepared, out: Path, device: Device, runtime: Runtime, on_progress: OnProgress
) -> TransferMetrics:
    """Score the test frames of the second domain's data set and return the sections of `evaluate` that speak of classifiers.

    {} for a backend that does not classify, and where the second domain is no data set of its own or has no test frames.

    Parameters
    ----------
    model : the run's trained model; it stays as it is
    data : the data set that the run was trained on
    out : folder of the page, which takes scores where the run cannot be written
    """
    second = open_second(run.settings, data) if isinstance(model, Classifies) else None
    if second is None or not len(rows := second.rows("test")):
        return {}
    folder = scores_folder(run, second, "other", out)
    scored = score_rows(run, second, rows, folder, model=model, device=device, runtime=runtime, on_progress=on_progress)
    metrics = evaluate(scored.table, None, None)
    return {
        "source": shown_source(second.source),
        "frames": metrics["frames"],
        "detection": metrics["detection"],
        "components": metrics["components"],
        "classes": metrics["classes"],
    }
