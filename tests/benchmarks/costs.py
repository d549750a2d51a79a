"""What training, scoring and preparing cost against the number of frames, their size and the number of latents.

python tests/benchmarks/costs.py [ROUNDS]

`endovae` on generated frames: seconds of a training step (16 frames, float32), of scoring a frame of a prepared set and of
preparing a frame of raw ones (JPEG). One of the three numbers goes through the values of `VARIED`, while the others stay as in
`BASE`; a raw frame has three times the side of its crop. All values of a row are gone through in turn, ROUNDS (3) times after one
that does not count. Prints as JSON for each the processor seconds of every round, and the exponent e of seconds = a x^e: the
least-squares line through the logarithms of all rounds, with its standard error. An exponent of 0 of the number of frames says
that a step, or a frame, costs the same in a large set as in a small one.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from timing import Took, in_turn, print_result
from training_overhead import Untimed

from medgen import registry
from medgen.data.dataset import DataSettings, FixedBatches, TrainingBatches
from medgen.data.prepared import Prepared, PrepareSettings
from medgen.data.preparing.prepare import prepare
from medgen.engine.device import make_fabric
from medgen.engine.fit import Fit, TrainSettings
from medgen.engine.score import score_batches

BASE = {"frames": 128, "size": 48, "latents": 6}
VARIED = {"frames": (96, 192, 384, 768), "size": (24, 32, 48, 64, 96), "latents": (6, 24, 96, 384)}
BATCH, STEPS = 16, 3  # frames of a step, steps of a round
CPU = torch.device("cpu")


def write_frames(folder: Path, count: int, side: int) -> Path:
    """Write so many frames of smooth random colours, each a file."""
    generator = np.random.default_rng(0)
    folder.mkdir(parents=True)
    for number in range(count):
        coarse = generator.integers(40, 220, (6, 6, 3), dtype=np.uint8)
        pixels = cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(folder / f"{number:05}.jpg"), pixels, [cv2.IMWRITE_JPEG_QUALITY, 95])
    return folder


def training(data: Prepared, latents: int) -> Callable[[], object]:
    """Return what takes `STEPS` steps of a training."""
    torch.manual_seed(0)
    model = registry.create("endovae", {"latents": latents}, data.size, data.channels)
    settings = DataSettings(batch_size=BATCH, epoch_frames=BATCH * STEPS)
    batches = TrainingBatches(data, settings, 0)
    how = TrainSettings(epochs=1000, early_stopping=0)
    fit: Fit = Untimed(model, batches, [], how, make_fabric("cpu", "float32"), Path(tempfile.gettempdir()))

    def train() -> None:
        epoch = fit.position.epoch
        fit.run(lambda row: None, stop=lambda: fit.position.epoch > epoch)

    return train


def scoring(data: Prepared, latents: int) -> Callable[[], object]:
    """Return what scores all frames of a data set."""
    torch.manual_seed(0)
    model = registry.create("endovae", {"latents": latents}, data.size, data.channels)
    return lambda: list(score_batches(model, FixedBatches(data, data.rows(), DataSettings()), CPU))


def preparing(folder: Path, size: int) -> None:
    with tempfile.TemporaryDirectory() as out:
        prepare(folder, Path(out) / "data", _settings(size), workers=1)


def fitted(values: list[int], took: list[list[float]]) -> dict[str, float]:
    """Return the exponent of the seconds and its standard error, of all rounds of each value."""
    x = np.log(np.repeat(values, [len(each) for each in took]).astype(float))
    y = np.log(np.concatenate([np.asarray(each) for each in took]))
    far = x - x.mean()
    slope = float(far @ y / (far @ far))
    left = y - y.mean() - slope * far
    error = float(np.sqrt(left @ left / (len(x) - 2) / (far @ far)))
    return {"exponent": round(slope, 3), "standard_error": round(error, 3)}


def row(works: Mapping[int, Callable[[], object]], units: Mapping[int, int], rounds: int) -> dict[str, Any]:
    """Return what each value costs, in processor seconds for each of so many units of its work, and the exponent."""
    took: dict[str, list[Took]] = in_turn({str(value): work for value, work in works.items()}, rounds)
    each = {value: [one.processor / units[value] for one in took[str(value)]] for value in works}
    return {"seconds": {value: [float(f"{one:.4g}") for one in of] for value, of in each.items()}} | fitted(
        [*each], [*each.values()]
    )


def main(rounds: int) -> None:
    result: dict[str, dict[str, Any]] = {"training a step": {}, "scoring a frame": {}, "preparing a frame": {}}
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as temporary:
        for name, values in VARIED.items():
            sets = {value: BASE | {name: value} for value in values}
            temporaries = {value: Path(temporary) / f"{name}{value}" for value in values}
            folders = {
                value: write_frames(temporaries[value] / "raw", of["frames"], 3 * of["size"]) for value, of in sets.items()
            }
            data = {
                value: prepare(folders[value], temporaries[value] / "data", _settings(of["size"])) for value, of in sets.items()
            }
            trainings = {value: training(data[value], of["latents"]) for value, of in sets.items()}
            scorings = {value: scoring(data[value], of["latents"]) for value, of in sets.items()}
            frames = {value: of["frames"] for value, of in sets.items()}
            result["training a step"][name] = row(trainings, dict.fromkeys(values, STEPS), rounds)
            result["scoring a frame"][name] = row(scorings, frames, rounds)
            if name != "latents":  # of which preparing knows nothing
                works = {value: partial(preparing, folders[value], of["size"]) for value, of in sets.items()}
                result["preparing a frame"][name] = row(works, frames, rounds)
    print_result({"base": BASE, "batch": BATCH, "costs": result})


def _settings(size: int) -> PrepareSettings:
    return PrepareSettings(size=size, assume="normal")


if __name__ == "__main__":
    from usage import arguments

    words = arguments(__doc__)
    main(int(words[0]) if words else 3)
