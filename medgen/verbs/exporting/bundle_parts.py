"""What the configuration of a MONAI Bundle is made of: its frames, its network, and what is done with both."""

from __future__ import annotations

import inspect
import logging
import sys
import warnings
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar, cast

import pandas as pd
import torch
from monai.bundle.workflows import ConfigWorkflow
from monai.data.utils import list_data_collate
from torch import Tensor, nn

from medgen.data.for_monai import LoadCropd
from medgen.data.images import count_frames, suffix_of
from medgen.data.readers import video
from medgen.data.sources import list_source
from medgen.engine.device import Device
from medgen.errors import DataError, ImageError, MedgenError, RunError, in_one_line, number_of
from medgen.files import write_csv
from medgen.outputs.lock import locked
from medgen.runs.run import RUN
from medgen.verbs.in_memory.loaded import load

Function = TypeVar("Function", bound=Callable[..., Any])

MODELS, SCORES, REJECTED = "models", "scores.csv", "rejected.csv"
SECONDS = 10.0  # between two lines on how far it is
log = logging.getLogger("medgen")


def in_a_line(function: Function) -> Function:
    """Let an error that a user can act on end ``python -m monai.bundle`` with its line; from Python it is raised as ever.

    MONAI would print some sixty lines of its own calls around it.
    """

    @wraps(function)
    def called(*args: Any, **named: Any) -> Any:
        try:
            return function(*args, **named)
        except MedgenError as error:
            program = getattr(sys.modules.get("__main__"), "__spec__", None)
            if getattr(program, "name", "") == "monai.bundle.__main__":
                raise SystemExit(f"medgen: {in_one_line(error)}") from error
            raise

    return cast(Function, called)


@in_a_line
def own_root() -> str:
    """Return the folder of the bundle whose configuration is evaluated, from wherever MONAI was called.

    A configuration is not told where it lies. The workflow that evaluates it knows, and is found among the callers; without one
    (a bare `ConfigParser`) the folder is the current one.

    Raises
    ------
    RunError : if there is no run in the folder.
    """
    root, frame = Path(), inspect.currentframe()
    while frame is not None:
        workflow = frame.f_locals.get("self")
        if isinstance(workflow, ConfigWorkflow):
            configs = workflow.config_root_path
            root = configs.parent if configs.name == "configs" else configs
            break
        frame = frame.f_back
    if not (root / MODELS / RUN).is_file():
        raise RunError(f"there is no run in '{root / MODELS}'; say where the bundle is by --bundle_root")
    return str(root)


@in_a_line
def listed(folder: Path | str, axes: str = "") -> list[dict[str, Any]]:
    """Return an item for each frame of a folder, file or table of raw frames: "image", its file, "path", its name, and "frame".

    "frame" is which of a file of several frames it is, from 0; -1 for the only one. "label" and "finding" are what it says. A
    video has a "reason" why it is not read: `medgen score` chooses its frames.

    Parameters
    ----------
    folder : of raw frames
    axes : what the axes of arrays mean (`PrepareSettings.axes`)

    Raises
    ------
    DataError : if there is nothing to read.
    """
    if not Path(folder).exists():
        raise DataError(f"there is no folder of frames '{folder}'; say where they are by --dataset_dir")
    items: list[dict[str, Any]] = []
    for entry in list_source(Path(folder)).entries:
        if suffix_of(entry.path) in video.SUFFIXES:
            items.append(
                {"image": str(entry.path), "path": entry.file, "frame": -1, "reason": "is a video; score it with `medgen score`"}
            )
            continue
        try:
            total = count_frames(entry.path, axes=axes)
        except ImageError:  # whoever reads it says why
            total = 1
        if entry.frame is not None:
            named = {entry.frame: entry.file}
        else:
            named = {frame: f"{entry.file}#{frame}" for frame in range(total)} if total > 1 else {-1: entry.file}
        told = {"label": entry.label, "finding": entry.finding}
        items += [{"image": str(entry.path), "path": name, "frame": frame, **told} for frame, name in named.items()]
    return items


