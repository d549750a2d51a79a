"""Parts of `gpu.py`: speed, share of the step in kernels and peak memory of a backend, beside a plain loop over the same net.

The rival is what one writes by hand: float32, PyTorch's defaults (its Adam, convolutions in TF32 on a GPU), frames from host
memory batch by batch, the losses of the backend, and nothing that waits for the device. medgen trains as `medgen train` does,
with its own batches and in the precision that it chooses, validation and checkpoints aside; "resident" is the same with batches
that lie on the device already, so that what is lost by feeding shows. `dfm` has nothing to train and is timed while it scores.
"""

from __future__ import annotations

import gc
import math
import statistics
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from gpu_parts import Outcome, Setting, Skipped
from numpy.typing import NDArray
from timing import Took, in_turn, ratios, seconds
from torch.profiler import ProfilerActivity, profile

from medgen import api, registry
from medgen.backends.dfm import Model as Dfm
from medgen.contract.backend import Backend
from medgen.data.dataset import DataSettings, FixedBatches, TrainingBatches
from medgen.data.prepared import Prepared, PrepareSettings
from medgen.engine.device import make_fabric, move_model
from medgen.engine.fit import Fit
from medgen.engine.memory import MemoryMeter
from medgen.engine.score import score_batches
from medgen.engine.train_settings import TrainSettings
from medgen.types import Batch

ROUNDS = 3
ROUND_SECONDS = {False: 2.0, True: 0.2}  # of each loop in a round; True: at small sizes
BATCHES = 8  # different ones
WANTED_SHARE = 0.85  # of the step in kernels
Steps = Callable[[int], None]  # takes so many steps and waits for the device


class Case(NamedTuple):
    """Which net at which size.

    Attributes
    ----------
    size, batch : side of a frame in pixels, frames in a batch
    settings : of the backend
    wanted_share : of the step in kernels; 0 for any
    """

    size: int
    batch: int
    settings: tuple[str, ...] = ()
    wanted_share: float = 0.0


CASES = {
    "endovae": Case(96, 512, wanted_share=WANTED_SHARE),
    "wgan": Case(64, 256),
    "pix2pix": Case(256, 16),
    "dfm": Case(448, 32, ("model.sides=[320,448]",)),
}
SMALL = {
    "endovae": Case(32, 8),
    "wgan": Case(32, 8, ("model.width=8", "model.hidden=16")),
    "pix2pix": Case(32, 4, ("model.width=8", "model.critic_width=8")),
    "dfm": Case(32, 32, ("model.sides=[64]",)),
}


def speed(name: str, setting: Setting) -> Outcome:
    """Time the loops of one backend in turn, at least three rounds, then count what the kernels of one of them take."""
    case, device = (SMALL if setting.small else CASES)[name], torch.device(setting.device)
    loops, memory = built(name, case, device, setting.out)
    counts = {loop: steps_for(take, ROUND_SECONDS[setting.small]) for loop, take in loops.items()}
    took = in_turn({loop: (lambda take=take, loop=loop: take(counts[loop])) for loop, take in loops.items()}, ROUNDS)
    numbers: dict[str, Any] = {"size": case.size, "batch": case.batch, "steps": counts, "peak_memory_bytes": memory}
    numbers["seconds"] = {loop: seconds(rounds) for loop, rounds in took.items()}
    numbers["frames_per_second"] = {loop: rate(took[loop], counts[loop] * case.batch) for loop in loops}
    numbers["times_as_fast_as_plain"] = {
        loop: ratios(took[loop], took["plain"], counts[loop] / counts["plain"]) for loop in loops if loop != "plain"
    }
    numbers["kernel_share"] = shares = {}
    problem = ""
    try:
        for loop, take in loops.items() if device.type == "cuda" else ():
            shares[loop] = kernel_share(take, counts[loop], took[loop])
    except RuntimeError as error:  # what was timed is worth telling, whether a profiler may be used here or not
        problem = f"the share of the step in kernels is not known: {str(error).splitlines()[0]}"
    return Outcome(said(numbers, device.type), numbers, problem or missed(case, shares))


