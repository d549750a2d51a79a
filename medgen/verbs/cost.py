"""What a run cost: weights, time and memory, noted when it is trained; and how fast it scores, measured when it is asked for."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from medgen.backends._base import Backend
from medgen.data.dataset import FixedBatches
from medgen.engine.device import Device, make_fabric
from medgen.engine.memory import MemoryMeter
from medgen.engine.score import score_batches
from medgen.files import write_text
from medgen.report.comparison import Cost
from medgen.types import Batch, OnProgress, Progress, silent
from medgen.verbs.run import Run
from medgen.verbs.score import ScoreTable

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
    seconds : of training steps and validations, all sessions together
    memory : begun with this session
    """
    before = recorded(run)
    peaks = {"peak_memory": memory.peak(), "peak_device_memory": memory.peak_device()}
    highest = {name: max(filter(None, (value, before.get(name))), default=None) for name, value in peaks.items()}
    _write(run, {"parameters": parameters(model), "training_seconds": seconds, **highest})


def recorded(run: Run) -> dict[str, Any]:
    """Return what is noted of a run; {} for one that was trained before costs were noted."""
    path = run.folder / FILE
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def cost(run: Run, scored: ScoreTable, device: Device = "auto", on_progress: OnProgress = silent) -> Cost:
    """Return what a run cost, with how fast it scores.

    Frames per second are those of `PASSES` passes over up to `FRAMES` scored frames, the median, after one batch to warm up:
    frames in memory, backend and all that the run's scoring adds, in float32, results back on the CPU; no file is read and none
    written. It is measured once for the same weights and device, and kept in the run.
    """
    found = recorded(run)
    model = run.trained()
    fabric = make_fabric(device, "float32")
    stamp = {"weights": run.weights_digest(), "timed_on": fabric.device.type}
    if {name: found.get(name) for name in stamp} != stamp:
        batches = list(FixedBatches(scored.data, scored.rows[:FRAMES], run.settings.data))

        def seconds(some: Sequence[Batch]) -> float:
            began = time.perf_counter()
            for _ in score_batches(model, some, fabric, scores_alone=True, settings=run.settings.scoring, usual=run.usual()):
                pass
            return time.perf_counter() - began

        seconds(batches[:1])
        passes = []
        for done in range(1, PASSES + 1):
            passes.append(seconds(batches))
            on_progress(Progress("time", done, PASSES))
        found |= stamp | {"frames_per_second": sum(map(len, batches)) / float(np.median(passes))}
        _write(run, found)
    history = run.history()
    return Cost(
        parameters=found.get("parameters", parameters(model)),
        training_seconds=found.get("training_seconds", float(history["seconds"].max()) if len(history) else None),
        frames_per_second=found["frames_per_second"],
        peak_memory=found.get("peak_memory"),
        peak_device_memory=found.get("peak_device_memory"),
    )


def _write(run: Run, facts: dict[str, Any]) -> None:
    write_text(run.folder / FILE, json.dumps(facts, indent=1) + "\n")
