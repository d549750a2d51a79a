"""TensorBoard: event files in ``tensorboard/`` of the run."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch.utils.tensorboard import SummaryWriter

from medgen.verbs.tracking.tracker import shown

FOLDER = "tensorboard"
REPORT = ".report"  # how the name of the file ends that holds what a report measured; the next report replaces it


class TensorBoard:
    """A run as TensorBoard sees it (`medgen.verbs.tracking.tracker.Tracker`)."""

    known_as = ""

    def __init__(self, folder: Path, name: str, known_as: str, epoch: int) -> None:
        self.folder, self.epoch = folder / FOLDER, epoch
        self.board: SummaryWriter | None = None
        self.said: Mapping[str, Any] = {}

    def settings(self, values: Mapping[str, Any]) -> None:
        self.said = values

    def numbers(self, values: Mapping[str, float], epoch: int) -> None:
        for name, value in shown(values).items():
            self._open().add_scalar(name, value, epoch)

    def picture(self, name: str, path: Path, epoch: int) -> None:
        with Image.open(path) as opened:
            self._open().add_image(name, np.asarray(opened.convert("RGB")), epoch, dataformats="HWC")

    def result(self, measures: Mapping[str, float], page: Path) -> None:
        for earlier in self.folder.glob(f"*{REPORT}"):
            earlier.unlink()
        with SummaryWriter(str(self.folder), filename_suffix=REPORT) as board:
            for name, value in measures.items():
                board.add_scalar(name, value, self.epoch)

    def close(self) -> None:
        if self.board is not None:
            self.board.close()
        _forget_the_computer(self.folder)

    def _open(self) -> SummaryWriter:
        """Return the file that a training writes to; of what an interruption lost, it says that it does not count."""
        if self.board is None:
            self.board = SummaryWriter(str(self.folder), purge_step=self.epoch + 1)
            _forget_the_computer(self.folder)
            rows = "\n".join(f"| {name} | {value} |" for name, value in self.said.items())
            self.board.add_text("settings", f"| setting | value |\n|---|---|\n{rows}", self.epoch)
        return self.board


def _forget_the_computer(folder: Path) -> None:
    """Take the name of the computer, which TensorBoard writes there, out of the names of the files in a folder."""
    host = socket.gethostname()
    for path in folder.glob("events.out.tfevents.*"):
        path.rename(path.with_name(path.name.replace(f".{host}.", ".medgen.")))
