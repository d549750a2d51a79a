"""Compare backends over several data sets and training sizes: a study for each of them, and one page of all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from medgen.data.native.addresses import address_from, open_dataset
from medgen.engine.device import Device
from medgen.engine.runtime import Runtime
from medgen.errors import ConfigError, DataError, RunError, in_one_line
from medgen.files import read_json
from medgen.outputs.folder import output_folder
from medgen.report.study.over_datasets import PartResult, metrics_over_datasets
from medgen.report.study.over_datasets_page import write_over_datasets
from medgen.types import OnProgress, Progress, no_progress
from medgen.verbs.report import COMPARED
from medgen.verbs.study.compare import NothingComparedError, compare
from medgen.verbs.study.settings import ALL, FILE, Part, StudySettings


class ComparedOverDatasets(NamedTuple):
    """Where the page is, and its numbers."""

    page: Path
    metrics: Mapping[str, Any]


def compare_over_datasets(
    study: StudySettings,
    out: Path,
    *,
    device: Device = "auto",
    runtime: Runtime = "torch",
    jobs: int = 1,
    command: str = "",
    on_progress: OnProgress = no_progress,
    stop: Callable[[], bool] = lambda: False,
) -> ComparedOverDatasets | None:
    """Carry out a study that names several data sets or training sizes, and write the page that ranks backends over them.

    Each data set with each size is a study of its own in ``out/datasets/NAME/SIZE``, as `compare` makes it: what is finished
    there is not done again, and what fails there stops no other.

    Parameters
    ----------
    study : backends, data sets, sizes and settings
    out : folder for the studies and the page; one that an earlier call left goes on
    device, runtime, jobs, command, on_progress, stop : as in `compare`

    Returns
    -------
    None if `stop` said so before all was done; the same call goes on.

    Raises
    ------
    ConfigError, BackendError, DataError : if the study is wrong, or a data set cannot be opened.
    FolderError : if `out` holds something else, or another process writes into it.
    RunError : if nothing could be compared on any data set.

    Examples
    --------
    >>> study = api.read_study(STUDY).model_copy(update={"shots": (4,)})
    >>> compared = api.compare_over_datasets(study, OUT / "sizes")
    >>> compared.metrics["sizes"]
    ['4']
    """
    if not study.several:
        raise ConfigError("the study names one data set and no training sizes (shots); that is for `compare`")
    parts = study.parts()
    recipe = next(iter(study.recipes().values()))
    reading = recipe.data.model_copy(update={"shots": 0} if study.shots else {})
    data = {part.dataset: open_dataset(part.study.dataset, reading) for part in parts}
    of = {"data": "; ".join(f"{name} {address_from(opened.address, out)}" for name, opened in data.items())}
    how: dict[str, Any] = {"device": device, "runtime": runtime, "jobs": jobs}
    how |= {"command": command, "on_progress": on_progress, "stop": stop}
    with output_folder(out, "compare", COMPARED, of=of):
        study.write(out / FILE)
        results = []
        for number, part in enumerate(parts):
            news = f"{part.dataset}, training frames {part.shots}: study {number + 1} of {len(parts)}"
            on_progress(Progress("compare", number, len(parts), {}, news))
            there = len(data[part.dataset].rows("train"))
            frames = there if part.shots == ALL else min(int(part.shots), there)
            result = _carried_out(part, frames, out, how)
            if result is None or stop():
                return None
            results.append(result)
        if all(result.reason for result in results):
            raise RunError(f"nothing could be compared; {results[0].dataset}: {results[0].reason}")
        title = study.title or f"Comparison of {', '.join(study.backends)} over data sets"
        commands = [*filter(None, [command]), f"medgen compare {FILE} --out STUDY"]
        metrics = metrics_over_datasets(title, list(study.backends), results, study.as_seen_from(out), commands)
        return ComparedOverDatasets(write_over_datasets(metrics, out), metrics)


def _carried_out(part: Part, frames: int, out: Path, how: Mapping[str, Any]) -> PartResult | None:
    """Carry out the study of one data set and size; None if it was stopped. What is wrong with it is a line of the page."""
    page = f"{part.folder}/report.html"
    try:
        done = compare(part.study, out / part.folder, **how)
    except (DataError, NothingComparedError) as error:
        return PartResult(part.dataset, part.shots, frames, page, {}, in_one_line(error, ""))
    return (
        None
        if done is None
        else PartResult(part.dataset, part.shots, frames, page, read_json(done.page.with_name("metrics.json")))
    )
