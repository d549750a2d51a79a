"""The only training loop: over epochs, batches and the turns of a backend.

Batches come in; the best weights and a state to resume from go to disk, and rows of the log and progress to callbacks. It knows
neither files of frames nor the names of backends.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from medgen.contract.backend import Backend
from medgen.contract.capabilities import OnePassFit
from medgen.engine import checkpoint
from medgen.engine.ahead import ahead
from medgen.engine.compiled import compile_nets
from medgen.engine.device import move_model, seed_all
from medgen.engine.divergence import CLIP, SLOWER, refuse_hopeless, require_finite
from medgen.engine.exact import exact_float32
from medgen.engine.player import PlayerOptimizer, averaged
from medgen.engine.running_means import LogRow, Means, turn_columns
from medgen.engine.several.dividing import averaged_columns, fit_together, make_ready, require_alike
from medgen.engine.stages import Position, Schedule
from medgen.engine.train_settings import TrainSettings
from medgen.engine.training_state import packed, unpack
from medgen.engine.validate import synthetic_auroc, validate
from medgen.ranks import ALONE, Ranks, divided
from medgen.types import Batch, OnProgress, Progress, TrainingData, no_progress

if TYPE_CHECKING:
    from lightning_fabric import Fabric

STATE = "last.safetensors"
WEIGHTS = "model.safetensors"
QUIET_SHARE = 0.2  # share of the training, at its start, in which a collapsed model is not warned of: most begin so
LOOK_SECONDS = 0.5  # between two looks at the losses: to look waits for the device, and it would stand still after each step
SAVE_SECONDS = 60.0  # between two states on disk: an interrupted run loses about so much


class Fit:
    """One training. `run` goes from the position on disk, if it is to resume, to the end, or to where it is stopped.

    Parameters
    ----------
    model : with fresh weights
    train, val : batches; `val` may be empty, then the last weights are the ones kept
    settings : of the training
    fabric : device and precision
    folder : where the state and the best weights are written
    ranks : the processes that train the model together; the first of them alone reads and writes `folder`
    """

    def __init__(
        self,
        model: Backend,
        train: TrainingData,
        val: Iterable[Batch],
        settings: TrainSettings,
        fabric: Fabric,
        folder: Path,
        ranks: Ranks = ALONE,
    ) -> None:
        self.model, self.train, self.val = model, train, val
        self.settings, self.fabric, self.folder, self.ranks = settings, fabric, folder, ranks
        self.read = lambda path: ranks.of_first(lambda: checkpoint.load(path))  # what the first one reads, all have
        self.position = Position()
        seed_all(settings.seed)
        make_ready(model, ranks)
        compile_nets(move_model(model, fabric.device), settings.compile)
        self.optimizers = {name: PlayerOptimizer(player) for name, player in model.players.items()}
        self.schedule = Schedule(model.stages, settings.epochs)
        self.means = {"epoch": Means(), "steps": Means()}  # of this epoch, and since the last row of steps.csv
        self.moved: set[str] = set()  # names of the players that had a turn in this epoch
        self.saved_at = time.monotonic()

    def resume(self) -> None:
        """Go on from the state on disk.

        Raises
        ------
        RunError : if there is none or it does not fit.
        """
        state = self.read(self.folder / STATE)
        self.position, self.moved = unpack(state, self.folder / STATE, self.model, self.optimizers, self.means)
        if isinstance(self.model, OnePassFit):  # what it had gathered is not on disk
            self.position.step = 0
        stage = self.schedule.stage_index(self.position.epoch)
        if stage != self.position.stage:  # the run was lengthened: another loss chooses the weights
            self._begin_stage(stage)
        # it may have been lengthened
        self.position.finished = self.position.ended(self.settings.epochs, self.settings.early_stopping)
        checkpoint.restore_random_states(state[0])

    def save(self) -> None:
        """Write everything that `resume` needs.

        Raises
        ------
        DivergedError : if the weights are no longer finite numbers: nothing broken goes to disk.
        """
        require_finite(self.model, self._where())
        require_alike(self.model, self.ranks, self._where())
        if self.ranks.first:
            state = packed(self.model, self.optimizers, self.means, self.position, self.moved)
            checkpoint.save(self.folder / STATE, *state)
        self.saved_at = time.monotonic()

    @exact_float32()
    def run(
        self,
        on_epoch: Callable[[LogRow], None],
        on_progress: OnProgress = no_progress,
        stop: Callable[[], bool] = lambda: False,
        max_minutes: float = math.inf,
        on_steps: Callable[[LogRow], None] = lambda row: None,
    ) -> Position:
        """Train to the end; `stop` is asked after every step, `max_minutes` counts from now; rows of the logs go to callbacks.

        Raises
        ------
        DivergedError : if losses or weights are no longer finite numbers; the caller may go back to the state on disk.
        RunError : if that was done too often.
        """
        refuse_hopeless(self.position.returns)
        if self.ranks.of_first(lambda: not (self.folder / STATE).is_file()):
            self.save()  # a training that breaks or is killed in its first minute has a state to go back to
        deadline = time.monotonic() + 60 * max_minutes

        def ends() -> bool:
            return stop() or time.monotonic() > deadline

        while not self.position.finished:
            if whole := self._train_epoch(on_progress, on_steps, ends):
                on_epoch(self._close_epoch(on_progress))
            over = not whole or bool(self.position.finished) or ends()
            over, late = self.ranks.any(over, time.monotonic() - self.saved_at > SAVE_SECONDS)
            if over or late:
                self.save()
            if over:
                break
        return self.position

    def _train_epoch(self, on_progress: OnProgress, on_steps: Callable[[LogRow], None], stop: Callable[[], bool]) -> bool:
        """Train what is left of the epoch; return False if it was stopped on the way."""
        self.model.train()
        position, steps = self.position, len(self.train)
        started, before, frames, loss, looked, look = time.monotonic(), position.seconds, 0, math.nan, -math.inf, True
        for batch in self._batches():
            done = position.epoch * steps + position.step
            self._step(batch, done / steps)
            position.step += 1
            if self.settings.log_steps and (done + 1) % self.settings.log_steps == 0:
                on_steps(LogRow(step=done + 1, epoch=position.epoch + 1, **self.means["steps"].row()))
                self.means["steps"].clear()
            frames += len(batch) * self._parts(position.step - 1)
            if position.step == steps or look:
                loss, looked = self._mean_loss(), time.monotonic()
            position.seconds = before + time.monotonic() - started
            rate = frames / max(position.seconds - before, 1e-9)
            bar_values = {"loss": loss, "frames/s": rate, "epoch": position.epoch + 1}
            on_progress(Progress("train", done + 1, self.settings.epochs * steps, bar_values))
            now = time.monotonic()
            stopped, late, look = self.ranks.any(
                position.step < steps and stop(), now - self.saved_at > 5 * SAVE_SECONDS, now - looked > LOOK_SECONDS
            )
            if stopped or late:
                self._mean_loss()  # nothing broken goes to disk
            if stopped:
                return False
            if late:
                self.save()
        return True

    def _batches(self) -> Iterator[Batch]:
        """Yield what is left of the epoch; while a GPU works on a batch, the next one is made and sent to it."""
        share = {} if self.ranks is ALONE else {"part": (self.ranks.rank, self.ranks.count)}
        batches = self.train.epoch(self.position.epoch, self.position.step, self.fabric.device, **share)
        return ahead(batches) if self.fabric.device.type == "cuda" else batches

    def _parts(self, step: int) -> int:
        """Return among how many ranks the batch of a step is divided: 1 where it cannot be divided evenly."""
        return self.ranks.count if self.ranks is not ALONE and self.train.divides(step, self.ranks.count) else 1

    def _mean_loss(self) -> float:
        """Return the sum of the epoch's mean losses so far, for which it waits for the device; refuse one that is not finite."""
        return self.means["epoch"].loss(self._where())

    def _where(self) -> str:
        return f"epoch {self.position.epoch + 1}, step {self.position.step}"

    def _step(self, batch: Batch, epochs: float) -> None:
        """Take the turns of one batch, `epochs` epochs after the start of the training."""
        turns = self.model.turns(batch, self.schedule.progress(epochs))
        share = self.schedule.share(epochs)
        parts, returns = self._parts(self.position.step), self.position.returns
        while True:
            with self.fabric.autocast(), divided(self.ranks) if parts > 1 else nullcontext():
                turn = next(turns, None)
            if turn is None:
                break
            name, losses = turn
            self.optimizers[name].refuse_idle_plateau(name, self.schedule.stages[self.position.stage].monitor)
            clip = self.settings.clip or (CLIP if returns else 0.0)
            total = torch.stack(list(losses.values())).sum()
            self.optimizers[name].move(self.fabric, total, clip, share, SLOWER**returns, self.ranks)
            self.moved.add(name)
            self._note(turn_columns(name if len(self.optimizers) > 1 else "", losses, total))
        self._note({f"note.{note}": value for note, value in self.model.notes.items()})

    def _note(self, columns: Mapping[str, Tensor]) -> None:
        """Add scalars of a turn to the means that are wanted."""
        columns = averaged_columns(columns, self.ranks, self.fabric.device)
        for kind, means in self.means.items():
            if kind == "epoch" or self.settings.log_steps:
                means.add(columns)

    def _close_epoch(self, on_progress: OnProgress) -> LogRow:
        """Validate, keep the best weights, move the learning rates and decide whether the training ends."""
        began, position, steps = time.monotonic(), self.position, len(self.train)
        stage = self.schedule.stage_index(position.epoch)
        monitor = self.schedule.stages[stage].monitor
        row = LogRow(epoch=position.epoch + 1, seconds=position.seconds)
        row |= {f"lr.{name}": optimizer.lr for name, optimizer in self.optimizers.items()} | self.means["epoch"].row()
        self.means["epoch"].clear()
        if isinstance(self.model, OnePassFit):
            fit_together(self.model, self.ranks)
        with self.averaged():
            losses, diagnosis, warning = validate(
                self.model,
                self.val,
                self.fabric,
                self.settings.seed,
                self.schedule.last_progress(stage),
                bool(monitor),
                self.ranks,
            )
        row |= {f"val.{name}": value for name, value in losses.items()}
        row |= {f"diagnosis.{name}": value for name, value in diagnosis.items()}
        watched = losses.get(monitor) if losses and monitor else None
        judged = watched
        if self.settings.choose == "synthetic" and stage == len(self.schedule.stages) - 1:
            with self.averaged():
                row["diagnosis.synthetic_auroc"] = area = synthetic_auroc(self.model, self.val, self.fabric.device, self.ranks)
            judged = 1 - area if math.isfinite(area) else None
        position.epoch, position.step = position.epoch + 1, 0
        if judged is None or judged < position.best:
            position.best, position.best_epoch = math.inf if judged is None else judged, position.epoch
            position.warning = warning
            self.keep()
        if watched is not None:
            for name in self.moved:
                self.optimizers[name].note_validation(watched)
        self.moved = set()
        self._end_stage(stage)
        position.finished = self.position.ended(self.settings.epochs, self.settings.early_stopping)
        bar_values = {**({"loss": losses["loss"]} if "loss" in losses else {}), "epoch": position.epoch}
        warned = bool(warning) and position.epoch > QUIET_SHARE * self.settings.epochs
        news = "" if warned == position.warned else f"epoch {position.epoch}: {warning or 'what was warned of is over'}"
        position.warned = warned
        on_progress(Progress("train", position.epoch * steps, self.settings.epochs * steps, bar_values, news))
        position.seconds += time.monotonic() - began
        row["seconds"] = position.seconds
        return row

    def _end_stage(self, stage: int) -> None:
        """Where a stage that is not the last one ends, or no longer gets better, begin the next one with its best weights."""
        position, last = self.position, stage == len(self.schedule.stages) - 1
        patience = self.settings.early_stopping
        in_vain = patience > 0 and position.epoch - position.best_epoch >= patience
        if last or (position.epoch < self.schedule.ends[stage] and not in_vain):
            return
        checkpoint.load_weights(self.model, self.folder / WEIGHTS, self.read)
        for optimizer in self.optimizers.values():
            optimizer.average_anew()
        position.epoch = self.schedule.ends[stage]
        self._begin_stage(stage + 1)
        self.saved_at = -math.inf  # the next stage writes over the weights that this one would begin with again

    def _begin_stage(self, stage: int) -> None:
        self.position.stage, self.position.best, self.position.best_epoch = stage, math.inf, self.position.epoch

    def keep(self) -> None:
        """Write the weights, or their moving averages where a player has one, as the best so far."""
        require_finite(self.model, self._where())
        about = {"epoch": self.position.epoch, "loss": self.position.best if math.isfinite(self.position.best) else None}
        if not self.ranks.first:
            return
        with self.averaged():
            checkpoint.save(self.folder / WEIGHTS, self.model.state_dict(), about)

    def averaged(self) -> AbstractContextManager[None]:
        """Inside the ``with``, give the model the moving averages of its weights, of the players that have one."""
        return averaged(self.optimizers.values())
