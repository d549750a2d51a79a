"""Scores of a run on disk: made once for the same weights, frames and code, read again after that."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from medgen.config import read_toml, to_toml
from medgen.contract.backend import Backend
from medgen.data.dataset import FixedBatches
from medgen.data.prepared import Prepared, read_table
from medgen.data.scorable import LEAST_VALID, is_scored, left_out, valid_shares
from medgen.engine.device import Device, find_device
from medgen.engine.runtime import Engine, Runtime, open_engine
from medgen.engine.score import Scored, score_batches
from medgen.files import csv_text, digest_of, disk_name, replacing, short_digest, write_bytes, write_csv, write_text
from medgen.outputs.lock import locked, remove_dead_lock
from medgen.outputs.own_files import remove_earlier
from medgen.report.evaluate import CLASS
from medgen.report.figures import heat, image_grid
from medgen.runs.calibrating.calibrate import decide, renew_calibration
from medgen.runs.frame_columns import COPIED, RawColumns, described, find_class
from medgen.runs.run import Run
from medgen.runs.score_table import ScoreTable
from medgen.runs.to_image import to_pixels
from medgen.runs.versions import is_current, made_by
from medgen.types import OnProgress, Progress, no_progress

STAMP = "scores.toml"  # written last: which weights, frames and code made the scores beside it
SCORED = (STAMP, "scores.csv")  # one of them is in each folder of scores
MAPS = "maps.npy"  # there where the backend draws maps, which the stamp says
PICTURES = "maps"  # their folder
PARITY = "parity"  # section of the stamp: how far another engine than PyTorch was from it
NAMING = ["id", "path", "group"]  # those of them whose texts many frames do not share


def scores_folder(run: Run, data: Prepared, split: str, out: Path) -> Path:
    """Return where scores of a split ("other": of the second domain) are kept: the run has its own, `out` those of other data.

    A run that cannot be written, such as one in an archive, stays as it is; scores that it holds already are read there.
    """
    name = "scores" if split == "test" else f"scores-{split}"
    own = data.digest == (run.origin.other_digest if split == "other" else run.origin.data_digest)
    return (run.folder if own and (run.writable() or still_hold(run, run.folder / name)) else out) / name


def still_hold(run: Run, folder: Path) -> bool:
    """Tell whether a folder holds whole scores that the run's present weights and this code would give again."""
    stamp = read_toml(folder / STAMP) if (folder / STAMP).is_file() else {}
    of_now = is_current("scores", stamp) and stamp.get("weights") == run.weights_digest()
    return of_now and _are_whole(folder, stamp)


def _are_whole(folder: Path, stamp: Mapping[str, Any]) -> bool:
    """Tell whether a folder has the table that its stamp names, the maps and the pictures: some throw away what is large."""
    large = {MAPS: stamp.get("maps"), PICTURES: stamp.get("pictures")}
    there = all((folder / name).exists() for name, made in large.items() if made)
    return there and stamp.get("scores") == digest_of(folder / "scores.csv")


