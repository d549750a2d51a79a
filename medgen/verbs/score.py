"""Score frames with a trained run."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from medgen.data.native.addresses import is_address
from medgen.data.prepared import Prepared, PrepareSettings, is_prepared
from medgen.data.preparing.prepare import prepare
from medgen.data.preparing.tally import CHOOSE
from medgen.data.scorable import left_out, scorable
from medgen.engine.device import Device, find_device
from medgen.engine.runtime import Runtime
from medgen.errors import DataError, number_of
from medgen.outputs.folder import output_folder
from medgen.outputs.own_files import remove_earlier
from medgen.runs.datasets import open_for, shown_otherwise
from medgen.runs.made_of import made_of
from medgen.runs.run import Run, open_run
from medgen.runs.score_table import ScoreTable
from medgen.runs.scores import SCORED, score_rows
from medgen.types import OnProgress, Progress, no_progress
from medgen.verbs.timelines import write_timelines

Split = Literal["train", "val", "test", "all"]
MAPPED = ("maps.json",)  # is in each folder of `medgen maps`, beside scores


def open_input(
    run: Run,
    input_path: Path,
    out: Path,
    split: Split | None = None,
    on_progress: OnProgress = no_progress,
    video: str = "",
    assume: Literal["", "normal"] = "",
    shows_unread: bool = False,
) -> tuple[Prepared, NDArray[np.int64]]:
    """Open the frames that a run is to look at; return their data set and the rows that are meant.

    Parameters
    ----------
    input_path : a data set (its test split), or raw frames (all of them): as they are, or prepared in ``out/prepared`` as the
        run's own were
    split : another one of the data set
    video : which frames of raw videos (`PrepareSettings.video`); "" for those that the run's own data set would have
    assume : label of raw frames that their source leaves unlabelled
    shows_unread : whether the caller says which raw files could not be read; otherwise a warning does

    Raises
    ------
    RunError, DataError : if the run is not trained, the frames do not fit it, or there are none.
    """
    run.require_weights()
    data = _open_frames(run, input_path, out, on_progress, video, assume)
    if not (shows_unread or is_prepared(input_path) or is_address(input_path)) and len(unread := data.rejected()):
        said = f"{number_of(len(unread), 'file', 'files')} could not be read, the first is '{unread['file'].iloc[0]}'"
        on_progress(Progress("open", 0, 0, {}, f"warning: {said}: {unread['reason'].iloc[0]}"))
    if warning := shown_otherwise(run, data):
        on_progress(Progress("open", 0, 0, {}, f"warning: {warning}"))
    return data, chosen_rows(data, input_path, split)


def _open_frames(
    run: Run, input_path: Path, out: Path, on_progress: OnProgress, video: str, assume: Literal["", "normal"]
) -> Prepared:
    is_set = is_prepared(input_path) or is_address(input_path)
    if (video or assume) and (is_set or run.origin.kind):
        unused = "--video" if video else "--assume"
        raise DataError(f"{unused} is of raw frames that are prepared, and '{input_path}' is taken as it is; leave it away")
    if is_set:
        return _alone(run, open_for(run, input_path), out)
    if run.origin.kind:
        return _alone(run, open_for(run, f"folder:{input_path}"), out)
    settings = raw_settings(run, video, assume)
    prepare(input_path, out / "prepared", settings, overwrite=is_prepared(out / "prepared"), on_progress=on_progress)
    data = open_for(run, out / "prepared")
    for sentence in shown_in_few_levels(data.warnings):
        on_progress(Progress("open", 0, 0, {}, f"warning: {sentence}"))
    return data


def shown_in_few_levels(sentences: Iterable[str]) -> list[str]:
    """Return those of the warnings of raw frames that tell of lost contrast, with what helps where a run shows them as its own.

    A picture of 8 bits in a file of 16 is black for a run whose own frames had all 16.
    """
    remedy = "; the run shows values as those of the frames that it was trained on: bring them to that range"
    return [sentence.removesuffix(CHOOSE) + remedy for sentence in sentences if sentence.endswith(CHOOSE)]


def raw_settings(run: Run, video: str = "", assume: Literal["", "normal"] = "") -> PrepareSettings:
    """Return the settings by which raw frames are cropped, shown and masked as the run's own were; see `open_input`."""
    own = run.origin.prepare
    shown = own.intensity_range or ()  # as the run's own frames were shown, never as the new ones ask for
    chosen = {"copies": 0, "all_test": True, "assume": assume, "intensity_range": shown, "video": video or own.video}
    every_moment = {"video_alike": 0.0}  # has a score, whether it is like the one before or not
    return PrepareSettings.parse({**own.model_dump(), **chosen, **every_moment}, "score")


