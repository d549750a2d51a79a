"""Where a training stands, and when its stages begin and end, in epochs: a border never falls inside one."""

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
    stage: int = 0  # that `best` is of
    best: float = math.inf
    best_epoch: int = 0
    seconds: float = 0.0  # of training steps and validations
    finished: str = ""  # why the training ended, "" while it goes on
    warning: str = ""  # what the backend's diagnosis said of the best weights
    warned: bool = False  # whether the user has been warned and it is not over


class Schedule:
    """The stages of a training of so many epochs; each has at least one epoch where there are enough.

    Parameters
    ----------
    stages : in order, the last one until 1
    epochs : in all
    """

    def __init__(self, stages: Sequence[Stage], epochs: int) -> None:
        self.stages, self.epochs = tuple(stages), epochs
        rest = len(self.stages) - 1  # stages still to come, each of which needs an epoch
        ends = [min(max(round(stage.until * epochs), k + 1), max(1, epochs - rest + k)) for k, stage in enumerate(self.stages)]
        self.ends = [*ends[:-1], epochs]

    def place(self, epoch: int) -> int:
        """Return which stage the epoch (from 0) belongs to."""
        return next((place for place, end in enumerate(self.ends) if epoch < end), len(self.ends) - 1)

    def progress(self, done: float) -> float:
        """Return the share of the training after so many epochs, stretched so that stages begin with an epoch."""
        return float(np.interp(done, [0, *self.ends], [0.0, *(stage.until for stage in self.stages)]))

    def share(self, done: float) -> float:
        """Return the share of its own stage that is done after so many epochs."""
        place = self.place(int(done))
        begin = self.ends[place - 1] if place else 0
        return (done - begin) / (self.ends[place] - begin)

    def last_progress(self, place: int) -> float:
        """Return the progress at which a stage is validated: the last that belongs to it."""
        last = place == len(self.stages) - 1
        return 1.0 if last else math.nextafter(self.stages[place].until, 0.0)