def score_rows(
    run: Run,
    data: Prepared,
    rows: NDArray[np.int64],
    out: Path,
    *,
    model: Backend | None = None,
    pictures: bool = False,
    label: str = "",
    device: Device = "auto",
    runtime: Runtime = "torch",
    on_progress: OnProgress = no_progress,
) -> ScoreTable:
    """Score the given rows of a data set into `out`; finished scores of the same weights, frames and code are read instead.

    Decisions and quantiles are made anew each time, as the threshold may have been moved since. Frames that cannot be scored
    (`data/scorable.py`) are left out of the batches, so that the others get the scores that they would have without them.

    Parameters
    ----------
    rows : of the data set
    out : folder for ``scores.csv``, ``maps.npy``, ``rejected.csv`` and ``scores.toml``, which says what made them
    model : the run's trained model, where it is in memory already; it stays as it is
    pictures : write original, reconstruction and map of each frame to ``maps/``, too
    label : class of which every frame is said to be, for a backend that can be told; "" lets it choose
    runtime : what runs the nets; scores that another one made are made anew, and the calibration is always PyTorch's

    Raises
    ------
    RunError : if the run has no weights, or its calibration is of another version and cannot be made again.
    BackendError : if the backend does not know the class.
    MedgenError : if the calibration does not belong to the weights.
    FolderError : if another process writes into `out`.
    """
    stamp = {
        "made_by": made_by("scores"),
        "weights": run.weights_digest(),
        "data": data.digest,
        "rows": short_digest(rows.tobytes()),
        "pictures": pictures,
        "label": label,
    }
    engine = open_engine(runtime)
    stamp |= {"runtime": engine.name} if engine is not None else {}
    remove_dead_lock(out)
    renew_calibration(run, [data], device=device, on_progress=on_progress)
    stored = read_toml(out / STAMP) if (out / STAMP).is_file() else {}
    found = {name: stored[name] for name in ("scores", "maps", PARITY) if name in stored}  # when they were made
    if stored and stored == {**stamp, **found} and _are_whole(out, stored):
        table = decide(run, read_stored(out / "scores.csv"))
        if csv_text(table) != (out / "scores.csv").read_text(encoding="utf-8"):  # the threshold was moved
            if not os.access(out, os.W_OK):
                return replace(_read_scores(run, data, rows, out, engine), table=table)
            with locked(out, "score"):
                write_csv(out / "scores.csv", table)
                write_text(out / STAMP, to_toml({**stamp, **found, "scores": digest_of(out / "scores.csv")}))
        return _read_scores(run, data, rows, out, engine)
    model = run.trained_model() if model is None else copy.deepcopy(model)  # scoring moves it, and lays its weights out otherwise
    with locked(out, "score"):
        remove_earlier(out, STAMP, PICTURES)
        _score(run, model, data, rows, out, pictures, find_class(model, label), find_device(device), engine, on_progress)
        found = {"scores": digest_of(out / "scores.csv"), "maps": (out / MAPS).is_file()}
        found |= {} if engine is None else {PARITY: engine.parity()}
        write_text(out / STAMP, to_toml({**stamp, **found}))
        scored = _read_scores(run, data, rows, out, engine)
    if engine is not None:
        scores = scored.table["score"].to_numpy(dtype=np.float64)[is_scored(scored.table)]
        on_progress(Progress("score", 0, 0, {}, engine.in_words(scores, run.threshold().get("value"))))
    return scored


def _score(
    run: Run,
    model: Backend,
    data: Prepared,
    rows: NDArray[np.int64],
    out: Path,
    pictures: bool,
    class_index: int | None,
    device: torch.device,
    engine: Engine | None,
    on_progress: OnProgress,
) -> None:
    """Score the given rows and write all but the stamp."""
    shares = valid_shares(data, rows, run.settings.data.overlay)
    places = np.flatnonzero(shares >= LEAST_VALID)  # of the frames that can be scored
    batches = FixedBatches(data, rows[places], run.settings.data, class_index=class_index)
    settings, reference = run.settings.scoring, run.normal_reference()
    scored_batches = score_batches(
        model, batches, device, "score", on_progress, settings=settings, normal_reference=reference, engine=engine
    )
    drawn = _with_pictures(run, data, scored_batches, out / PICTURES) if pictures else scored_batches
    raw = _write_maps(drawn, model, places, (len(rows), data.size, data.size), out / MAPS)
    about = described(data, rows, shares)
    write_csv(out / "scores.csv", decide(run, pd.concat([about, raw], axis=1)))
    if pictures:
        _write_pictures_without_scores(data, np.delete(rows, places), out / PICTURES)
    left = [data.rejected(), data.passed_over()[["file", "reason"]]]
    write_csv(out / "rejected.csv", pd.concat(left, ignore_index=True))
    if len(places) < len(rows):
        paths = about["path"].drop(places).tolist()
        what = left_out(len(paths), len(rows), "frames", paths)
        on_progress(Progress("score", 0, 0, {}, f"without a score, for a person to look at: {what}"))