def _alone(run: Run, data: Prepared, out: Path) -> Prepared:
    """Return a data set, once that of raw frames of a call before is gone from `out`; one that a run needs stays."""
    before = out / "prepared"
    if before.resolve() not in (data.folder.resolve(), Path(run.origin.dataset).resolve()):
        remove_earlier(out, "prepared")
    return data


def chosen_rows(data: Prepared, input_path: Path, split: Split | None) -> NDArray[np.int64]:
    """Return the rows of a split; by default test frames, and all of a folder of raw frames.

    Raises
    ------
    DataError : if there are none.
    """
    split = split or ("test" if is_prepared(input_path) or is_address(input_path) else "all")
    rows = data.rows() if split == "all" else data.rows(split)
    if not len(rows):
        raise DataError(f"'{data.folder}' has no frames in split '{split}'; choose another --split, or all")
    return rows


def drawn_rows(run: Run, data: Prepared, rows: NDArray[np.int64], on_progress: OnProgress = no_progress) -> NDArray[np.int64]:
    """Return those of the rows of which a model is to draw something; the others show too little and are named in a message.

    What a model makes of a white frame is no picture of anything that was there.

    Raises
    ------
    DataError : if none shows enough.
    """
    kept = scorable(data, rows, run.settings.data.overlay)
    if len(kept) == len(rows):
        return rows
    empty = data.index["path"].iloc[np.setdiff1d(rows, kept)].tolist()
    which = left_out(len(empty), len(rows), "frames", empty)
    if not len(kept):
        raise DataError(f"there is nothing to draw: {which}")
    on_progress(Progress("draw", 0, 0, {}, f"left out: {which}"))
    return kept


def score(
    run_folder: Path,
    input_path: Path,
    out: Path,
    *,
    split: Split | None = None,
    label: str = "",
    pictures: bool = True,
    device: Device = "auto",
    runtime: Runtime = "torch",
    video: str = "",
    on_progress: OnProgress = no_progress,
) -> ScoreTable:
    """Score frames: ``scores.csv``, ``maps.npy`` and a picture of each frame, its reconstruction and its map in `out`.

    Of videos there are ``timeline.csv`` and a figure of each in ``timelines/``, too: scores against time.

    Three columns never mean the same: `score` is raw, `quantile` places it among the normal validation frames, `abnormal` is the
    decision at the threshold.

    Parameters
    ----------
    run_folder : a trained run
    input_path : a prepared data set or an archive (its test split, or `split`) or raw frames (all of them)
    out : folder for what is written
    split : of a data set: "train", "val", "test" or "all"
    label : class of which every frame is said to be, for a backend that can be told; "" lets it choose
    pictures : False writes tables and maps alone
    device : "auto" takes a GPU where there is one
    runtime : what runs the nets, see `engine/runtime.py`
    video : which frames of raw videos: "seconds:S", "frames:N", "keys" or "all"; "" as the run's data set was prepared

    Returns
    -------
    the table, one row a frame, and the maps (N, S, S) float32, 0 outside of tissue; None where the backend draws no maps

    Raises
    ------
    RunError, DataError : if the run is not trained, or the frames do not fit it.
    FolderError : if `out` holds something else, or another process writes into it.
    BackendError : if the backend does not know the class.

    Examples
    --------
    >>> scored = api.score(RUN, DATA, OUT / "scores", pictures=False)
    >>> scored.table[["path", "score", "quantile", "abnormal"]].shape, scored.maps.shape
    ((16, 4), (16, 32, 32))
    """
    run = open_run(run_folder)
    run.require_weights()
    find_device(device)  # one that is not there is refused before frames are prepared for it
    of = made_of(out, [run], input_path, split, label=label, video=video)
    with output_folder(out, "score", SCORED, others=MAPPED, of=of):
        data, rows = open_input(run, input_path, out, split, on_progress, video, shows_unread=True)
        scored = score_rows(
            run, data, rows, out, pictures=pictures, label=label, device=device, runtime=runtime, on_progress=on_progress
        )
        write_timelines(run, scored, out)
        return scored
