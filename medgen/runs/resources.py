"""What a run cost: weights, time and memory, noted when it is trained; and how fast it scores, measured when it is asked for."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from lightning.fabric import Fabric

from medgen.contract.backend import Backend
from medgen.data.dataset import FixedBatches
from medgen.engine.device import Device, make_fabric
from medgen.engine.memory import MemoryMeter
from medgen.engine.score import score_batches
from medgen.files import read_json, write_json
from medgen.report.study.comparison import Cost
from medgen.runs.run import Run
from medgen.runs.scores import ScoreTable
from medgen.types import OnProgress, no_progress

FILE = "cost.json"
FRAMES = 128  # that are timed, at most
PASSES = 3


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
    peaks = {"peak_memory": memory.peak(), "peak_device_memory": memory.peak_device()}
    highest = {name: max(filter(None, (value, before.get(name))), default=None) for name, value in peaks.items()}
    _write(run, {"parameters": parameters(model), "training_seconds": seconds, **highest})


def recorded(run: Run) -> dict[str, Any]:
    """Return what is noted of a run; {} for one that was trained before costs were noted."""
    path = run.folder / FILE
    return read_json(path)


def cost(run: Run, scored: ScoreTable, device: Device = "auto", on_progress: OnProgress = no_progress) -> Cost:
    """Return what a run cost, with how fast it scores: measured once for the same weights and device, and kept in the run."""
    found, model, fabric = recorded(run), run.trained_model(), make_fabric(device, "float32")
    stamp = {"weights": run.weights_digest(), "timed_on": fabric.device.type}
    if not stamp.items() <= found.items():
        found |= stamp | {"frames_per_second": frames_per_second(run, model, scored, fabric, on_progress)}
        _write(run, found)
    history = run.history()
    return Cost(
        parameters=found.get("parameters", parameters(model)),
        training_seconds=found.get("training_seconds", float(history["seconds"].max()) if len(history) else None),
        frames_per_second=found["frames_per_second"],
        peak_memory=found.get("peak_memory"),
        peak_device_memory=found.get("peak_device_memory"),
    )


def frames_per_second(
    run: Run, model: Backend, scored: ScoreTable, fabric: Fabric, on_progress: OnProgress = no_progress
) -> float:
    """Return how many frames a run scores in a second: the median of `PASSES` passes over up to `FRAMES` of the scored frames.

    From frames in memory to results in memory, in float32, with all that the run's scoring adds to its backend; no file is read
    and none is written. One batch beforehand warms up and is not timed.
    """
    batches = list(FixedBatches(scored.data, scored.rows[:FRAMES], run.settings.data))
    marks = []
    given = [batches[0], *batches * PASSES]
    chosen = run.settings.scoring
    for _ in score_batches(
        model, given, fabric, "time", on_progress, scores_alone=True, settings=chosen, normal_reference=run.normal_reference()
    ):
        marks.append(time.perf_counter())
    passes = np.diff(marks[:: len(batches)])
    return sum(map(len, batches)) / float(np.median(passes))


def _write(run: Run, facts: dict[str, Any]) -> None:
    write_json(run.folder / FILE, facts)
