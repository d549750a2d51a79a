"""Report on finished runs: score their test frames, where that is not done yet, and write one page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from medgen.engine.device import Device
from medgen.engine.runtime import Runtime
from medgen.outputs.folder import output_folder
from medgen.report.page import write_report
from medgen.runs.datasets import require_own
from medgen.runs.made_of import made_of
from medgen.runs.run import open_run
from medgen.types import OnProgress, no_progress
from medgen.verbs.results import evaluate_run, open_split
from medgen.verbs.subgroups import check_columns
from medgen.verbs.tracking.tracker import note_report

PAGE = ("report.html", "metrics.json")  # one of them is in each folder of a page
RANKED = ("ranks.csv",)  # is in each folder of a ranking, beside files of the same names
EVALUATED = ("shift.csv",)  # is in each folder of an evaluation on another data set, beside files of the same names
COMPARED = ("study.toml", "runs", "pages")  # one of them is in each folder of a comparison, beside files of the same names
REPORTS = Path("reports") / "runs"  # each run's own report is written here by default


def report(
    runs: Sequence[Path],
    out: Path | None = None,
    *,
    dataset: Path | None = None,
    split: Literal["train", "val", "test"] = "test",
    by: Sequence[str] = (),
    device: Device = "auto",
    runtime: Runtime = "torch",
    on_progress: OnProgress = no_progress,
) -> Path:
    """Score the test frames of each run's data set, where that is not done yet, and write ``report.html``; return its path.

    Parameters
    ----------
    runs : run folders
    out : folder of the page, by default ``reports/runs/NAME``; scores of a run that cannot be written go there, too
    dataset : the data set of the training, where it has moved since
    split : whose frames are scored; any but "test" is for sets that have no test frames
    by : columns of the source's manifest (hospital, sex, ...) by whose values detection is measured, too
    device : "auto" takes a GPU where there is one
    runtime : what runs the nets, see `engine/runtime.py`

    Raises
    ------
    RunError, DataError : if a run is not trained, its data set is gone, or `dataset` is another one: that is for `evaluate`.
    FolderError : if `out` holds something else, a page of another run or split, too, or another process writes into it.

    Examples
    --------
    >>> page = api.report([RUN], OUT / "page")
    >>> page.with_name("metrics.json").is_file()
    True
    """
    opened = [open_run(folder) for folder in runs]
    out = out or REPORTS / "+".join(run.name for run in opened)
    results = []
    of = made_of(out, opened, split=split)
    with output_folder(out, "report", PAGE, others=(*RANKED, *EVALUATED, *COMPARED), of=of):
        for run in opened:
            data, rows = open_split(run, dataset, split)
            if dataset is not None:
                require_own(run, data)
            check_columns(data, by)
            own = out if len(opened) == 1 else out / run.name
            how: dict[str, Any] = {"split": split, "by": by, "device": device, "runtime": runtime, "on_progress": on_progress}
            results.append(evaluate_run(run, data, rows, own, **how).results)
        page = write_report(results, out)
        for run, result in zip(opened, results, strict=True):
            note_report(run, result.metrics, page, on_progress)
        return page
