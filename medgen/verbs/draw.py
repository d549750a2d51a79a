"""Reconstruct frames and draw new ones with a trained run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from medgen import registry
from medgen.data.dataset import FixedBatches
from medgen.engine.device import Device, make_fabric, seed_all
from medgen.engine.score import score_batches
from medgen.files import write_bytes
from medgen.report.figures import image_grid
from medgen.runs.run import Run, open_run
from medgen.runs.scores import class_index, picture_name
from medgen.runs.to_image import png, to_pixels
from medgen.types import OnProgress, no_progress
from medgen.verbs.score import Split, chosen_rows, open_input


def reconstruct(
    run_folder: Path,
    given: Path,
    out: Path,
    *,
    split: Split | None = None,
    label: str = "",
    device: Device = "auto",
    on_progress: OnProgress = no_progress,
) -> int:
    """Write the reconstruction of each frame as PNG, under the frame's own name; return how many.

    `label` is as in `score`.

    Raises
    ------
    BackendError : if the backend does not reconstruct.
    """
    run = open_run(run_folder)
    model = run.trained_model()
    registry.require(model, "reconstruct")
    data = open_input(run, given, out, on_progress)
    rows = chosen_rows(data, given, split)
    batches = FixedBatches(data, rows, run.settings.data, told=class_index(model, label))
    for scored in score_batches(model, batches, make_fabric(device, "float32"), "reconstruct", on_progress):
        assert scored.reconstruction is not None
        for row, pixels in zip(scored.batch.index.tolist(), to_pixels(scored.reconstruction), strict=True):
            write_bytes(out / picture_name(data.index["path"].iloc[row]), png(pixels))
    return len(rows)


def draw_samples(run: Run, n: int, seed: int, device: Device = "auto", label: str = "") -> NDArray[np.uint8]:
    """Return n new frames, (n, S, S, 3) uint8, of class `label` where one is given; the same seed draws the same frames."""
    model = run.trained_model()
    registry.require(model, "sample")
    place = class_index(model, label)
    fabric = make_fabric(device, "float32")
    model.to(fabric.device).eval()
    seed_all(seed)
    with torch.inference_mode():
        told = {} if place is None else {"label": place}
        return np.concatenate([to_pixels(model.sample(count, **told)) for count in _portions(n, 64)])  # type: ignore[operator]


def _portions(n: int, most: int) -> Iterator[int]:
    for start in range(0, n, most):
        yield min(most, n - start)


def sample(run_folder: Path, out: Path, n: int = 9, *, seed: int = 0, label: str = "", device: Device = "auto") -> Path:
    """Draw n new frames, of class `label` where one is given, into one picture, as square as can be, or a file each.

    `out` that ends in .png is the picture; any other is a folder of frames at their own size, fit to be read with ``folder:``.

    Raises
    ------
    BackendError : if the backend does not sample, or is not told of that class.
    """
    pixels = draw_samples(open_run(run_folder), n, seed, device, label)
    if out.suffix.lower() != ".png":
        for place, frame in enumerate(pixels):
            write_bytes(out / f"{place:05}.png", png(frame))
        return out
    columns = int(np.ceil(np.sqrt(n)))
    rows: list[list[NDArray[np.uint8] | None]] = [list(pixels[start : start + columns]) for start in range(0, n, columns)]
    write_bytes(out, image_grid(rows, side=pixels.shape[1]))
    return out
