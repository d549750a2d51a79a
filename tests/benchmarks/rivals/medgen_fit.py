"""medgen's own loop on the same frames: python medgen_fit.py FRAMES.npy BATCH PRECISION."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from worker import THREADS, serve

from medgen import __version__, registry
from medgen.engine.device import Precision, make_fabric, precision_name
from medgen.engine.fit import Fit, TrainSettings
from medgen.types import Batch


class Frames:
    """Epochs of the frames in a random order."""

    def __init__(self, frames: torch.Tensor, size: int) -> None:
        self.frames, self.size = frames, size

    def __len__(self) -> int:
        return len(self.frames) // self.size

    def epoch(self, number: int, start: int = 0, device: torch.device | str = "cpu") -> Iterator[Batch]:
        """Yield the batches of an epoch."""
        order = torch.from_numpy(np.random.default_rng(number).permutation(len(self.frames)))
        for step in range(start, len(self)):
            rows = order[step * self.size : (step + 1) * self.size]
            yield Batch(self.frames[rows], torch.ones(len(rows), 1, *self.frames.shape[2:], dtype=torch.bool), rows)


class Untimed(Fit):
    """A training that writes nothing, as the rivals write nothing either."""

    def save(self) -> None:
        """Leave the state where it is."""

    def keep(self) -> None:
        """Leave the weights where they are."""


def main(path: str, batch: int, precision: Precision) -> None:
    torch.set_num_threads(THREADS)
    frames = torch.from_numpy(np.load(path))
    torch.manual_seed(0)
    fabric = make_fabric("cpu", precision)
    settings = TrainSettings(epochs=1000, early_stopping=0)
    model = registry.create("endovae", {}, frames.shape[-1], frames.shape[1])
    fit = Untimed(model, Frames(frames, batch), [], settings, fabric, Path(tempfile.gettempdir()))

    def epoch() -> None:
        last = fit.position.epoch
        fit.run(lambda row: None, stop=lambda: fit.position.epoch > last)

    serve(f"{__version__}, {precision_name(fabric)}", epoch)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), "float32" if sys.argv[3] == "float32" else "auto")
