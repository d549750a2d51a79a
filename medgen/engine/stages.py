"""Where a training stands, and in which epoch each of its stages begins and ends: never in the middle of one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medgen.contract.backend import Stage


@dataclass
class Position:
    """Where a training stands; everything here survives an interruption."""

    epoch: int = 0
    step: int = 0  # within the epoch
    stage: int = 0  # index of the stage that `best` belongs to
    best: float = math.inf
    best_epoch: int = 0
    seconds: float = 0.0  # of training steps and validations
    finished: str = ""  # why the training ended, "" while it goes on
    warning: str = ""  # what the backend's diagnosis said of the best weights
    returns: int = 0  # how often it broke and went back to a state on disk (`divergence`)
    warned: bool = False  # whether the user was warned and has not been told that it is over

    def ended(self, epochs: int, patience: int) -> str:
        """Return why a training of so many epochs has ended, or "" if it has not; `patience` in epochs, 0 for any."""
        waited = self.epoch - self.best_epoch
        if self.epoch >= epochs:
            return f"all {self.epoch} epochs done"
        return f"no better validation loss for {waited} epochs" if patience and waited >= patience else ""


class Schedule:
    """The stages of a training of so many epochs; each has at least one epoch where there are enough.

    Parameters
    ----------
    stages : in order, the last one until 1
    epochs : number of epochs of all stages together
    """

    def __init__(self, stages: Sequence[Stage], epochs: int) -> None:
        self.stages, self.epochs = tuple(stages), epochs
        rest = len(self.stages) - 1  # stages after the first, each of which needs an epoch
        ends = [min(max(round(stage.until * epochs), k + 1), max(1, epochs - rest + k)) for k, stage in enumerate(self.stages)]
        self.ends = [*ends[:-1], epochs]

    def stage_index(self, epoch: int) -> int:
        """Return the index of the stage that an epoch, counted from 0, belongs to."""
        return next((index for index, end in enumerate(self.ends) if epoch < end), len(self.ends) - 1)

    def progress(self, done: float) -> float:
        """Return the progress after `done` epochs, 0 to 1; within a stage it grows evenly from the stage's begin to its end."""
        return float(np.interp(done, [0, *self.ends], [0.0, *(stage.until for stage in self.stages)]))

    def share(self, done: float) -> float:
        """Return the share, 0 to 1, that is done of the present stage after `done` epochs."""
        stage = self.stage_index(int(done))
        begin = self.ends[stage - 1] if stage else 0
        return (done - begin) / (self.ends[stage] - begin)

    def last_progress(self, stage: int) -> float:
        """Return the progress at which the stage of that index is validated: the last that belongs to it."""
        last = stage == len(self.stages) - 1
        return 1.0 if last else math.nextafter(self.stages[stage].until, 0.0)
