"""What a run cost: weights, time and memory, noted when it is trained; and how fast it scores, measured when it is asked for."""

from __future__ import annotations

import copy
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
from medgen.runs.versions import made_by
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
    write_json(run.folder / FILE, {"parameters": parameters(model), "training_seconds": seconds, **highest})


def recorded(run: Run) -> dict[str, Any]:
    """Return what is noted of a run; {} for one that was trained before costs were noted."""
    return read_json(run.folder / FILE)


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
    facts, fabric = recorded(run), make_fabric(device, "float32")
    model = run.trained_model() if model is None else model
    stamp = {"made_by": made_by("cost"), "weights": run.weights_digest(), "timed_on": fabric.device.type}
    if not stamp.items() <= facts.items():
        facts |= stamp | {"frames_per_second": frames_per_second(run, copy.deepcopy(model), scored, fabric, on_progress)}
        write_json(run.folder / FILE, facts)
    history = run.history()
    return Cost(
        parameters=facts.get("parameters", parameters(model)),
        training_seconds=facts.get("training_seconds", float(history["seconds"].max()) if len(history) else None),
        frames_per_second=facts["frames_per_second"],
        peak_memory=facts.get("peak_memory"),
        peak_device_memory=facts.get("peak_device_memory"),
    )


def frames_per_second(
    run: Run, model: Backend, scored: ScoreTable, fabric: Fabric, on_progress: OnProgress = no_progress
) -> float:
    """Return how many frames a run scores in a second: the median of `PASSES` passes over up to `FRAMES` of the scored frames.

    From frames in memory to results in memory, in float32, with all that the run's scoring adds to its backend; no file is read
    and none is written. One batch beforehand warms up and is not timed.
    """
    batches = list(FixedBatches(scored.data, scored.rows[:FRAMES], run.settings.data))
    timed = score_batches(
        model,
        [batches[0], *batches * PASSES],
        fabric,
        "time",
        on_progress,
        scores_alone=True,
        settings=run.settings.scoring,
        normal_reference=run.normal_reference(),
    )
    marks = [time.perf_counter() for _ in timed]
    passes = np.diff(marks[:: len(batches)])
    return sum(map(len, batches)) / float(np.median(passes))
