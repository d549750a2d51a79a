"""How many epochs fit into a budget of time.

A training that is cut off is not a short training: learning rates, warm-ups and stages follow the share of it that is done. So
the number of epochs is chosen beforehand, by one rule for all backends: a few steps of each stage are timed, and the training
gets as many epochs, at most its own, as take `SHARE` of the budget.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from medgen.contract.backend import Stage
from medgen.data.dataset import FixedBatches
from medgen.data.scorable import scorable
from medgen.engine.device import Device, make_fabric, seed_all
from medgen.engine.fit import Fit
from medgen.engine.running_means import LogRow
from medgen.engine.stages import Schedule
from medgen.errors import RunError
from medgen.files import read_json, short_digest, write_json
from medgen.runs.folds import divide
from medgen.runs.models import build_model
from medgen.runs.versions import made_by
from medgen.types import Batch, TrainingData
from medgen.verbs.study.settings import seconds as seconds_of
from medgen.verbs.train import TrainingInputs

FILE = "plan.json"
SHARE = 0.9  # of the budget that is planned; panels, logs and a busier machine have the rest
TOLERANCE = 1.25  # times the budget, when a training that is slower than its trial is stopped
STEPS = 20  # timed at most, of each stage
WARM = 2  # steps of a stage that are not timed: first ones are slow
TRIAL = 0.05  # of the budget that the steps of a stage may take, once there are enough


class TimedBatches:
    """Training batches of which each epoch ends after a few steps; notes when each was asked for.

    Parameters
    ----------
    batches : of the real training
    limit : seconds after which an epoch ends that has enough steps
    """

    def __init__(self, batches: TrainingData, limit: float) -> None:
        self.batches, self.limit = batches, limit
        self.marks: list[float] = []  # of the last epoch

    def __len__(self) -> int:
        return len(self.batches)

    def divides(self, step: int, count: int) -> bool:
        return self.batches.divides(step, count)

    def epoch(
        self, number: int, start: int = 0, device: torch.device | str = "cpu", part: tuple[int, int] = (0, 1)
    ) -> Iterator[Batch]:
        """Yield the first batches of an epoch."""
        self.marks = []
        for batch in self.batches.epoch(number, start, device, part):
            self.marks.append(time.monotonic())
            taken = len(self.marks) - 1
            if taken >= STEPS or (taken > WARM and self.marks[-1] - self.marks[0] > self.limit):
                return
            yield batch
        self.marks.append(time.monotonic())

    def epoch_seconds(self) -> float:
        """Return what a whole epoch like the last one takes, with the validation that has just ended."""
        steps = np.diff(self.marks)
        return float(steps[min(WARM, len(steps) - 1) :].mean() * len(self) + time.monotonic() - self.marks[-1])


def stage_seconds(inputs: TrainingInputs, device: Device, limit: float, stop: Callable[[], bool] = lambda: False) -> list[float]:
    """Return how long an epoch of each stage takes, in seconds: so many steps and a validation.

    Parameters
    ----------
    limit : seconds that the steps of one stage may take, once there are enough of them to tell

    Raises
    ------
    RunError : if a loss is no longer a finite number.
    """
    data, settings = inputs.data, inputs.settings
    seed_all(settings.train.seed)
    model = build_model(settings, data.size, data.channels)
    divide(model, data, settings.data, settings.scoring, settings.train.seed)
    trial, seconds = TimedBatches(inputs.batches, limit), []

    def note(row: LogRow) -> None:
        seconds.append(trial.epoch_seconds())

    validation = FixedBatches(data, scorable(data, data.rows("val"), settings.data.overlay), settings.data, settings.classes)
    short = settings.train.model_copy(update={"epochs": len(model.stages), "early_stopping": 0, "log_steps": 0})
    with TemporaryDirectory() as folder:
        fabric = make_fabric(device, settings.train.precision)
        Fit(model, trial, validation, short, fabric, Path(folder)).run(note, stop=stop)
    return seconds


def fitting(stages: Sequence[Stage], seconds: Sequence[float], most: int, budget: float) -> int:
    """Return how many epochs, `most` at the most, take no longer than the budget; 0 where one of each stage does.

    Parameters
    ----------
    seconds : of an epoch of each stage
    budget : in seconds
    """

    def taken(epochs: int) -> float:
        return float(np.diff([0, *Schedule(stages, epochs).ends]) @ np.asarray(seconds))

    return max((epochs for epochs in range(min(len(stages), most), most + 1) if taken(epochs) <= budget), default=0)


def planned(
    inputs: TrainingInputs,
    name: str,
    budget: str,
    folder: Path,
    device: Device = "auto",
    stop: Callable[[], bool] = lambda: False,
) -> int:
    """Return the epochs that an entry of a study trains for; they are measured once and kept in the study's folder.

    A detector that fits in one pass, and a study without a budget, keep their own.

    Raises
    ------
    RunError : if the budget is too short for an epoch of each stage, or was over during the trial, which is stopped then; or
        `stop` said so on the way.
    """
    most = inputs.settings.train.epochs
    if not budget or inputs.batches.requirements.single_pass:
        return most
    plans = read_json(folder / FILE)
    asked = inputs.settings.model_dump(mode="json")
    stamp = {"made_by": made_by("plan"), "budget": budget, "settings": short_digest(inputs.data.digest, json.dumps(asked))}
    if not stamp.items() <= plans.get(name, {}).items():
        stages = build_model(inputs.settings, inputs.data.size, inputs.data.channels).stages
        ends = time.monotonic() + seconds_of(budget)
        took = stage_seconds(inputs, device, TRIAL * seconds_of(budget), lambda: stop() or time.monotonic() > ends)
        if len(took) < len(stages):
            if stop():
                raise RunError("stopped while its speed was measured")
            raise RunError(
                f"a budget of {budget} is too short: it was over before a few steps of each stage were; give more, or set a "
                "smaller data.batch_size"
            )
        epochs = fitting(stages, took, most, SHARE * seconds_of(budget))
        if not epochs:
            raise RunError(
                f"a budget of {budget} is too short: an epoch of each stage takes about {sum(took):.0f} s; give more, or set "
                "data.epoch_frames"
            )
        plans[name] = stamp | {"epochs": epochs, "of": most, "epoch_seconds": took}
        write_json(folder / FILE, plans)
    return int(plans[name]["epochs"])