class CropOrReason(LoadCropd):
    """Makes an item its crop, or the reason why it has none: one broken file keeps no other from its score."""

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        if "reason" in data:
            return dict(data)
        try:
            return super().__call__(data)
        except DataError as error:
            return {"path": data["path"], "reason": str(error.__cause__ or error)}


def together(items: Sequence[Mapping[Hashable, Any]]) -> dict[str, Any]:
    """Return a batch of the items that have a crop; under "refused", name and reason of each of the others."""
    crops = [dict(item) for item in items if "reason" not in item]
    refused = [(item["path"], item["reason"]) for item in items if "reason" in item]
    return {**(list_data_collate(crops) if crops else {}), "refused": refused}


class RunNetwork(nn.Module):
    """The network of a bundle: from crops to maps of raw anomaly scores; a run does the work.

    Parameters
    ----------
    run_folder : a trained run
    device : "cpu", "cuda" or "auto", a GPU where there is one
    """

    @in_a_line
    def __init__(self, run_folder: Path | str, device: Device = "auto") -> None:
        super().__init__()
        self.run = load(run_folder, device=device)
        self.backend = self.run.model

    def forward(self, image: Tensor, valid: Tensor | None = None) -> Tensor:
        """Return the maps (B, 1, S, S) of crops (B, C, S, S) in [0, 1]; their scores (B, 1) where the backend draws no maps.

        `valid` (B, 1, S, S) says where the pixels show tissue; None for everywhere.
        """
        everywhere = torch.ones(len(image), 1, *image.shape[2:], dtype=torch.bool)
        scored = self.run.score({"image": image.cpu(), "valid": everywhere if valid is None else valid.cpu()})
        if scored.maps is not None:
            return torch.from_numpy(scored.maps)[:, None]
        return torch.from_numpy(scored.table["score"].to_numpy(dtype="float32"))[:, None]


class TableEvaluator:
    """Scores all batches of a loader with the run of a network, and writes one table.

    Parameters
    ----------
    network : of the bundle
    batches : that `together` makes: "image", "image_valid", "path" and "refused"
    out : folder of ``scores.csv`` and ``rejected.csv``, whose columns are those of `medgen score`
    """

    def __init__(self, network: RunNetwork, batches: Iterable[Mapping[str, Any]], out: Path | str) -> None:
        self.network, self.batches, self.out = network, batches, Path(out)

    @in_a_line
    def run(self) -> pd.DataFrame:
        """Score the frames, write the table and return it; what could not be read is listed beside it.

        How far it is, and where the table lies, goes to the log, which the bundle's ``configs/logging.conf`` shows.

        Raises
        ------
        DataError : if none could be read.
        FolderError : if the folder cannot be written, or another process writes into it.
        """
        with locked(self.out, "score"):
            (self.out / SCORES).unlink(missing_ok=True)  # of other frames, say: a table stands for the frames of this call alone
            table = self._table()
            write_csv(self.out / SCORES, table)
        log.info("%s scored: %s", number_of(len(table), "frame", "frames"), self.out / SCORES)
        return table

    def _table(self) -> pd.DataFrame:
        """Return the table of all frames, and list those without a row."""
        tables, refused, done, told = list[pd.DataFrame](), list[tuple[str, str]](), 0, monotonic()
        for batch in self.batches:
            refused += batch["refused"]
            if "image" in batch:
                said = {name: batch[name] for name in ("label", "finding") if name in batch}
                tables.append(self.network.run.score(batch).table.assign(**said))
                done += len(tables[-1])
            if monotonic() - told > SECONDS:
                told = monotonic()
                log.info("%s scored so far", number_of(done, "frame", "frames"))
        write_csv(self.out / REJECTED, pd.DataFrame(refused, columns=["file", "reason"]))
        if not tables:
            raise DataError(f"none of {len(refused)} frames could be read, the first is '{refused[0][0]}': {refused[0][1]}")
        if refused:
            warnings.warn(f"could not be read: {len(refused)} of the frames; see '{self.out / REJECTED}'", stacklevel=4)
        return pd.concat(tables, ignore_index=True)