def said(numbers: dict[str, Any], device: str) -> str:
    """Return the line of the table."""
    clock = "wall" if device == "cuda" else "processor"  # a processor is shared with whatever else runs on it
    fast = numbers["times_as_fast_as_plain"]["medgen"][clock]
    rates = ", ".join(f"{loop} {value:,.0f}" for loop, value in numbers["frames_per_second"].items())
    held = ", ".join("not known" if most is None else f"{most / 2**20:,.0f}" for most in numbers["peak_memory_bytes"].values())
    shares = ", ".join(f"{share:.0%}" for share in numbers["kernel_share"].values())
    return (
        f"frames/s: {rates}; medgen {fast['median']} ({fast['low']} to {fast['high']}) times as fast as plain by {clock} clock; "
        f"peak memory in this order {held} MiB; "
        + (f"kernels {shares} of the step" if device == "cuda" else "the share in kernels cannot be told on a CPU")
    )


def missed(case: Case, shares: dict[str, float]) -> str:
    """Return why the share of the step in kernels is not the wanted one, "" where it is or none is known."""
    if not shares or shares["medgen"] >= case.wanted_share:
        return ""
    return f"kernels take {shares['medgen']:.0%} of the step, wanted {case.wanted_share:.0%}"


def rate(took: list[Took], frames: int) -> float:
    return round(frames / statistics.median(one.wall for one in took), 1)


def built(name: str, case: Case, device: torch.device, out: Path) -> tuple[dict[str, Steps], dict[str, int | None]]:
    """Return the loops, and how many bytes each held at most beyond what there was before it."""
    data = random_frames(case.size, BATCHES * case.batch)
    makers = {
        "medgen": lambda: scoring(name, case, data, device) if name == "dfm" else training(name, case, data, device, out),
        "plain": lambda: plain_scoring(name, case, data, device) if name == "dfm" else plain_training(name, case, data, device),
    }
    if name != "dfm":
        makers["resident"] = lambda: training(name, case, data, device, out, resident=True)
    loops, memory = {}, {}
    for loop, make in makers.items():
        meter = MemoryMeter(device)
        before = torch.cuda.memory_allocated(device) if device.type == "cuda" else 0
        loops[loop] = make()
        loops[loop](2)
        memory[loop] = meter.peak() if device.type == "cpu" else (meter.peak_device() or 0) - before
    return loops, memory


def random_frames(size: int, count: int) -> Prepared:
    """Return a data set in memory of smooth random frames, all of them normal training frames."""
    generator = np.random.default_rng(0)
    coarse = generator.integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)
    cells = np.arange(size) * 8 // size
    frames = coarse[:, cells][:, :, cells] // 2 + generator.integers(0, 128, (1, size, size, 3), dtype=np.uint8)  # (N, S, S, 3)
    names = [str(k) for k in range(count)]
    same = {"label": "normal", "finding": "normal", "split": "train", "copy": 0, "annotated": False, "status": "ok"}
    index = pd.DataFrame({"id": names, "path": names, "group": names, **same})
    settings = PrepareSettings(size=size)
    return Prepared(Path(), settings, "random frames", "", index, frames, np.ones(frames.shape[:3], bool), None, kind="folder")


def fresh(name: str, case: Case) -> Backend:
    torch.manual_seed(0)
    return registry.create(name, api.recipe(name, None, case.settings).model, case.size, 3)


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


class Resident:
    """Training batches that lie on the device already."""

    def __init__(self, batches: TrainingBatches, device: torch.device) -> None:
        self.batches = list(batches.epoch(0, 0, device))

    def __len__(self) -> int:
        return len(self.batches)

    def epoch(self, number: int, start: int = 0, device: object = None) -> Iterator[Batch]:
        yield from self.batches[start:]


class UnsavedFit(Fit):
    """A training that writes nothing, so that a round may end anywhere."""

    def save(self) -> None: ...

    def keep(self) -> None: ...


