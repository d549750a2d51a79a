"""Score frames with a trained run."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from medgen.data.native.addresses import is_address
from medgen.data.prepared import Prepared, is_prepared
from medgen.data.preparing.prepare import prepare
from medgen.engine.device import Device
from medgen.errors import DataError
from medgen.runs.datasets import open_for
from medgen.runs.run import Run, open_run
from medgen.runs.scores import ScoreTable, score_rows
from medgen.types import OnProgress, no_progress

Split = Literal["train", "val", "test", "all"]


def open_input(run: Run, given: Path, out: Path, on_progress: OnProgress) -> Prepared:
    """Return the data set `given`, or raw frames: as they are, or prepared in ``out/prepared``, as the run's own were."""
    if is_prepared(given) or is_address(given):
        return open_for(run, given)
    if run.origin.kind:
        return open_for(run, f"folder:{given}")
    settings = run.origin.prepare.model_copy(update={"copies": 0, "assume": ""})
    prepare(given, out / "prepared", settings, overwrite=is_prepared(out / "prepared"), on_progress=on_progress)
    return open_for(run, out / "prepared")


def chosen_rows(data: Prepared, given: Path, split: Split | None) -> NDArray[np.int64]:
    """Return the rows of a split; by default test frames, and all of a folder of raw frames."""
    split = split or ("test" if is_prepared(given) or is_address(given) else "all")
    rows = data.rows() if split == "all" else data.rows(split)
    if not len(rows):
        raise DataError(f"'{data.folder}' has no frames in split '{split}'; choose another --split, or all")
    return rows


def score(
    run_folder: Path,
    given: Path,
    out: Path,
    *,
    split: Split | None = None,
    label: str = "",
    pictures: bool = True,
    device: Device = "auto",
    on_progress: OnProgress = no_progress,
) -> ScoreTable:
    """Score frames: ``scores.csv``, ``maps.npy`` and a picture of each frame, its reconstruction and its map in `out`.

    Three columns never mean the same: `score` is raw, `quantile` places it among the normal validation frames, `abnormal` is the
    decision at the threshold.

    Parameters
    ----------
    given : a prepared data set or an archive (its test split, or `split`) or raw frames (all of them)
    label : class of which every frame is said to be, for a backend that can be told; "" lets it choose

    Raises
    ------
    RunError, DataError : if the run is not trained, or the frames do not fit it.
    """
    run = open_run(run_folder)
    run.weights_digest()
    data = open_input(run, given, out, on_progress)
    rows = chosen_rows(data, given, split)
    return score_rows(run, data, rows, out, pictures, device, on_progress, label)
