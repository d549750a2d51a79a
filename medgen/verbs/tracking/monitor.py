"""What is written of a training while it runs: its log, its panels, the distance of its samples."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from medgen.contract.capabilities import Reconstructs, Samples, Translates
from medgen.data.dataset import make_batch
from medgen.data.prepared import Prepared, evenly_spaced
from medgen.data.scorable import scorable
from medgen.engine.fit import Fit
from medgen.engine.running_means import LogRow
from medgen.files import appending, write_bytes, write_csv
from medgen.report.figures import image_grid, squares
from medgen.runs.run import Run
from medgen.runs.to_image import to_pixels
from medgen.types import Batch, OnProgress, no_progress
from medgen.verbs.distance import FIDTracker
from medgen.verbs.tracking.tracker import open_trackers

ROW = 16  # frames in one row of a panel; more make a block


class TrainingMonitor:
    """Writes ``log.csv``, ``steps.csv`` and the panels of a run while it trains, and tells its trackers.

    Parameters
    ----------
    run : being trained; rows of its logs that lie behind the position of `fit` belong to work that an interruption lost and go
    data : whose first or evenly spread validation frames the panels show; training frames where there are none
    fit : the training
    second : frames (n, C, S, S) of a second domain to show beside them, if there is one
    """

    def __init__(
        self, run: Run, data: Prepared, fit: Fit, second: Tensor | None = None, on_progress: OnProgress = no_progress
    ) -> None:
        self.run, self.fit, self.model = run, fit, fit.model
        epoch, history = fit.position.epoch, run.history()
        done = history[history["epoch"] <= epoch].to_dict("records") if len(history) else []
        self.rows = [LogRow({str(name): value for name, value in row.items()}) for row in done]
        _cut_half_a_line(run.folder / "steps.csv")
        if len(steps := run.history("steps.csv")):
            steps = steps[steps["step"] <= epoch * len(fit.train) + fit.position.step]
            write_csv(run.folder / "steps.csv", steps)
        self.columns: list[str] = []  # of steps.csv
        watched = run.settings.watch.every and isinstance(self.model, Samples)
        self.fid_tracker = FIDTracker(data, run.settings.watch, on_progress=on_progress) if watched else None
        self.open = ExitStack()
        self.trackers = self.open.enter_context(open_trackers(run, on_progress, epoch))
        rows, train_rows = (scorable(data, data.rows(split), run.settings.data.overlay) for split in ("val", "train"))
        rows = rows if len(rows) else train_rows
        count = min(run.settings.train.panel_frames, len(rows))
        chosen = rows[evenly_spaced(len(rows), count)] if run.settings.train.panel_choice == "spread" else rows[:count]
        batch = make_batch(data, chosen, run.settings.data.overlay, run.settings.classes)
        self.batch = batch if second is None else replace(batch, other=second[: len(batch)])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.open.close()

    def log_epoch(self, row: LogRow) -> None:
        """Note one epoch."""
        epoch = int(row["epoch"])
        if self.fid_tracker and isinstance(self.model, Samples) and epoch % self.run.settings.watch.every == 0:
            with self.fit.averaged(), self._own_randomness():
                row[f"diagnosis.{self.fid_tracker.name}"] = self.fid_tracker.measure(self.model)
        self.rows.append(LogRow(row))
        write_csv(self.run.folder / "log.csv", pd.DataFrame(self.rows))
        numbers = {name: float(value) for name, value in row.items()}
        self.trackers.tell(lambda tracker: tracker.numbers(numbers, epoch))
        interval = self.run.settings.train.panel_epochs
        if interval and (epoch % interval == 0 or epoch == 1 or self.fit.position.finished):
            with self.fit.averaged(), self._own_randomness():
                self._panel(epoch)

    def log_steps(self, row: LogRow) -> None:
        """Note some optimizer steps; another stage may bring other columns, for which the file is written anew."""
        path = self.run.folder / "steps.csv"
        if not self.columns and path.is_file():
            self.columns = pd.read_csv(path, nrows=0).columns.tolist()
        new = [name for name in row if name not in self.columns]
        if new and self.columns:
            write_csv(path, pd.concat([pd.read_csv(path), pd.DataFrame([row])]))
        else:
            with appending(path) as file:
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
        """Draw validation frames, their reconstructions and samples, or frames of both domains and their translations.

        Where there is a way back, each frame is followed by its translation, what comes back of that (its cycle), and what the
        generator into the frame's own domain makes of the frame itself (its identity).
        """
        blocks: list[NDArray[np.uint8]] = []
        batch = self.batch.to(self.fit.fabric.device)
        if isinstance(self.model, Translates) and batch.other is not None:
            if "BtoA" in self.model.directions:
                blocks += _there_and_back(self.model, batch, "AtoB", "BtoA")
                blocks += _there_and_back(self.model, replace(batch, image=batch.other), "BtoA", "AtoB")
            else:
                blocks += [to_pixels(batch.image), to_pixels(batch.other), to_pixels(self.model.translate(batch))]
        elif isinstance(self.model, Reconstructs):
            blocks += [to_pixels(batch.image), to_pixels(self.model.reconstruct(batch) * batch.valid)]
        if isinstance(self.model, Samples):
            blocks.append(to_pixels(self.model.sample(len(batch))))
        if blocks:
            path = self.run.folder / "panels" / f"epoch-{epoch:04}.png"
            write_bytes(path, _panel_of(blocks))
            self.trackers.tell(lambda tracker: tracker.picture("panels", path, epoch))


def _there_and_back(model: Translates, batch: Batch, there: str, back: str) -> list[NDArray[np.uint8]]:
    """Return frames, their translations, what comes back of these, and the frames translated into their own domain."""
    translated = model.translate(batch, there)
    cycle = model.translate(replace(batch, image=translated), back)
    return [to_pixels(frames) for frames in (batch.image, translated, cycle, model.translate(batch, back))]


def _cut_half_a_line(path: Path) -> None:
    """Take away the end of a table that rows are added to, where it is half a row: its process was killed while it wrote.

    A table of which not even the header is whole goes.
    """
    if path.is_file() and not (content := path.read_bytes()).endswith(b"\n"):
        if b"\n" in content:
            write_bytes(path, content[: content.rfind(b"\n") + 1])
        else:
            path.unlink()


def _panel_of(blocks: list[NDArray[np.uint8]]) -> bytes:
    """Lay frames, reconstructions and samples out below each other, or, where they are many, as squares side by side."""
    return image_grid([list(block) for block in blocks]) if len(blocks[0]) <= ROW else squares(blocks)
