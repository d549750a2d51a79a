"""Train a backend on a data set, with logs and panels to watch it by, and calibrate it on normal validation frames."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from medgen.backends import _base
from medgen.backends._capabilities import Reconstructs, Samples, Translates
from medgen.data.common_mask import common_mask, with_common
from medgen.data.dataset import FixedBatches, TrainingBatches, make_batch
from medgen.data.native.addresses import open_dataset
from medgen.data.prepared import Prepared
from medgen.engine.device import Device, make_fabric, precision_name
from medgen.engine.fit import Fit
from medgen.engine.memory import MemoryMeter
from medgen.engine.running_means import Epoch
from medgen.errors import RunError
from medgen.files import write_bytes, write_text
from medgen.report.figures import image_grid
from medgen.runs.calibrate import calibrate, check_scoring
from medgen.runs.datasets import open_second, open_trained_on
from medgen.runs.resources import note_cost
from medgen.runs.run import Run, RunSettings, complete, create_run, open_run
from medgen.runs.to_image import to_pixels
from medgen.types import OnProgress, Progress, silent
from medgen.verbs.distance import Follower

ROW = 16  # frames in one row of a panel; more make a block


class Setup(NamedTuple):
    """What a training begins with: its data sets, its settings with every default written out, its batches."""

    data: Prepared
    second: Prepared | None
    settings: RunSettings
    batches: TrainingBatches


def set_up(dataset: Path | str, settings: RunSettings) -> Setup:
    """Open what a training with these settings reads.

    Raises
    ------
    DataError, BackendError, ConfigError : if there is nothing to train on, or a setting does not fit.
    """
    data = open_dataset(dataset, settings.data)
    if settings.data.overlay == "common":
        data = with_common(data, common_mask(data))
    second = open_second(settings, data)
    settings = complete(settings, data, second)
    return Setup(data, second, settings, _batches(settings, data, second))


def train(
    dataset: Path,
    out: Path,
    settings: RunSettings,
    *,
    device: Device = "auto",
    max_minutes: float = math.inf,
    command: str = "",
    on_progress: OnProgress = silent,
    stop: Callable[[], bool] = lambda: False,
) -> Run:
    """Train a backend on the normal training frames of a data set.

    Parameters
    ----------
    dataset : a prepared data set, or an archive or folder at native size: ``mnist:PATH``, ``folder:PATH`` (data/sources.py)
    out : the run folder, new or empty
    settings : the recipe
    device : "auto" takes a GPU where there is one
    max_minutes : stop after so long; `resume` goes on
    command : how the run can be repeated; kept in ``run.toml``
    stop : asked after every step

    Raises
    ------
    DataError, RunError, ConfigError : if the data set, the folder or a setting does not fit.
    """
    data, second, settings, batches = set_up(dataset, settings)
    if data.refused:
        file, reason = data.refused[0]
        on_progress(Progress("train", 0, 0, {}, f"left out {len(data.refused)} files: '{file}' {reason}"))
    check_scoring(settings, data)
    run = create_run(out, settings, data, command, second)
    return _train(run, data, batches, False, device, max_minutes, on_progress, stop)


def resume(
    out: Path,
    *,
    backend: str = "",
    dataset: Path | None = None,
    epochs: int | None = None,
    device: Device = "auto",
    max_minutes: float = math.inf,
    on_progress: OnProgress = silent,
    stop: Callable[[], bool] = lambda: False,
) -> Run:
    """Go on with an interrupted training exactly where it stood; with more `epochs`, lengthen a finished one.

    Raises
    ------
    RunError : if the folder is no run, or the data set is not the one that the run began with.
    """
    run = open_run(out)
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
    batches = _batches(run.settings, data, second)
    if epochs:
        if batches.wants.once:
            raise RunError(
                f"'{run.settings.backend}' fits in one pass over the frames; there are no more epochs, leave --epochs away"
            )
        run = run.lengthened(epochs)
    return _train(run, data, batches, run.started(), device, max_minutes, on_progress, stop)


def _batches(settings: RunSettings, data: Prepared, second: Prepared | None) -> TrainingBatches:
    wants = _base.load(settings.backend).wants(_base.parse(settings.backend, settings.model))
    return TrainingBatches(data, settings.data, settings.train.seed, settings.classes, wants, second)


def _train(
    run: Run,
    data: Prepared,
    batches: TrainingBatches,
    go_on: bool,
    device: Device,
    max_minutes: float,
    on_progress: OnProgress,
    stop: Callable[[], bool],
) -> Run:
    fabric = make_fabric(device, run.settings.train.precision)
    memory = MemoryMeter(fabric.device)
    normal = data.rows("val")
    if not len(normal):
        on_progress(
            Progress("train", 0, 0, {}, "no normal validation frames: the last weights are kept and there is no threshold")
        )
    validation = FixedBatches(data, normal, run.settings.data, run.settings.classes)
    fit = Fit(run.fresh(), batches, validation, run.settings.train, fabric, run.folder)
    if go_on:
        fit.resume()
    run = run.noted(device=fabric.device.type, precision=precision_name(fabric), finished="")
    with Watch(run, data, fit, batches.second(run.settings.train.panel_frames), on_progress) as watch:
        position = fit.run(watch.see, on_progress, stop, max_minutes, watch.step)
    note_cost(run, fit.model, position.seconds, memory)
    run = run.noted(warning=position.warning)
    long = run.settings.scoring.distances and not position.finished and stop()  # who wants to stop does not wait for minutes
    if run.has_weights() and not long:
        calibrate(run, data, fabric, on_progress)
    run = run.noted(finished=position.finished)
    state = position.finished or f"stopped in epoch {position.epoch + 1} of {run.settings.train.epochs}"
    what = "validation loss" if run.settings.train.choose == "loss" else "1 - AUROC of foreign patches"
    best = f"; best {what} {position.best:.6g} in epoch {position.best_epoch}" if math.isfinite(position.best) else ""
    on_progress(Progress("train", 0, 0, {}, f"{state}{best}"))
    return run


class Watch:
    """Writes ``log.csv``, ``steps.csv``, the TensorBoard log and the panels of a run while it trains.

    Rows that are on disk already but lie behind the position of `fit` belong to work that an interruption lost. `second` are
    frames (n, C, S, S) of a second domain to show beside those of `data`, if there is one.
    """

    def __init__(
        self, run: Run, data: Prepared, fit: Fit, second: Tensor | None = None, on_progress: OnProgress = silent
    ) -> None:
        self.run, self.fit, self.model = run, fit, fit.model
        epoch, history = fit.position.epoch, run.history()
        self.rows: list[Any] = history[history["epoch"] <= epoch].to_dict("records") if len(history) else []
        if len(steps := run.history("steps.csv")):
            done = steps[steps["step"] <= epoch * len(fit.train) + fit.position.step]
            write_text(run.folder / "steps.csv", done.to_csv(index=False, lineterminator="\n"))
        self.columns: list[str] = []  # of steps.csv
        watched = run.settings.watch.every and isinstance(self.model, Samples)
        self.follower = Follower(data, run.settings.watch, on_progress=on_progress) if watched else None
        self.board = SummaryWriter(str(run.folder / "tensorboard"), purge_step=epoch + 1)
        rows = data.rows("val") if len(data.rows("val")) else data.rows("train")
        shown = min(run.settings.train.panel_frames, len(rows))
        spread = run.settings.train.panel_choice == "spread"
        chosen = rows[np.linspace(0, len(rows) - 1, shown).astype(int)] if spread else rows[:shown]
        batch = make_batch(data, chosen, run.settings.data.overlay, run.settings.classes)
        self.batch = batch if second is None else replace(batch, other=second[: len(batch)])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.board.close()

    def see(self, row: Epoch) -> None:
        """Note one epoch."""
        epoch = int(row["epoch"])
        if self.follower and epoch % self.run.settings.watch.every == 0:
            with self.fit.averaged(), self._own_randomness():
                row[f"diagnosis.{self.follower.name}"] = self.follower.measure(self.model)
        self.rows.append(dict(row))
        write_text(self.run.folder / "log.csv", pd.DataFrame(self.rows).to_csv(index=False, lineterminator="\n"))
        for name, value in row.items():
            self.board.add_scalar(name.replace(".", "/"), value, epoch)
        every = self.run.settings.train.panel_epochs
        if every and (epoch % every == 0 or epoch == 1 or self.fit.position.finished):
            with self.fit.averaged(), self._own_randomness():
                self._panel(epoch)

    def step(self, row: Epoch) -> None:
        """Note some optimizer steps; another stage may bring other columns, for which the file is written anew."""
        path = self.run.folder / "steps.csv"
        if not self.columns and path.is_file():
            self.columns = pd.read_csv(path, nrows=0).columns.tolist()
        new = [name for name in row if name not in self.columns]
        if new and self.columns:
            write_text(path, pd.concat([pd.read_csv(path), pd.DataFrame([row])]).to_csv(index=False, lineterminator="\n"))
        else:
            with path.open("a", encoding="utf-8", newline="") as file:
                columns = self.columns or list(row)
                pd.DataFrame([row], columns=columns).to_csv(file, index=False, header=file.tell() == 0, lineterminator="\n")
        self.columns += new

    @contextmanager
    def _own_randomness(self) -> Iterator[None]:
        """Let the model draw the same random numbers every time, in evaluation mode, and leave the training's own untouched."""
        device = self.fit.fabric.device
        self.model.eval()
        with torch.random.fork_rng([device] if device.type == "cuda" else []), torch.no_grad():
            torch.manual_seed(self.run.settings.train.seed)
            yield

    def _panel(self, epoch: int) -> None:
        """Draw validation frames, their reconstructions and samples, or those of both domains and their translations."""
        blocks: list[NDArray[np.uint8]] = []
        batch = self.batch.to(self.fit.fabric.device)
        if isinstance(self.model, Translates) and batch.other is not None:
            there = to_pixels(self.model.translate(batch))
            if "BtoA" in self.model.directions:
                back = self.model.translate(replace(batch, image=batch.other), "BtoA")
                blocks += [to_pixels(batch.image), there, to_pixels(batch.other), to_pixels(back)]
            else:
                blocks += [to_pixels(batch.image), to_pixels(batch.other), there]
        elif isinstance(self.model, Reconstructs):
            blocks += [to_pixels(batch.image), to_pixels(self.model.reconstruct(batch) * batch.valid)]
        if isinstance(self.model, Samples):
            blocks.append(to_pixels(self.model.sample(len(batch))))
        if blocks:
            write_bytes(self.run.folder / "panels" / f"epoch-{epoch:04}.png", _panel_of(blocks))


def _panel_of(blocks: list[NDArray[np.uint8]]) -> bytes:
    """Lay frames, reconstructions and samples out below each other, or, where they are many, as squares side by side."""
    count = len(blocks[0])
    if count <= ROW:
        return image_grid([list(block) for block in blocks])
    columns = math.isqrt(count - 1) + 1
    rows: list[list[NDArray[np.uint8] | None]] = []
    for start in range(0, count, columns):
        parts = [[*block[start : start + columns], *[None] * columns][:columns] for block in blocks]
        rows.append([frame for part in parts for frame in (*part, None)][:-1])
    return image_grid(rows, side=blocks[0].shape[1])
