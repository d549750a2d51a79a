"""The prepared data set on disk: written once, memory-mapped and read many times.

``frames.npy`` (N, S, S, C) uint8, ``valid.npy`` (N, S, S) bool, ``masks.npy`` (N, S, S) bool (only where a finding is annotated),
``index.csv`` (one row a frame), ``rejected.csv`` (file, reason), ``leaks.csv`` (near-duplicates across splits) and
``prepare.toml`` (settings and counts; written last, so a folder that has it is whole).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from medgen.config import Settings, read_toml
from medgen.data.augment import AugmentSettings
from medgen.errors import DataError

INDEX = [
    "id", "path", "label", "finding", "split", "group", "copy", "annotated",
    "width", "height", "left", "top", "right", "bottom", "digest", "status",
]  # fmt: skip


class PrepareSettings(Settings):
    """How raw frames become a prepared data set."""

    size: int = Field(96, ge=16, le=1024)  # side of a crop in pixels
    channels: Literal[1, 3] = 3
    square: Literal["crop", "pad"] = "crop"  # the centre square of the field of view, or the square around it
    copies: int = Field(0, ge=0, le=20)  # augmented copies of each training frame, written out
    augment: AugmentSettings = AugmentSettings()
    val_share: float = Field(0.15, gt=0, lt=1)  # of the normal frames, where the source names no splits
    test_share: float = Field(0.25, ge=0, lt=1)
    seed: int = 0
    assume: Literal["", "normal"] = ""  # label of frames that the source leaves unlabelled


@dataclass(frozen=True)
class Prepared:
    """An opened prepared data set.

    Attributes
    ----------
    folder : where it lies
    settings : how it was made
    source : the folder of raw frames as it was given
    digest : of the settings and of every source file
    index : one row a frame, columns `INDEX`; row k belongs to ``frames[k]``
    frames, valid, masks : memory-mapped; masks is None where nothing is annotated
    """

    folder: Path
    settings: PrepareSettings
    source: str
    digest: str
    index: pd.DataFrame
    frames: NDArray[np.uint8]
    valid: NDArray[np.bool_]
    masks: NDArray[np.bool_] | None

    @property
    def size(self) -> int:
        return self.settings.size

    @property
    def channels(self) -> int:
        return self.settings.channels

    def rows(self, *splits: str, originals: bool = True) -> NDArray[np.int64]:
        """Return the rows of the named splits (all, if none is named), with augmented copies where `originals` is False."""
        chosen = self.index["split"].isin(splits) if splits else pd.Series(True, index=self.index.index)
        if originals:
            chosen &= self.index["copy"] == 0
        return np.flatnonzero(chosen.to_numpy())

    def rejected(self) -> pd.DataFrame:
        """Return file and reason of every file that could not be read."""
        return read_table(self.folder / "rejected.csv")

    def leaks(self) -> pd.DataFrame:
        """Return the pairs of near-duplicate frames that stand in different splits."""
        return read_table(self.folder / "leaks.csv")


def read_table(path: Path) -> pd.DataFrame:
    """Read a CSV of ours with every text column as text: a finding called "NA" stays one."""
    text = dict.fromkeys(["id", "path", "label", "finding", "split", "group", "digest", "status", "file", "reason", "other"], str)
    return pd.read_csv(path, keep_default_na=False, na_values={}, dtype=text)  # type: ignore[arg-type]


def is_prepared(folder: Path) -> bool:
    """Tell whether `folder` is a prepared data set."""
    return (folder / "prepare.toml").is_file()


def open_prepared(folder: Path) -> Prepared:
    """Open a prepared data set.

    Raises
    ------
    DataError : if the folder is none, or its files do not fit each other.
    """
    if not folder.is_dir():
        raise DataError(f"there is no folder '{folder}'; give a data set made by `medgen prepare SOURCE --out DIR`")
    if not is_prepared(folder):
        raise DataError(f"'{folder}' is not a prepared data set; make one with `medgen prepare {folder} --out DIR`")
    about: dict[str, Any] = read_toml(folder / "prepare.toml")
    index = read_table(folder / "index.csv")
    try:
        frames = np.load(folder / "frames.npy", mmap_mode="r")
        valid = np.load(folder / "valid.npy", mmap_mode="r")
        masks = np.load(folder / "masks.npy", mmap_mode="r") if (folder / "masks.npy").exists() else None
    except (OSError, ValueError) as error:
        raise DataError(f"'{folder}' is damaged ({error}); prepare it again with --overwrite") from None
    if not len(frames) == len(valid) == len(index):
        raise DataError(f"'{folder}' is damaged: {len(frames)} frames, {len(index)} rows; prepare it again with --overwrite")
    settings = PrepareSettings.parse(about["settings"], f"{folder}/prepare.toml")
    return Prepared(folder, settings, about["source"], about["digest"], index, frames, valid, masks)
