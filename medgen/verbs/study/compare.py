"""Compare backends: train those of a study that are not trained yet, or take finished runs, and write one page."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Callable, Container, Mapping, Sequence
from pathlib import Path
from shutil import rmtree
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from medgen.data.native.addresses import open_dataset
from medgen.data.prepared import Prepared
from medgen.engine.device import Device
from medgen.engine.runtime import Runtime
from medgen.errors import ConfigError, RunError
from medgen.outputs.folder import output_folder
from medgen.report.markup import distinct
from medgen.report.study.comparison import Comparison, Failure
from medgen.report.study.page import write_comparison
from medgen.runs.made_of import made_of
from medgen.runs.run import Run, open_run
from medgen.runs.settings import RunSettings
from medgen.types import OnProgress, Progress, no_progress
from medgen.verbs.report import COMPARED
from medgen.verbs.results import open_split, split_rows
from medgen.verbs.study.entries import FAILURES, failed, usable_entries
from medgen.verbs.study.same_frames import check_same, identity
from medgen.verbs.study.settings import FILE, StudySettings
from medgen.verbs.study.side_by_side import side_by_side
from medgen.verbs.study.study_rows import StudyRun, assemble, report_run
from medgen.verbs.study.study_runs import RunContext, train_or_reuse

PAGES = "pages"  # folder of a comparison: each run's own page


class NothingComparedError(RunError):
    """No backend of a study could be trained."""


class Compared(NamedTuple):
    """Where the page of a comparison is, and what it says."""

    page: Path
    comparison: Comparison


def compare(
    study: StudySettings,
    out: Path,
    *,
    device: Device = "auto",
    runtime: Runtime = "torch",
    jobs: int = 1,
    command: str = "",
    on_progress: OnProgress = no_progress,
    stop: Callable[[], bool] = lambda: False,
) -> Compared | None:
    """Train each backend of a study, score it, and write the page that compares them.

    What is finished in ``out/runs`` is not done again, what was interrupted goes on, and what failed is tried again. A backend
    that fails is a line of the page and stops no other. ``out/study.toml`` has every setting and repeats the study.

    Parameters
    ----------
    study : backends, data set and settings
    out : folder for the runs and the page; one that an earlier call left goes on
    device : "auto" takes a GPU where there is one
    runtime : what runs the nets, see `engine/runtime.py`
    jobs : trainings at the same time, each in a process of its own, on the GPUs in turn; they share cores and memory
    command : how the study was begun; kept in its runs and shown on the page
    stop : asked after every step

    Returns
    -------
    None if `stop` said so before all was done; the same call goes on.

    Raises
    ------
    ConfigError, BackendError, DataError : if the study is wrong or one of several data sets, or there are no test frames.
    FolderError : if `out` holds something else, or another process writes into it.
    RunError : if a run in `out` has other settings than the study says, an entry has other test frames than the first, or nothing
        could be trained.

    Examples
    --------
    >>> study = api.study_of(DATA, ["vae", "endovae"], assignments=["train.epochs=1"])
    >>> compared = api.compare(study, OUT / "study")
    >>> [entry.name for entry in compared.comparison.entries]
    ['vae', 'endovae']
    """
    if study.several:
        raise ConfigError("the study names several data sets or training sizes (shots); that is for `compare_over_datasets`")
    recipes = study.recipes()
    split_rows(open_dataset(study.dataset, next(iter(recipes.values())).data), "test")
    context = RunContext(out, device, command, on_progress, stop, runtime, jobs)
    with output_folder(out, "compare", COMPARED, of=made_of(out, source=Path(study.dataset))):
        return _compare(study, recipes, context)


def _compare(study: StudySettings, recipes: Mapping[str, RunSettings], context: RunContext) -> Compared | None:
    """Train, score and write the page, in a folder that nobody else writes in."""
    out, command, on_progress, stop = context.out, context.command, context.on_progress, context.stop
    failures: list[Failure] = []
    rmtree(out / FAILURES, ignore_errors=True)  # those of a call before
    entries = usable_entries(study, recipes, failures, context)
    study.write(out / FILE)
    groups: dict[str, list[StudyRun]] = {}
    runs, total = itertools.count(1), len(entries) * study.seeds
    with side_by_side(study, entries, failures, context) as jobs:
        for job in jobs:
            if stop():
                break
            name, number = job.folder.name, next(runs)
            on_progress(Progress("compare", number - 1, total, {}, f"{name}: run {number} of {total}"))
            try:
                run = train_or_reuse(job, study, context)
                if run is None:
                    break
                split = open_split(run, Path(study.dataset))
                reported = report_run(run, *split, out / PAGES / run.name, context.device, on_progress, context.runtime)
            except Exception as error:  # whatever it is, the other backends have nothing to do with it
                failures.append(failed(name, error, context))
            else:
                groups.setdefault(job.entry, []).append(reported)
    if stop():
        return None
    if not groups:
        raise NothingComparedError(f"none of the backends could be compared; {failures[0].name}: {failures[0].reason}")
    on_progress(Progress("compare", total, total))
    _keep_pages(out, [run.run.name for entry in groups.values() for run in entry])
    comparison = assemble(
        study.title or f"Comparison of {', '.join(study.backends)}",
        groups,
        failures=failures,
        study=study.as_seen_from(out),
        commands=[*filter(None, [command]), f"medgen compare {FILE} --out STUDY"],
        on_progress=on_progress,
    )
    return Compared(write_comparison(comparison, out), comparison)


def compare_runs(
    folders: Sequence[Path],
    out: Path,
    *,
    dataset: Path | None = None,
    device: Device = "auto",
    runtime: Runtime = "torch",
    command: str = "",
    on_progress: OnProgress = no_progress,
) -> Compared:
    """Compare finished runs on the same test frames; runs that differ by their seed alone are one entry.

    Parameters
    ----------
    folders : of two runs or more
    out : folder for the page and its tables
    dataset : where the data set of all of them is now, if it has moved
    device : "auto" takes a GPU where there is one
    runtime : what runs the nets, see `engine/runtime.py`
    command : how the comparison was begun; shown on the page

    Raises
    ------
    ConfigError : if there are fewer than two runs, or one is named twice.
    RunError, DataError : if a run is not trained, its data set is gone, or test frames differ.

    Examples
    --------
    >>> compared = api.compare_runs([RUN, OTHER_RUN], OUT / "comparison")
    >>> compared.page.name
    'report.html'
    """
    runs = [open_run(folder) for folder in folders]
    paths = [run.folder.resolve() for run in runs]
    if len(runs) < 2:
        raise ConfigError("a comparison takes two runs or more; `medgen report RUN` shows one")
    if twice := [str(run.folder) for run, path in zip(runs, paths, strict=True) if paths.count(path) > 1]:
        raise ConfigError(f"run '{twice[0]}' is named twice")
    splits = [open_split(run, dataset) for run in runs]
    frames = [identity(*split) for split in splits]
    for run, others in zip(runs[1:], frames[1:], strict=True):
        check_same(str(runs[0].folder), frames[0], str(run.folder), others)
    with output_folder(out, "compare", COMPARED, of=made_of(out, runs, split="test")):
        return _compare_runs(runs, splits, out, device, runtime, command, on_progress)


def _compare_runs(
    runs: Sequence[Run],
    splits: Sequence[tuple[Prepared, NDArray[np.int64]]],
    out: Path,
    device: Device,
    runtime: Runtime,
    command: str,
    on_progress: OnProgress,
) -> Compared:
    """Write the page of finished runs, in a folder that nobody else writes in."""
    reported = {
        name: report_run(run, *split, out / PAGES / name, device, on_progress, runtime)
        for name, run, split in zip(distinct([run.name for run in runs]), runs, splits, strict=True)
    }
    _keep_pages(out, reported)
    alike = grouped({name: member.run for name, member in reported.items()})
    groups = {title: [reported[name] for name in names] for title, names in alike.items()}
    commands = [run.about.get("command", "") for run in runs] + [command]
    comparison = assemble(
        f"Comparison of {', '.join(groups)}",
        groups,
        study={},
        commands=[*dict.fromkeys(filter(None, commands))],
        on_progress=on_progress,
    )
    return Compared(write_comparison(comparison, out), comparison)


def _keep_pages(out: Path, names: Container[str]) -> None:
    """Remove the pages of runs that an earlier call compared and this one does not."""
    for page in [*(out / PAGES).iterdir()]:
        if page.name not in names:
            rmtree(page, ignore_errors=True)


def grouped(runs: Mapping[str, Run]) -> dict[str, list[str]]:
    """Return the names of runs that differ by their seed alone together, under what those have in common."""
    alike: dict[tuple[str, str, int], list[str]] = {}
    times: Counter[tuple[str, str, int]] = Counter()  # runs of the same seed are repetitions: each is an entry of its own
    for name, run in runs.items():
        train = run.settings.train
        same = run.settings.model_copy(update={"train": train.model_copy(update={"seed": 0})}).model_dump_json()
        digest = run.origin.data_digest
        alike.setdefault((same, digest, times[same, digest, train.seed]), []).append(name)
        times[same, digest, train.seed] += 1
    groups: dict[str, list[str]] = {}
    for names in alike.values():
        shared = re.sub(r"[-_. ]*seed[-_. ]*\d+$", "", names[0]) if len(names) > 1 else ""
        taken = {*groups, *runs}.difference(names)  # a run may have the name that those of several seeds share
        groups[shared if shared and shared not in taken else names[0]] = names
    return groups
