"""The runs that a study asks for: each is trained, goes on where it was interrupted, or is there already."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from medgen import registry
from medgen.engine.device import Device
from medgen.engine.runtime import Runtime
from medgen.errors import RunError
from medgen.nn.features.extractors import load_extractor
from medgen.outputs.folder import take_mark_away
from medgen.runs.checks.check_memory import GIB, check_memory
from medgen.runs.checks.check_scoring import check_scoring
from medgen.runs.run import Run, open_run
from medgen.runs.settings import RunSettings
from medgen.types import OnProgress, Progress, no_progress
from medgen.verbs.study.budget import TOLERANCE, planned
from medgen.verbs.study.settings import StudySettings
from medgen.verbs.study.settings import seconds as seconds_of
from medgen.verbs.train import TrainingInputs, open_inputs, resume, train

FOLDER = "runs"  # of a study: a run for each backend and seed


@dataclass(frozen=True)
class RunContext:
    """How a study is carried out, and who wants to hear of it."""

    out: Path
    device: Device = "auto"
    command: str = ""
    on_progress: OnProgress = no_progress
    stop: Callable[[], bool] = lambda: False
    runtime: Runtime = "torch"
    jobs: int = 1  # trainings at the same time

    @property
    def patience(self) -> float:
        """Times the budget after which a training is stopped: one that shares the machine is slower than its trial was alone."""
        return TOLERANCE * self.jobs


class Job(NamedTuple):
    """A run that a study asks for."""

    entry: str
    folder: Path
    settings: RunSettings
    minutes: float  # after which the training is stopped although its schedule is not complete


def jobs_of(study: StudySettings, entry: str, inputs: TrainingInputs, context: RunContext) -> list[Job]:
    """Return the runs of an entry, one for each seed, with as many epochs as fit the budget.

    Parameters
    ----------
    inputs : of the entry's training

    Raises
    ------
    RunError : if the budget is too short.
    """
    settings = inputs.settings
    epochs = planned(inputs, entry, study.budget, context.out, context.device, context.stop)
    timed = bool(study.budget) and not inputs.batches.requirements.single_pass
    if timed:
        news = f"{entry}: {epochs} of {settings.train.epochs} epochs fit into {study.budget}"
        context.on_progress(Progress("compare", 0, 0, {}, news))
    minutes = context.patience * seconds_of(study.budget) / 60 if timed else math.inf
    folders = enumerate(_folders(study, entry, context))
    return [Job(entry, folder, _with_train(settings, seed=seed, epochs=epochs), minutes) for seed, folder in folders]


def is_finished(job: Job) -> bool:
    """Tell whether a job's run is there and its training is over."""
    return (job.folder / "run.toml").is_file() and bool(open_run(job.folder).finished())


def is_begun(study: StudySettings, entry: str, context: RunContext) -> bool:
    """Tell whether an earlier call has left a run of an entry."""
    return any((folder / "run.toml").is_file() for folder in _folders(study, entry, context))


def _folders(study: StudySettings, entry: str, context: RunContext) -> list[Path]:
    """Return the folder of each run of an entry, by its seed."""
    return [context.out / FOLDER / f"{entry}-seed{seed}" for seed in range(study.seeds)]


def open_entry(study: StudySettings, settings: RunSettings) -> TrainingInputs:
    """Open what the trainings of an entry read, whatever seed its recipe says.

    Raises
    ------
    DataError, BackendError, ConfigError : if there is nothing to train on, or a setting does not fit.
    """
    return open_inputs(study.dataset, _with_train(settings, seed=0))


def ask(inputs: TrainingInputs, entry: str, begun: Sequence[Job], context: RunContext) -> int:
    """Refuse what would be found wrong when an entry's turn has come, and say how much memory its training takes.

    Parameters
    ----------
    begun : runs of the entry, where an earlier call has left some; nothing is asked where all of them are finished

    Returns
    -------
    bytes that the training takes at least; 0 where nothing was asked

    Raises
    ------
    BackendError, ConfigError, DataError : if the backend cannot be built, or its frames could not be scored.
    MedgenError : if the weights of an extractor are not on this machine.
    RunError : if the training takes more memory than is free.
    """
    if begun and all(map(is_finished, begun)):
        return 0
    settings = inputs.settings
    check_scoring(settings, inputs.data)
    if settings.watch.every and hasattr(registry.load(settings.backend), "sample"):
        load_extractor(settings.watch.extractor)
    need = check_memory(settings, inputs.batches, context.device)
    context.on_progress(Progress("compare", 0, 0, {}, f"{entry}: its training takes at least {need / GIB:.2g} GiB of memory"))
    return need


def _with_train(settings: RunSettings, **values: Any) -> RunSettings:
    data = settings.data
    if data.shots and "seed" in values:  # each seed draws frames of its own, the same ones for every entry
        data = data.model_copy(update={"shots_seed": values["seed"]})
    return settings.model_copy(update={"train": settings.train.model_copy(update=values), "data": data})


def check_reusable(job: Job, dataset: str) -> None:
    """Refuse a run that is there already and was not trained as the study says.

    Parameters
    ----------
    dataset : of the study, which is opened as this run has it: of a share of the training frames, each seed draws its own

    Raises
    ------
    RunError : naming the first setting that differs.
    """
    if not (job.folder / "run.toml").is_file():
        return
    run = open_run(job.folder)
    remedy = "remove that folder to train it again, or choose another --out"
    inputs = open_inputs(dataset, job.settings)
    second = inputs.second.digest if inputs.second else ""
    if (run.origin.data_digest, run.origin.other_digest) != (inputs.data.digest, second):
        raise RunError(f"run '{job.folder}' was trained on another data set ({run.origin.dataset}); {remedy}")
    has, wanted = (_flat(settings.model_dump(mode="json")) for settings in (run.settings, job.settings))
    for key in {**has, **wanted}:
        if has.get(key) != wanted.get(key):
            raise RunError(f"run '{job.folder}' has {key} = {has.get(key)}, the study {wanted.get(key)}; {remedy}")


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat


def train_or_reuse(job: Job, study: StudySettings, context: RunContext) -> Run | None:
    """Return the finished run of a job: as it is there, or trained to its end; None where `stop` said so before.

    A training that is much slower than its trial was is stopped, and its report warns of that.

    Raises
    ------
    RunError, DataError, ConfigError : if the data set has changed, a setting does not fit, a loss is no longer finite, or the
        time was over before the first epoch was.
    """
    dataset, run = Path(study.dataset), None
    how: dict[str, Any] = {"device": context.device, "on_progress": context.on_progress, "stop": context.stop}
    if not (job.folder / "run.toml").is_file():
        run = train(dataset, job.folder, job.settings, max_minutes=job.minutes, command=context.command, **how)
    elif not (run := open_run(job.folder)).finished():
        history = run.history()
        spent = float(history["seconds"].max()) / 60 if len(history) else 0.0
        run = resume(job.folder, dataset=dataset, max_minutes=max(0.0, job.minutes - spent), **how)
    if run.finished():
        take_mark_away(job.folder, "train")
        return run
    if context.stop():
        return None
    if not run.has_weights():
        raise RunError(f"no epoch was over after {job.minutes:.3g} minutes, {context.patience:g} times the budget; give more")
    late = (
        f"stopped after {context.patience:g} times the budget of {study.budget}, before its {job.settings.train.epochs} epochs "
        "were over"
    )
    return run.with_facts(finished=late, warning="; ".join(filter(None, [run.about.get("warning"), late])))
