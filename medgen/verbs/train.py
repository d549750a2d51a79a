"""Train a backend on a data set, with logs and panels to watch it by, and calibrate it on normal validation frames."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch

from medgen import registry
from medgen.data.common_mask import common_mask, with_common_mask
from medgen.data.dataset import TrainingBatches
from medgen.data.native.addresses import open_dataset
from medgen.data.prepared import Prepared
from medgen.data.scorable import LOOKED_AT, left_out, noise_warning, scorable
from medgen.engine.device import Device, precision_name
from medgen.engine.fit import Fit
from medgen.engine.memory import MemoryMeter
from medgen.engine.several.dividing import refuse_undivided
from medgen.engine.several.place import Place, find_place
from medgen.engine.stages import Position
from medgen.errors import RunError, number_of
from medgen.outputs.folder import is_unfinished, output_folder
from medgen.runs.calibrating.calibrate import calibrate
from medgen.runs.checks.check_batches import check_batches
from medgen.runs.checks.check_scoring import check_scoring
from medgen.runs.datasets import open_second, open_trained_on
from medgen.runs.models import check_windows
from medgen.runs.packages import require_backend
from medgen.runs.resources import note_cost
from medgen.runs.run import RUN, Run, create_run, open_run
from medgen.runs.settings import RunSettings, fill_defaults
from medgen.types import OnProgress, Progress, no_progress
from medgen.verbs.several.job import follow, job_of, make_fit, train_to_end, training_batches
from medgen.verbs.several.start import trained_on
from medgen.verbs.tracking.monitor import TrainingMonitor
from medgen.verbs.tracking.tracker import require_trackers


class TrainingInputs(NamedTuple):
    """What a training begins with: its data sets, its settings with every default written out, its batches."""

    data: Prepared
    second: Prepared | None
    settings: RunSettings
    batches: TrainingBatches


def open_inputs(dataset: Path | str, settings: RunSettings) -> TrainingInputs:
    """Open what a training with these settings reads.

    Raises
    ------
    DataError, BackendError, ConfigError : if there is nothing to train on, or a setting does not fit.
    """
    data = open_dataset(dataset, settings.data)
    if settings.data.overlay == "common":
        data = with_common_mask(data, common_mask(data))
    second = open_second(settings, data)
    settings = fill_defaults(settings, data, second)
    check_windows(settings, data.size)
    batches = training_batches(settings, data, second)
    check_batches(settings, batches)
    return TrainingInputs(data, second, settings, batches)


def train(
    dataset: Path,
    out: Path,
    settings: RunSettings,
    *,
    device: Device = "auto",
    devices: int | None = None,
    nodes: int = 1,
    max_minutes: float = math.inf,
    command: str = "",
    on_progress: OnProgress = no_progress,
    stop: Callable[[], bool] = lambda: False,
) -> Run:
    """Train a backend on the normal training frames of a data set; the same call goes on with a run that it did not finish.

    Parameters
    ----------
    dataset : a prepared data set, or an archive or folder at native size: ``mnist:PATH``, ``folder:PATH`` (data/sources.py)
    out : the run folder
    settings : the recipe
    device : "auto" takes a GPU where there is one
    devices : on each machine, which share the frames of each step; None: one, or as many as torchrun started processes
    nodes : machines
    max_minutes : stop after so long; `resume` goes on
    command : how the run can be repeated; kept in ``run.toml``
    stop : asked after every step

    Raises
    ------
    DataError, RunError, ConfigError : if the data set or a setting does not fit, or `out` holds another run or a finished one.
    FolderError : if `out` holds something else, or another process writes into it.

    Examples
    --------
    >>> run = api.train(DATA, OUT / "run", api.recipe("vae", None, ["train.epochs=1"]))
    >>> run.finished()
    True
    """
    if (place := find_place(devices, nodes)) and place.rank:
        return follow(place, device, settings.train.precision, stop)
    require_trackers(settings)
    data, second, settings, batches = open_inputs(dataset, settings)
    if data.refused:
        file, reason = data.refused[0]
        on_progress(Progress("train", 0, 0, {}, f"left out {number_of(len(data.refused), 'file', 'files')}: '{file}' {reason}"))
    if batches.left_out:
        what = left_out(batches.left_out, batches.left_out + len(batches.rows), "training frames")
        on_progress(Progress("train", 0, 0, {}, f"left out of the training: {what}"))
    check_scoring(settings, data)
    _check_divided(settings, batches, place)
    learnt = batches.rows[:: max(1, len(batches.rows) // LOOKED_AT)]
    if noise := noise_warning(data.index.iloc[learnt], data.frames[learnt], data.valid[learnt]):
        on_progress(Progress("train", 0, 0, {}, f"warning: {noise}"))
    with output_folder(out, "train", (RUN,), "go on with --resume where it is a run, or choose another --out"):
        run = _unfinished(out, settings, data, second) or create_run(out, settings, data, command, second)
        how: dict[str, Any] = {"device": device, "max_minutes": max_minutes, "on_progress": on_progress, "stop": stop}
        return _train(run, data, batches, go_on=run.started(), place=place, **how)


def _unfinished(out: Path, settings: RunSettings, data: Prepared, second: Prepared | None) -> Run | None:
    """Return the run that the same call began in a folder and did not finish; None where there is no run.

    Raises
    ------
    RunError : if there is another one, or it is finished.
    """
    if not (out / RUN).is_file():
        return None
    run = open_run(out)
    if run.finished():
        raise RunError(f"'{out}' holds a finished run; lengthen it with --resume --epochs N, or choose another --out")
    origin = run.origin.data_digest, run.origin.other_digest
    if run.settings != settings or origin != (data.digest, second.digest if second else ""):
        raise RunError(f"'{out}' holds an unfinished run of other settings or data; go on with --resume, or choose another --out")
    return run


def resume(
    out: Path,
    *,
    backend: str = "",
    dataset: Path | None = None,
    epochs: int | None = None,
    device: Device = "auto",
    devices: int | None = None,
    nodes: int = 1,
    max_minutes: float = math.inf,
    on_progress: OnProgress = no_progress,
    stop: Callable[[], bool] = lambda: False,
) -> Run:
    """Go on with an interrupted training exactly where it stood; with more `epochs`, lengthen a finished one.

    Parameters
    ----------
    out : the run folder
    backend : refuse a run of any other; "" for none
    dataset : where the data set of the training is now, if it has moved
    epochs : how many the whole training has from now on; None: as many as it began with
    device : "auto" takes a GPU where there is one
    devices : on each machine, which share the frames of each step; None: one, or as many as torchrun started processes
    nodes : machines
    max_minutes : stop after so long; another call goes on
    stop : asked after every step

    Raises
    ------
    RunError : if the folder is no run or one of another backend, the data set is not the one that the run began with, or
        `epochs` are asked of a backend that fits in one pass, or fewer than it was trained for.
    ConfigError : if no training has so many `epochs`.

    Examples
    --------
    >>> run = api.resume(OTHER_RUN, epochs=2)
    >>> run.about["finished"]
    'all 2 epochs done'
    """
    if (place := find_place(devices, nodes)) and place.rank:
        return follow(place, device, open_run(out).settings.train.precision, stop)
    if is_unfinished(out, "train") and not (out / RUN).is_file():
        raise RunError(f"'{out}' was stopped before its training began; the same command without --resume begins it")
    run = open_run(out)
    if run.recalibrated_on:
        origin = run.about.get("recalibrated_from", "the run that it was made from")
        raise RunError(f"'{out}' was recalibrated and cannot be trained on; lengthen '{origin}' and recalibrate that")
    require_trackers(run.settings)
    require_backend(run.folder, run.settings.backend, run.about)
    if backend and backend != run.settings.backend:
        raise RunError(f"run '{out}' is one of '{run.settings.backend}', not of '{backend}'")
    data = open_trained_on(run, dataset)
    if data.digest != run.origin.data_digest:
        raise RunError(
            f"run '{out}' began on another data set ({run.origin.dataset}); '{data.address}' has other frames or settings"
        )
    second = open_second(run.settings, data)
    if second and second.digest != run.origin.other_digest:
        raise RunError(f"run '{out}' began with other frames of the second domain than '{second.address}' has now")
    batches = training_batches(run.settings, data, second)
    if epochs is not None and batches.requirements.single_pass:
        raise RunError(
            f"'{run.settings.backend}' fits in one pass over the frames; there are no more epochs, leave --epochs away"
        )
    history = run.history()
    done = int(history["epoch"].max()) if len(history) else 0
    if epochs is not None and epochs < done:
        raise RunError(f"run '{out}' was trained for {done} epochs, which --epochs {epochs} would have to count, too; give more")
    _check_divided(run.settings, batches, place)
    with output_folder(out, "train", (RUN,)):
        run = open_run(out)  # as it is now that nobody else writes there
        run = run if epochs is None else run.with_epochs(epochs)
        how: dict[str, Any] = {"device": device, "max_minutes": max_minutes, "on_progress": on_progress, "stop": stop}
        return _train(run, data, batches, go_on=run.started(), place=place, **how)


def _train(
    run: Run,
    data: Prepared,
    batches: TrainingBatches,
    *,
    go_on: bool = False,
    place: Place | None,
    device: Device,
    max_minutes: float,
    on_progress: OnProgress,
    stop: Callable[[], bool],
) -> Run:
    if not len(scorable(data, data.rows("val"), run.settings.data.overlay)) and not run.settings.scoring.leaves_out:
        on_progress(
            Progress("train", 0, 0, {}, "no normal validation frames: the last weights are kept and there is no threshold")
        )
    with trained_on(place, device, run.settings.train.precision) as (fabric, ranks):
        memory = MemoryMeter(fabric.device)
        ranks.of_first(lambda: job_of(run, data, fabric, go_on))
        fit = make_fit(run, data, batches, fabric, go_on, ranks)
        run = run.with_facts(
            device=fabric.device.type, precision=precision_name(fabric), finished="", **_devices(run, go_on, place)
        )
        second = batches.second(run.settings.train.panel_frames)

        def watch() -> TrainingMonitor:
            return TrainingMonitor(run, data, fit, second, on_progress)

        position = train_to_end(fit, watch, on_progress, stop, max_minutes)
        run = _finish(run, data, fit, position, memory, fabric.device, on_progress, stop)
        return ranks.of_first(lambda: run)


def _check_divided(settings: RunSettings, batches: TrainingBatches, place: Place | None) -> None:
    if place:
        kind = registry.load(settings.backend)
        refuse_undivided(settings.backend, kind, settings.train, batches, settings.data.batch_size, place.total)


def _devices(run: Run, go_on: bool, place: Place | None) -> dict[str, str]:
    """Return the fact on how many devices a run was trained, one after another where that changed; {} for one all the time."""
    count = str(place.total if place else 1)
    before = run.about.get("devices", "1" if go_on else count)
    if count == before == "1":
        return {}
    return {"devices": before if before.split(", ")[-1] == count else f"{before}, {count}"}


def _finish(
    run: Run,
    data: Prepared,
    fit: Fit,
    position: Position,
    memory: MemoryMeter,
    device: torch.device,
    on_progress: OnProgress,
    stop: Callable[[], bool],
) -> Run:
    """Note what a training cost, calibrate its run and say how it ended."""
    if position.finished and not run.has_weights():
        raise RunError("the validation loss was a finite number in no epoch, so no weights were kept; lower the learning rate")
    note_cost(run, fit.model, position.seconds, memory)
    broke = f"it broke {position.returns} times and went on with lower learning rates" if position.returns else ""
    run = run.with_facts(warning="; ".join(filter(None, [position.warning, broke])))
    takes_minutes = run.settings.scoring.needs_reference
    stopped = not position.finished and stop()
    if run.has_weights() and not (takes_minutes and stopped):  # whoever asks a training to stop is not kept waiting
        calibrate(run, data, device, on_progress)
    run = run.with_facts(finished=position.finished)
    state = position.finished or f"stopped in epoch {position.epoch + 1} of {run.settings.train.epochs}"
    measure = "validation loss" if run.settings.train.choose == "loss" else "1 - AUROC of foreign patches"
    best = f"; best {measure} {position.best:.6g} in epoch {position.best_epoch}" if math.isfinite(position.best) else ""
    on_progress(Progress("train", 0, 0, {}, f"{state}{best}"))
    return run
