"""The training of a run as each of its processes does it: the model, the batches, and the loop until it ends or is stopped."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, NamedTuple

from medgen import registry
from medgen.data.dataset import FixedBatches, TrainingBatches
from medgen.data.prepared import Prepared
from medgen.data.scorable import scorable
from medgen.engine.device import Device, Precision, precision_name
from medgen.engine.divergence import SLOWER, DivergedError, refuse_hopeless
from medgen.engine.fit import Fit
from medgen.engine.several.place import Place
from medgen.engine.stages import Position
from medgen.errors import RunError
from medgen.ranks import ALONE, Ranks
from medgen.runs.datasets import open_second, open_trained_on
from medgen.runs.folds import divide
from medgen.runs.run import Run
from medgen.runs.settings import RunSettings
from medgen.trust import trust_code, trusted
from medgen.types import OnProgress, Progress, no_progress
from medgen.verbs.several.start import trained_on

if TYPE_CHECKING:
    from lightning_fabric import Fabric


class Job(NamedTuple):
    """What rank 0 tells the others before a training begins.

    Attributes
    ----------
    run : whose settings are filled in
    dataset : address of the data set
    go_on : from the state on disk
    precision : in which rank 0 trains
    trusted : programs that may run
    """

    run: Run
    dataset: str
    go_on: bool
    precision: str
    trusted: frozenset[str]


def training_batches(settings: RunSettings, data: Prepared, second: Prepared | None) -> TrainingBatches:
    """Return the batches that a run trains on."""
    requirements = registry.load(settings.backend).requirements(registry.parse(settings.backend, settings.model))
    with_val = settings.scoring.leaves_out
    return TrainingBatches(data, settings.data, settings.train.seed, settings.classes, requirements, second, with_val)


def make_fit(run: Run, data: Prepared, batches: TrainingBatches, fabric: Fabric, go_on: bool, ranks: Ranks = ALONE) -> Fit:
    """Return the training of a run, from its beginning or from the state on disk."""
    normal = scorable(data, data.rows("val"), run.settings.data.overlay)
    validation = FixedBatches(data, normal, run.settings.data, run.settings.classes)
    model, settings = run.new_model(), run.settings
    divide(model, data, settings.data, settings.scoring, settings.train.seed)
    fit = Fit(model, batches, validation, settings.train, fabric, run.folder, ranks)
    if go_on:
        fit.resume()
    return fit


def train_to_end(
    fit: Fit,
    watch: Callable[[], AbstractContextManager[Any]] = nullcontext,
    on_progress: OnProgress = no_progress,
    stop: Callable[[], bool] = lambda: False,
    max_minutes: float = math.inf,
) -> Position:
    """Train until the end or until it is stopped; one that breaks goes back to its last state.

    Parameters
    ----------
    watch : opens what logs epochs and steps, anew after each return; nothing is logged where it gives None

    Raises
    ------
    RunError : if the training broke too often, or another process has ended.
    """
    ends = time.monotonic() + 60 * max_minutes
    while True:
        with watch() as monitor:
            logs = (monitor.log_epoch, monitor.log_steps) if monitor else (_nowhere, _nowhere)
            try:
                return fit.run(logs[0], on_progress, stop, (ends - time.monotonic()) / 60, logs[1])
            except DivergedError as error:
                _go_back(fit, error, on_progress)  # the next monitor takes what the training lost out of its logs


def _nowhere(row: object) -> None:
    """Log a row on a rank that writes nothing."""


def _go_back(fit: Fit, error: DivergedError, on_progress: OnProgress) -> None:
    """Take a broken training back to its last state on disk, from where it goes on more slowly.

    Raises
    ------
    RunError : if that was done `TRIES` times before; the state on disk then says that the training has ended.
    """
    fit.resume()
    fit.position.returns += 1
    fit.save()
    refuse_hopeless(fit.position.returns, error)
    rates = f"{SLOWER**fit.position.returns:g} of the learning rates"
    what = f"{error}; back to epoch {fit.position.epoch + 1}, from where it goes on with {rates} and clipped gradients"
    on_progress(Progress("train", 0, 0, {}, what))


def follow(place: Place, device: Device, precision: Precision, stop: Callable[[], bool] = lambda: False) -> Run:
    """Train beside rank 0, which says what; nothing is written.

    Returns
    -------
    the run when rank 0 is done with it

    Raises
    ------
    RunError : if rank 0 trains on other frames or in another precision, or another process has ended.
    """
    with trained_on(place, device, precision) as (fabric, ranks):
        job: Job = ranks.of_first(lambda: None)  # type: ignore[assignment]
        for digest in job.trusted:
            trust_code(digest)
        if precision_name(fabric) != job.precision:
            raise RunError(
                f"rank {place.rank} would train in {precision_name(fabric)}, rank 0 in {job.precision}; set train.precision"
            )
        data = open_trained_on(job.run, job.dataset)
        second = open_second(job.run.settings, data)
        found = data.digest, second.digest if second else ""
        if found != (job.run.origin.data_digest, job.run.origin.other_digest):
            raise RunError(
                f"rank {place.rank} finds other frames in '{data.address}' than rank 0; all machines need the same data set"
            )
        batches = training_batches(job.run.settings, data, second)
        train_to_end(make_fit(job.run, data, batches, fabric, job.go_on, ranks), stop=stop)
        return ranks.of_first(lambda: job.run)


def job_of(run: Run, data: Prepared, fabric: Fabric, go_on: bool) -> Job:
    """Return what rank 0 tells the others."""
    return Job(run, data.address, go_on, precision_name(fabric), trusted())