def training(name: str, case: Case, data: Prepared, device: torch.device, out: Path, resident: bool = False) -> Steps:
    """Return medgen's training loop."""
    settings = TrainSettings(epochs=10**6, early_stopping=0)
    batches = TrainingBatches(data, DataSettings(batch_size=case.batch), 0)
    fabric = make_fabric("cuda" if device.type == "cuda" else "cpu", settings.precision)
    fit = UnsavedFit(fresh(name, case), Resident(batches, device) if resident else batches, [], settings, fabric, out)

    def take(count: int) -> None:
        left = iter(range(count - 1, -1, -1))
        fit.run(lambda row: None, stop=lambda: next(left) <= 0)
        wait(device)

    return take


def plain_training(name: str, case: Case, data: Prepared, device: torch.device) -> Steps:
    """Return the loop that one writes by hand."""
    model = fresh(name, case).to(device).train()
    optimizers = {
        player: torch.optim.Adam(hand.parameters(), hand.optimizer.lr, hand.optimizer.betas)
        for player, hand in model.players.items()
    }

    def take(count: int) -> None:
        for batch in plain_batches(data, case.batch, count, device):
            for player, losses in model.turns(batch, 0.0):
                optimizers[player].zero_grad()
                torch.stack(list(losses.values())).sum().backward()
                optimizers[player].step()
        wait(device)

    return take


def plain_batches(data: Prepared, size: int, count: int, device: torch.device) -> Iterable[Batch]:
    """Yield `count` batches of random frames, brought to the device as bytes."""
    generator = np.random.default_rng(0)
    valid = torch.ones(size, 1, data.size, data.size, dtype=torch.bool, device=device)
    for _ in range(count):
        rows = generator.choice(len(data.frames), size, replace=False)
        image = torch.from_numpy(data.frames[rows]).to(device).permute(0, 3, 1, 2).float() / 255  # (B, 3, S, S)
        yield Batch(image, valid, torch.from_numpy(rows))


def scoring(name: str, case: Case, data: Prepared, device: torch.device) -> Steps:
    """Return medgen's scoring loop; one step is one batch."""
    model = move_model(fresh(name, case), device).eval()

    def take(count: int) -> None:
        rows: NDArray[np.int64] = np.arange(count * case.batch) % len(data.frames)
        for _ in score_batches(model, FixedBatches(data, rows, DataSettings(), batch_size=case.batch), device, scores_alone=True):
            pass
        wait(device)

    return take


def plain_scoring(name: str, case: Case, data: Prepared, device: torch.device) -> Steps:
    """Return a loop over the fixed net alone, at the sides that the backend looks at."""
    model = fresh(name, case)
    if not isinstance(model, Dfm):
        raise Skipped(f"'{name}' has no plain scoring loop")
    sides, coarsest = [net.settings.side for net in model.nets], max(model.config.features.strides)
    net = model.layers.net

    def take(count: int) -> None:
        with torch.no_grad():
            for batch in plain_batches(data, case.batch, count, device):
                for side in sides:
                    net.to(device).layers(batch.image, side, coarsest=coarsest)
        wait(device)

    return take


def steps_for(take: Steps, wanted: float) -> int:
    """Return how many steps take about so many seconds."""
    (one,) = in_turn({"": lambda: take(3)}, 1)[""]
    return min(5000, max(2, math.ceil(3 * wanted / one.wall)))


def kernel_share(take: Steps, count: int, took: list[Took]) -> float:
    """Return the share of a step, timed without a profiler, in which a kernel runs."""
    few = min(count, 10)
    gc.collect()
    with profile(activities=[ProfilerActivity.CUDA]) as seen:
        take(few)
    spans = [
        (event.time_range.start, event.time_range.end)
        for event in seen.events()
        if event.device_type == torch.autograd.DeviceType.CUDA
        and not getattr(event, "is_user_annotation", False)
        and not event.name.startswith(("Memcpy", "Memset"))
    ]
    step = statistics.median(one.wall for one in took) / count
    if not spans:
        raise RuntimeError("the profiler saw no kernel")
    return round(covered(spans) * 1e-6 / few / step, 3)


def covered(spans: Iterable[tuple[float, float]]) -> float:
    """Return how much of the time is covered by spans (start, end), which may overlap."""
    total, reached = 0.0, -math.inf
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total
