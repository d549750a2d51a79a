"""A run in memory: loaded once, it scores, reconstructs and localises whatever frames it is handed."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from medgen import registry
from medgen.contract.backend import Backend
from medgen.contract.capabilities import Reconstructs
from medgen.data.prepared import Prepared
from medgen.data.writers.map_to_original import to_original
from medgen.engine.device import Device, find_device
from medgen.errors import BackendError, ConfigError, did_you_mean
from medgen.report.run_metrics import Threshold
from medgen.runs.calibrating.calibrate import renew_calibration
from medgen.runs.in_memory import ModelInMemory, Seen, look_at
from medgen.runs.localising.regions import crop_maps
from medgen.runs.run import Run, open_run
from medgen.runs.score_table import RESEARCH, ScoreTable
from medgen.types import Box, OnProgress, no_progress
from medgen.verbs.in_memory.given import Frames, open_given
from medgen.verbs.score import Split


class LoadedRun:
    """A trained run that stays in memory; `load` makes one.

    Frames are given in any of these forms; whatever the form, the same frame gets the same numbers, those of `medgen score`:

    - a path: a folder of raw frames, a file, a prepared data set, or an address such as ``folder:DIR``; a data set that is open
    - a list or column of files; each has to be readable, and the rows keep their order
    - an array or tensor (H, W, C) or (N, H, W, C), C 1 or 3, uint8 or floats from 0 to 1, or a list of arrays of any sizes: raw
      frames, which are cropped, scaled and masked as those of files are; pictures of Pillow
    - a dictionary of MONAI, of one frame or a batch, or any iterable of them such as a DataLoader or Dataset, with channels
      first: "image" and, of frames that are crops already, "valid" or "image_valid"; "path" names the frame in the table. An
      "image" may also be the path of a file

    Attributes
    ----------
    run : the run: its settings, and where its data came from
    """

    def __init__(self, run: Run, device: Device = "auto") -> None:
        run.require_weights()
        renew_calibration(run, device=device)
        self.run = run
        self._loaded = ModelInMemory(run, run.trained_model(), run.normal_reference(), find_device(device))

    @property
    def model(self) -> Backend:
        """The trained backend, a torch module; scoring moves it to the device and into evaluation mode."""
        return self._loaded.model

    @property
    def threshold(self) -> float | None:
        """The score above which a frame is called abnormal; None where too few normal frames promise anything."""
        return self.run.threshold().get("value")

    @property
    def calibration(self) -> Threshold:
        """The threshold with what it promises: false-alarm rate, and on how many normal frames it rests; {} without any."""
        return self.run.threshold()

    def score(
        self,
        frames: Frames,
        *,
        split: Split | None = None,
        label: str = "",
        axes: str = "",
        on_progress: OnProgress = no_progress,
    ) -> ScoreTable:
        """Score frames: raw score, quantile among the normal validation frames, decision at the threshold, maps.

        Parameters
        ----------
        frames : in any form that `LoadedRun` names
        split : of a data set: "train", "val", "test" (by default) or "all"
        label : class of which every frame is said to be, for a backend that can be told; "" lets it choose
        axes : what the axes of an array mean where its shape leaves that open, a letter for each: "NHW", "HWN", "CHW"

        Raises
        ------
        DataError, RunError : if the frames are of no form that is known, or do not fit the run.
        BackendError : if the backend does not know the class.
        """
        return self._look(frames, split, axes, label=label, on_progress=on_progress).scored

    def reconstruct(
        self,
        frames: Frames,
        *,
        split: Split | None = None,
        label: str = "",
        axes: str = "",
        on_progress: OnProgress = no_progress,
    ) -> NDArray[np.float32]:
        """Return what the backend makes of each frame, (N, S, S, C) in [0, 1]; NaN of a frame that shows too little.

        The parameters are those of `score`.

        Raises
        ------
        BackendError : if the backend does not reconstruct.
        """
        registry.require(self._loaded.model, Reconstructs)
        seen = self._look(frames, split, axes, label=label, keep_reconstructions=True, on_progress=on_progress)
        own = self.run.origin.prepare
        empty = np.full((len(seen.scored), own.size, own.size, own.channels), np.nan, np.float32)
        return empty if seen.reconstructions is None else seen.reconstructions

    def maps(
        self,
        frames: Frames,
        *,
        at: Literal["crop", "frame"] = "crop",
        split: Split | None = None,
        label: str = "",
        axes: str = "",
        on_progress: OnProgress = no_progress,
    ) -> list[NDArray[np.float32]]:
        """Return the map of each frame: raw scores of its pixels, NaN where no tissue is shown.

        Parameters
        ----------
        frames, split, label, axes : as for `score`
        at : "crop", (S, S), or "frame", (H, W) of the frame as it was given, NaN outside of the crop

        Raises
        ------
        BackendError : if the backend draws no maps.
        ConfigError : if `at` is neither.
        """
        if at not in ("crop", "frame"):
            raise ConfigError(f"there are no maps at '{at}'; {did_you_mean(at, ('crop', 'frame'))}")
        scored = self._look(frames, split, axes, label=label, on_progress=on_progress).scored
        if scored.maps is None:
            if not scored.table["score"].notna().any():  # nothing was looked at
                size = self.run.origin.prepare.size
                return [np.full((size, size), np.nan, np.float32) for _ in range(len(scored))]
            raise BackendError(f"'{self.run.settings.backend}' scores whole frames and draws no maps")
        maps = [*crop_maps(scored)]
        return maps if at == "crop" else [on_frame(scored, k, own) for k, own in enumerate(maps)]

    def see(
        self, data: Prepared, rows: NDArray[np.int64] | None = None, *, keep_reconstructions: bool = False, label: str = ""
    ) -> Seen:
        """Score frames of a data set that fits this run, as `uploads.open_uploads` and `given.open_entries` make one.

        Parameters
        ----------
        data : the data set
        rows : which of its frames, (N,); None for all
        keep_reconstructions : of backends that make some
        label : class of which every frame is said to be, for a backend that can be told; "" lets it choose
        """
        rows = data.rows() if rows is None else rows
        return look_at(self._loaded, data, rows, label=label, keep_reconstructions=keep_reconstructions)

    def _look(self, frames: Frames, split: Split | None, axes: str, **how: Any) -> Seen:
        data, rows = open_given(self.run, frames, split=split, axes=axes, on_progress=how["on_progress"])
        return look_at(self._loaded, data, rows, **how)

    @property
    def device(self) -> torch.device:
        """Where the model computes."""
        return self._loaded.device

    def in_words(self) -> str:
        """Return which run this is, what it was trained on, and its threshold."""
        run, known = self.run, self.calibration
        size, what = run.origin.prepare.size, f"Run '{run.name}': {run.settings.backend}"
        limit = "no threshold"
        if known.get("value") is not None:
            rate = f"a false-alarm rate of {100 * known['false_alarm_rate']:g} %"
            limit = f"threshold {known['value']:.6g} at {rate} of {known['normals']} normal frames"
        return f"{what}, crops of {size} x {size} x {run.origin.prepare.channels}, {limit}. {RESEARCH}"

    def __repr__(self) -> str:
        return self.in_words()

    def _repr_html_(self) -> str:
        return f"<p>{escape(self.in_words())}</p>"


def on_frame(scored: ScoreTable, k: int, score_map: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the map (S, S) of frame k on the frame as it was given, (H, W) float32, NaN outside of the crop."""
    known = scored.data.index.iloc[scored.rows[k]]
    box = Box(*(int(known[side]) for side in Box._fields))
    return to_original(score_map, box, (int(known["height"]), int(known["width"])))


def load(run_folder: Path | str, *, device: Device = "auto") -> LoadedRun:
    """Load a run to score frames with from Python, as often as wanted.

    Parameters
    ----------
    run_folder : a trained run
    device : "auto" takes a GPU where there is one

    Raises
    ------
    RunError : if the folder is no run, or the run is not trained.

    Examples
    --------
    >>> model = api.load(RUN)
    >>> scored = model.score(DATA)
    >>> scored.table["score"].shape, scored.maps.shape, model.reconstruct(DATA).shape
    ((16,), (16, 32, 32), (16, 32, 32, 3))
    """
    return LoadedRun(open_run(Path(run_folder)), device)
