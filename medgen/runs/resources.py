"""What a run cost (``cost.json``): weights, time and memory, noted when it is trained, and its speed, measured on demand."""

from __future__ import annotations

import copy
import time
from typing import TypedDict, cast

import numpy as np
import torch

from medgen.contract.backend import Backend
from medgen.data.dataset import FixedBatches
from medgen.engine.device import Device, find_device
from medgen.engine.memory import MemoryMeter
from medgen.engine.score import score_batches
from medgen.files import read_json, write_json
from medgen.report.study.comparison import Cost
from medgen.runs.run import Run
from medgen.runs.score_table import ScoreTable
from medgen.runs.versions import made_by
from medgen.types import OnProgress, no_progress

FILE = "cost.json"
FRAMES = 128  # that are timed, at most
PASSES = 3


class Record(TypedDict, total=False):
    """What ``cost.json`` says of a run."""

    parameters: int  # weights that were trained
    training_seconds: float  # of steps and validations
    peak_memory: int | None  # bytes that the training added to the process; None where the system does not say
    peak_device_memory: int | None  # bytes of tensors on the GPU; None where there was none
    frames_per_second: float  # scored, by the weights, code and kind of device named beside it
    made_by: str
    weights: str
    timed_on: str


def parameters(model: Backend) -> int:
    """Return how many weights are trained; 0 for a detector that fits in one pass, whose memory is no weight."""
    return sum(weight.numel() for player in model.players.values() for weight in player.parameters())


def note_cost(run: Run, model: Backend, seconds: float, memory: MemoryMeter) -> None:
    """Write what a training took into the run; of one that went on after an interruption the higher peaks count.

    Parameters
    ----------
    seconds : of training steps and validations, all parts of the training together
    memory : begun with this part of the training
    """
    before = recorded(run)
    record: Record = {
        "parameters": parameters(model),
        "training_seconds": seconds,
        "peak_memory": _higher(memory.peak(), before.get("peak_memory")),
        "peak_device_memory": _higher(memory.peak_device(), before.get("peak_device_memory")),
    }
    write_json(run.folder / FILE, record)


def _higher(one: int | None, other: int | None) -> int | None:
    return max(filter(None, (one, other)), default=None)


def recorded(run: Run) -> Record:
    """Return what is noted of a run; {} for one that was trained before costs were noted."""
    return cast(Record, read_json(run.folder / FILE))


def cost(
    run: Run, scored: ScoreTable, *, model: Backend | None = None, device: Device = "auto", on_progress: OnProgress = no_progress
) -> Cost:
    """Return what a run cost, with how fast it scores: measured once for the same weights, device and code, and kept in the run.

    Parameters
    ----------
    scored : frames that are scored again where the speed is not known yet
    model : the run's trained model, where it is in memory already; it stays as it is

    Raises
    ------
    RunError : if the run has no trained weights.
    """
    record, where = recorded(run), find_device(device)
    model = run.trained_model() if model is None else model
    stamp: Record = {"made_by": made_by("cost"), "weights": run.weights_digest(), "timed_on": where.type}
    if not stamp.items() <= record.items():
        record |= stamp
        record["frames_per_second"] = frames_per_second(run, copy.deepcopy(model), scored, where, on_progress)
        if run.writable():
            write_json(run.folder / FILE, record)
    history = run.history()
    return Cost(
        parameters=record.get("parameters", parameters(model)),
        training_seconds=record.get("training_seconds", float(history["seconds"].max()) if len(history) else None),
        frames_per_second=record["frames_per_second"],
        peak_memory=record.get("peak_memory"),
        peak_device_memory=record.get("peak_device_memory"),
    )


def frames_per_second(
    run: Run, model: Backend, scored: ScoreTable, device: torch.device, on_progress: OnProgress = no_progress
) -> float:
    """Return how many frames a run scores in a second: the median of `PASSES` passes over up to `FRAMES` of the scored frames.

    From frames in memory to results in memory, in float32, with all that the run's scoring adds to its backend; no file is read
    and none is written. One batch beforehand warms up and is not timed.
    """
    batches = list(FixedBatches(scored.data, scored.rows[:FRAMES], run.settings.data))
    timed = score_batches(
        model,
        [batches[0], *batches * PASSES],
        device,
        "time",
        on_progress,
        scores_alone=True,
        settings=run.settings.scoring,
        normal_reference=run.normal_reference(),
    )
    marks = [time.perf_counter() for _ in timed]
    passes = np.diff(marks[:: len(batches)])
    return sum(map(len, batches)) / float(np.median(passes))