def _write_maps(
    scored_batches: Iterable[Scored], model: Backend, places: NDArray[np.int64], shape: tuple[int, int, int], path: Path
) -> pd.DataFrame:
    """Write the maps (N, S, S) of all frames, where there are any, and return the table of raw scores, N rows.

    Parameters
    ----------
    places : (n,) which of the N frames are in the batches; the others have NaN for numbers and in their maps
    """
    columns = RawColumns(shape[0], model)
    localises, start = False, 0
    with replacing(path) as temporary, temporary.open("wb") as file:  # a mapped file would grow in memory with the frames
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})
        missing, last = np.full(shape[1:], np.nan, "<f4").tobytes(), 0
        for scored in scored_batches:
            into = places[start : start + len(scored.batch)]
            if scored.scores.map is not None:
                localises = True
                for place, anomaly_map in zip(into.tolist(), scored.scores.map[:, 0].numpy(), strict=True):
                    file.writelines(repeat(missing, place - last))
                    file.write(anomaly_map.astype("<f4").tobytes())
                    last = place + 1
            columns.add(into, scored)
            start += len(into)
        file.writelines(repeat(missing, shape[0] - last if localises else 0))
    if not localises:
        path.unlink()
    return columns.table()


def _read_scores(run: Run, data: Prepared, rows: NDArray[np.int64], out: Path, engine: Engine | None) -> ScoreTable:
    maps = np.load(out / MAPS, mmap_mode="r") if (out / MAPS).is_file() else None
    table, own = read_stored(out / "scores.csv"), data.index[NAMING].iloc[rows].reset_index(drop=True)
    same = {name: own[name] for name in NAMING if name in table and table[name].equals(own[name])}  # one text, not two
    return ScoreTable(table.assign(**same), maps, data, rows, run, engine.name if engine else "")


def read_stored(path: Path) -> pd.DataFrame:
    """Read a stored table of scores with NaN for the numbers, and a missing decision, of a frame that has none."""
    texts = (*COPIED, "status")
    names = [str(name) for name in pd.read_csv(path, nrows=0).columns]
    table = read_table(path, [name for name in names if name not in texts and not name.startswith(CLASS)])
    return table if is_scored(table).all() or "abnormal" not in table else table.astype({"abnormal": "boolean"})


def map_level(run: Run) -> float:
    """Return the score of a pixel that contours run at, and the middle of the colours of maps.

    99 % of the pixels of normal frames lie below it where the run knows that; it is half of `map_high` elsewhere.
    """
    known = run.threshold().get("pixel_level", 0.0)
    return known if known > 0 else map_high(run) / 2


def map_high(run: Run) -> float:
    """Return where colours end: five times the median score of normal validation frames, 0.05 where that is not positive."""
    middle = float(np.median(run.calibration().get("scores") or [0.0]))
    return 5 * middle if middle > 0 else 0.05


def _with_pictures(run: Run, data: Prepared, scored_batches: Iterable[Scored], folder: Path) -> Iterator[Scored]:
    """Yield the batches again, each once its frames' original, reconstruction and map are written side by side."""
    high = 2 * map_level(run)
    for scored in scored_batches:
        indices = scored.batch.index.numpy()
        originals = data.frames[indices]
        drawn = [None] * len(originals) if scored.reconstruction is None else list(to_pixels(scored.reconstruction))
        for k, original in enumerate(originals):
            pictures: list[NDArray[np.uint8] | None] = [original, drawn[k]]
            if scored.scores.map is not None:
                pictures.append(heat(scored.scores.map[k, 0].numpy(), scored.batch.valid[k, 0].numpy(), high))
            write_bytes(folder / picture_name(data.index["path"].iloc[int(indices[k])]), image_grid([pictures]))
        yield scored


def _write_pictures_without_scores(data: Prepared, rows: NDArray[np.int64], folder: Path) -> None:
    """Write the original of each frame that cannot be scored."""
    for row in rows.tolist():
        write_bytes(folder / picture_name(data.index["path"].iloc[row]), image_grid([[data.frames[np.array([row])][0]]]))


def picture_name(path: str) -> str:
    """Return the name of a frame's picture: its own, as a disk takes it, with ``.png`` behind it: a.jpg and a.bmp differ."""
    return disk_name(path) + ".png"
