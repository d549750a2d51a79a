"""Scores of a run on disk: made once for the same weights and frames, read again after that."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import Tensor

from medgen import registry
from medgen.config import read_toml, to_toml
from medgen.contract.backend import Backend
from medgen.contract.capabilities import Conditional
from medgen.data.dataset import FixedBatches
from medgen.data.prepared import Prepared, read_table
from medgen.engine.device import Device, make_fabric
from medgen.engine.score import Scored, score_batches
from medgen.errors import BackendError, did_you_mean
from medgen.files import replacing, short_digest, write_bytes, write_csv, write_text
from medgen.metrics.image import psnr, ssim
from medgen.report.figures import heat, image_grid
from medgen.runs.calibrate import component_table, decide
from medgen.runs.run import Run
from medgen.runs.to_image import to_pixels
from medgen.types import Batch, OnProgress, no_progress

COPIED = ["id", "path", "label", "finding", "split", "group"]  # columns of the index that a table of scores repeats


@dataclass(frozen=True)
class ScoreTable:
    """Scores on disk: ``scores.csv``, and ``maps.npy`` (N, S, S) float32 where the backend localises; row k belongs to map k."""

    table: pd.DataFrame
    maps: NDArray[np.float32] | None
    data: Prepared
    rows: NDArray[np.int64]  # of the data set


def class_index(model: Backend, label: str) -> int | None:
    """Return the place of a class in a conditional backend's own order; None for "".

    Raises
    ------
    BackendError : if the backend is told of no classes, or not of this one.
    """
    if not label:
        return None
    registry.require(model, "classes")
    assert isinstance(model, Conditional)
    classes = model.classes
    if label not in classes:
        hint = did_you_mean(label, classes) if classes else "it was trained without classes"
        raise BackendError(f"this run knows no class '{label}'; {hint}")
    return classes.index(label)


def score_rows(
    run: Run,
    data: Prepared,
    rows: NDArray[np.int64],
    out: Path,
    pictures: bool,
    device: Device,
    on_progress: OnProgress = no_progress,
    label: str = "",
) -> ScoreTable:
    """Score the given rows of a data set into `out`; finished scores of the same weights and frames are read again instead."""
    chosen = short_digest(rows.tobytes())
    stamp = {"weights": run.weights_digest(), "data": data.digest, "rows": chosen, "pictures": pictures, "label": label}
    if (out / "scores.toml").is_file() and read_toml(out / "scores.toml") == stamp:
        table = decide(run, read_table(out / "scores.csv"))  # the threshold may have been moved since
        write_csv(out / "scores.csv", table)
        return _read_scores(data, rows, out)
    model, normal_reference, fabric = run.trained_model(), run.normal_reference(), make_fabric(device, "float32")
    batches = FixedBatches(data, rows, run.settings.data, told=class_index(model, label))
    (out / "scores.toml").unlink(missing_ok=True)
    columns: list[pd.DataFrame] = []
    with replacing(out / "maps.npy") as temporary:
        maps = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.float32, shape=(len(rows), data.size, data.size))
        start = 0
        for scored in score_batches(
            model, batches, fabric, "score", on_progress, settings=run.settings.scoring, normal_reference=normal_reference
        ):
            if scored.scores.map is not None:
                maps[start : start + len(scored.batch)] = scored.scores.map[:, 0].numpy()
            columns.append(_measure(scored, model))
            start += len(scored.batch)
            if pictures:
                _write_pictures(run, data, scored, out / "maps")
        maps.flush()
        localises = scored.scores.map is not None
    if not localises:
        (out / "maps.npy").unlink()
    index = data.index.iloc[rows].reset_index(drop=True)
    table = pd.concat([index[COPIED], decide(run, pd.concat(columns, ignore_index=True))], axis=1)
    write_csv(out / "scores.csv", table)
    write_csv(out / "rejected.csv", data.rejected())
    write_text(out / "scores.toml", to_toml(stamp))
    return _read_scores(data, rows, out)


def _read_scores(data: Prepared, rows: NDArray[np.int64], out: Path) -> ScoreTable:
    maps = np.load(out / "maps.npy", mmap_mode="r") if (out / "maps.npy").is_file() else None
    return ScoreTable(read_table(out / "scores.csv"), maps, data, rows)


def _measure(scored: Scored, model: Backend) -> pd.DataFrame:
    """Return the raw score, its parts, how well each frame, or what belongs to it, was drawn, and what classifiers call it."""
    batch, _, drawn, classes = scored
    columns: dict[str, Tensor] = {}
    if drawn is not None:
        truth = partner(model, batch)
        image, blanked = (batch.image if truth is None else truth) * batch.valid, drawn * batch.valid
        columns |= {"psnr": psnr(image, blanked), "ssim": ssim(image, blanked)}
        columns |= {"psnr_valid": psnr(image, drawn, batch.valid), "ssim_valid": ssim(image, drawn, batch.valid)}
    table = pd.concat([component_table(scored), pd.DataFrame({name: values.numpy() for name, values in columns.items()})], axis=1)
    names = np.array(getattr(model, "classes", ()), dtype=object)
    return table.assign(**{f"class_{name.replace(' ', '_')}": names[places.numpy()] for name, places in classes.items()})


def partner(model: Backend, batch: Batch) -> Tensor | None:
    """Return what a model that draws from pairs should draw, (B, C, S, S): their second frames; None for any other."""
    return batch.other if type(model).requirements(model.config).other == "pair" else None


def map_high(run: Run) -> float:
    """Return where the colour scale of maps ends: five times the median score of normal validation frames, else 0.05."""
    scores = run.calibration().get("scores")
    return 5 * float(np.median(scores)) if scores else 0.05


def _write_pictures(run: Run, data: Prepared, scored: Scored, folder: Path) -> None:
    """Write original, reconstruction and map of each frame, side by side, under its own name."""
    originals, high = data.frames[scored.batch.index.numpy()], map_high(run)
    drawn = [None] * len(originals) if scored.reconstruction is None else list(to_pixels(scored.reconstruction))
    for k, original in enumerate(originals):
        shown: list[NDArray[np.uint8] | None] = [original, drawn[k]]
        if scored.scores.map is not None:
            shown.append(heat(scored.scores.map[k, 0].numpy(), scored.batch.valid[k, 0].numpy(), high))
        path = data.index["path"].iloc[int(scored.batch.index[k])]
        write_bytes(folder / picture_name(path), image_grid([shown]))


def picture_name(path: str) -> str:
    """Return the name of a frame's picture: its own with ``.png`` behind it, so that a.jpg and a.bmp do not collide."""
    return f"{path}.png"
