"""The prepared data set on disk: written once, memory-mapped and read many times.

A folder comes in, a `Prepared` goes out: the one form in which all of medgen sees a data set. The folder holds ``frames.npy``
(N, S, S, C) uint8, ``valid.npy`` (N, S, S) bool, ``masks.npy`` (N, S, S) bool (where a finding is annotated), ``index.csv`` (one
row a frame), ``rejected.csv``, ``leaks.csv`` and ``prepare.toml`` (settings; written last: a folder that has it is whole). In
place of the arrays it may hold shards of them (`shards`).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field, ValidationInfo, field_validator

from medgen.config import SEEDS, Settings, read_toml
from medgen.data.augmenting.augment import AugmentSettings
from medgen.data.contents import CONTENT, ROW, SAMPLE, changed_frames, changed_tables, in_order, source_of, table_digest
from medgen.data.intensity import Intensity
from medgen.data.pixel_format import split_axes
from medgen.data.sampling import Sampling
from medgen.data.storage.arrays import open_arrays
from medgen.data.storage.rows import Flags, Frames
from medgen.data.storage.shards import Layout, shard_file
from medgen.errors import ConfigError, DataError, explaining_damage
from medgen.files import digest_of, short_digest, without_quotes
from medgen.types import OverlayRules

INDEX = [
    "id", "path", "label", "finding", "split", "group", "copy", "annotated",
    "width", "height", "left", "top", "right", "bottom", "digest", "status",
]  # fmt: skip

SECONDS = "seconds"  # a column of the index where there are videos: since the first frame of each
LEAKS = ["path", "split", "other", "other_split", "reason"]
TABLE_CHANGED = "index.csv was changed after the frames were prepared: what it says now counts, and results of before do not"
NEAR = "near-duplicate"  # a reason of a leak; the others are the kinds of groups that the source divides


class PrepareSettings(Settings):
    """How raw frames become a prepared data set."""

    size: int = Field(96, ge=16, le=1024)  # side of a crop in pixels
    channels: Literal[1, 3] = 3
    square: Literal["crop", "pad"] = "crop"  # the centre square of the field of view, or the square around it
    copies: int = Field(0, ge=0, le=20)  # augmented copies of each training frame, written out
    augment: AugmentSettings = AugmentSettings()
    val_share: float = Field(0.15, gt=0, lt=1)  # of the normal frames, where the source names no splits
    test_share: float = Field(0.25, ge=0, le=1)
    all_test: bool = False  # every frame is a test frame, whatever the source says: a set to measure finished runs on
    seed: int = Field(0, ge=0, lt=SEEDS)
    drop_leaks: bool = False  # leave out of val and test what training has nearly seen, where the source gives the splits
    group_names: bool = True  # keep frames together whose names have a common stem and a running number
    assume: Literal["", "normal"] = ""  # label of frames that the source leaves unlabelled
    intensity: str = "auto"  # which values are black and white: auto, full, window:LO,HI or percentile:LO,HI
    intensity_range: tuple[float, ...] | None = None  # those values; () where no file needs them, None until they are looked for
    intensity_convention: bool = False  # whether floats from 0 to 1 and wide integers to 255 need no range
    overlay: OverlayRules = "auto"  # what in a frame is no tissue (`field.overlay.find_overlay`)
    mask_values: tuple[float, ...] = ()  # the labels that are a finding; () = all but 0
    video: str = "seconds:1"  # which frames of a video are read: seconds:S, frames:N, keys or all
    video_blur: float = Field(0.125, ge=0, le=1)  # share of a video's usual sharpness below which a frame is left out
    video_alike: float = Field(2.0, ge=0, le=255)  # grey levels by which a frame differs at least from the one kept before
    axes: str = ""  # of arrays (`pixel_format.split_axes`): N frames, H rows, W columns, C channels; "" = by their shape
    modality: str = ""  # which of several images of the same place is read, in the source's own words; "" = the layout's choice

    @field_validator("intensity", "video")
    @classmethod
    def _is_a_rule(cls, text: str, field: ValidationInfo) -> str:
        try:
            (Intensity if field.field_name == "intensity" else Sampling).parse(text)
        except ConfigError as error:
            raise ValueError(str(error)) from None
        return text

    @field_validator("axes")
    @classmethod
    def _are_axes(cls, text: str) -> str:
        letters, _ = split_axes(text)
        if text and not ({*"HW"} <= {*letters} <= {*"NHWC"} and len(letters) == len({*letters})):
            raise ValueError(
                "expected a letter for each axis, N, H, W or C, with H and W among them, and perhaps the number of the item of a "
                f"further axis (HWN0), got '{text}'"
            )
        return text

    def sampling(self) -> Sampling:
        """Return which frames of a video are read."""
        return Sampling.parse(self.video)

    def of(self, axes: str) -> PrepareSettings:
        """Return the settings for a source whose layout says what its axes mean; "" leaves them as they are.

        Axes that were stated count more, unless a modality was asked for, which only the layout can find.
        """
        return self.model_copy(update={"axes": axes}) if axes and (self.modality or not self.axes) else self

    def shown(self) -> Intensity:
        """Return the rule by which values become grey levels, with the range that was found for it."""
        rule = Intensity.parse(self.intensity)
        if self.intensity_range and rule.rule != "full":
            rule = rule._replace(range=(self.intensity_range[0], self.intensity_range[1]))
        return rule._replace(convention=self.intensity_convention)


def columns_of(index: pd.DataFrame) -> list[str]:
    """Return the columns of an index that are stored: `INDEX`, place and digest of the frame, times where there are any."""
    times = [SECONDS] if SECONDS in index and index[SECONDS].notna().any() else []
    return [*INDEX, ROW, CONTENT, *times]


@dataclass(frozen=True)
class Prepared:
    """An opened data set: a prepared one, or an archive or folder that is read as it is (`native.addresses.open_dataset`).

    Attributes
    ----------
    folder : the folder of the data set; the file where it is a single archive
    settings : how it was made; of one that was not prepared: size, channels, shares and seed of the splits
    source : the folder of raw frames, from the root of the disk, or the address
    digest : digest of the settings and of every source file, and of the table of frames where that was changed by hand
    index : one row a frame, columns `INDEX`; row k belongs to ``frames[k]``
    frames : (N, S, S, C) uint8, memory-mapped or read when indexed
    valid : (N, S, S) bool, False on border, overlay and highlights
    masks : (N, S, S) bool, True on annotated findings; None where no frame is annotated
    kind : how it is read, a key of `native.addresses.KINDS`; "" for a prepared one
    others : (N, S, S, C) uint8, the other frame of each pair; None where there are no pairs
    refused : file and reason of each file that could not be read, where no folder of the data set keeps them
    own_valid : (N, S, S) bool, what each frame shows itself, where `valid` is a mask common to all of them; None where it is not
    shown : which values are black and white, and what share of the frames is blanked, a sentence each
    warnings : what may be wrong with it, as counted while it was prepared (`preparing.tally`), a sentence each
    cropping : version of the code that cropped it; 0 of one that was not cropped, or before versions were noted
    per_shard : frames in each file of a set in shards; 0 of any other
    """

    folder: Path
    settings: PrepareSettings
    source: str
    digest: str
    index: pd.DataFrame
    frames: Frames
    valid: Flags
    masks: Flags | None
    kind: str = ""
    others: Frames | None = None
    refused: tuple[tuple[str, str], ...] = ()
    own_valid: Flags | None = None
    shown: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    cropping: int = 0
    per_shard: int = 0

    @property
    def address(self) -> str:
        """The address by which `native.addresses.open_dataset` opens this data set again, from any working folder."""
        path = self.folder.resolve()
        return f"{self.kind}:{path}" if self.kind else str(path)

    @property
    def size(self) -> int:
        """Side of a frame in pixels."""
        return self.settings.size

    @property
    def channels(self) -> int:
        """1 for grey, 3 for colour."""
        return self.settings.channels

    def rows(self, *splits: str, originals: bool = True) -> NDArray[np.int64]:
        """Return the rows of some splits, (n,) int64, in rising order.

        Parameters
        ----------
        *splits : names of splits; none for all
        originals : leave augmented copies out
        """
        chosen = self.index["split"].isin(splits) if splits else pd.Series(True, index=self.index.index)
        if originals:
            chosen &= self.index["copy"] == 0
        return np.flatnonzero(chosen.to_numpy())

    def rejected(self) -> pd.DataFrame:
        """Return the files that could not be read, one a row: file and reason."""
        if self.kind or self.refused:
            return pd.DataFrame(self.refused, columns=["file", "reason"])
        return self._left_out("rejected")

    def ignored(self) -> pd.DataFrame:
        """Return file and reason of every file that is no image, or none that the source speaks of."""
        return pd.DataFrame(columns=["file", "reason"]) if self.kind else self._left_out("ignored")

    def passed_over(self) -> pd.DataFrame:
        """Return path, reason and kind (blurred, alike) of the frames of videos that were not kept."""
        if self.kind:
            return pd.DataFrame(columns=["file", "reason", "kind"])
        table = read_table(self.folder / "rejected.csv")
        return table[table["kind"].isin(["blurred", "alike"])] if "kind" in table else table[:0].assign(kind="")

    @explaining_damage
    def _left_out(self, kind: str) -> pd.DataFrame:
        table = read_table(self.folder / "rejected.csv")
        chosen = table["kind"] == kind if "kind" in table else pd.Series(kind == "rejected", index=table.index)
        return table.loc[chosen, ["file", "reason"]].reset_index(drop=True)

    def leaks(self) -> pd.DataFrame:
        """Return for each frame of val and test the near-duplicate in a split before it: path, split, other, other_split."""
        return self._leaks(near=True)

    def divided_groups(self) -> pd.DataFrame:
        """Return for each group that given splits divide the first frame in each of two splits, and the kind of group."""
        return self._leaks(near=False)

    @explaining_damage
    def _leaks(self, near: bool) -> pd.DataFrame:
        if self.kind:  # near-duplicates are looked for only while preparing
            return pd.DataFrame(columns=LEAKS[:4] if near else LEAKS)
        table = read_table(self.folder / "leaks.csv")
        if "reason" not in table:  # of a set from before groups were looked at
            table["reason"] = NEAR
        chosen = table[(table["reason"] == NEAR) == near].reset_index(drop=True)
        return chosen[LEAKS[:4]] if near else chosen


def read_table(path: Path, numbers: Sequence[str] = ()) -> pd.DataFrame:
    """Read a CSV that medgen wrote, with every text column as text: a finding called "NA" stays one.

    Parameters
    ----------
    numbers : columns in which an empty cell is a number that there is not, NaN
    """
    texts = ("id", "path", "label", "finding", "split", "group", "digest", "content", "status", "file", "reason", "other", "kind")
    types: dict[Hashable, type[str]] = dict.fromkeys(texts, str)
    empty = {name: [""] for name in (SECONDS, *numbers)}
    return without_quotes(pd.read_csv(path, keep_default_na=False, na_values=empty, dtype=types))


def is_prepared(folder: Path) -> bool:
    """Tell whether `folder` is a prepared data set."""
    return (folder / "prepare.toml").is_file()


@explaining_damage
def open_prepared(folder: Path, sample: int = SAMPLE) -> Prepared:
    """Open a prepared data set.

    Parameters
    ----------
    sample : so many frames, at even steps, are compared with the digests in their rows; `medgen verify` compares all

    Raises
    ------
    DataError : if the folder is no prepared data set, or its files do not fit each other.
    """
    if not folder.is_dir():
        raise DataError(f"there is no folder '{folder}'; give a data set made by `medgen prepare SOURCE --out DIR`")
    if not is_prepared(folder):
        raise DataError(f"'{folder}' is not a prepared data set; make one with `medgen prepare {folder} --out DIR`")
    about = read_toml(folder / "prepare.toml")
    index = in_order(read_table(folder / "index.csv"))
    notes = [*changed_tables(folder, about.get("tables", {}))]
    settings = PrepareSettings.parse(about["settings"], f"{folder}/prepare.toml")
    layout = Layout(**about["shards"]) if "shards" in about else None
    frames, valid, masks = open_arrays(folder, layout, len(index), settings.size, settings.channels)
    if not len(frames) == len(valid) == len(index):
        raise DataError(f"'{folder}' is damaged: {len(frames)} frames, {len(index)} rows; prepare it again with --overwrite")
    rows = evenly_spaced(len(index), sample)
    per_shard = layout.frames if layout else 0
    changed = next(changed_frames(index, [frames, valid, *([] if masks is None else [masks])], rows), None)
    if changed is not None:
        where = f" in {shard_file('*', changed // per_shard)}" if per_shard else ""
        raise DataError(
            f"'{folder}' was changed: '{index['path'].iloc[changed]}'{where} is not what was prepared (`medgen verify {folder}` "
            "looks at every frame); prepare it again with --overwrite"
        )
    shown = tuple(f"intensity: {text}" for text in [about.get("intensity")] if text) + tuple(about.get("blanked", ()))
    warnings, digest = (*about.get("warnings", ()), *notes), about["digest"]
    written = about.get("table", "")
    # A table of the very bytes that were written is the one that was prepared. To write a million rows takes seconds.
    if written and digest_of(folder / "index.csv") != written and (now := table_digest(index)) != written:
        digest = short_digest(f"{digest} {now}")  # nothing that was computed before is of this set
        warnings = (*warnings, TABLE_CHANGED)
    said = {"shown": shown, "warnings": warnings, "cropping": about.get("cropping", 0), "per_shard": per_shard}
    return Prepared(folder, settings, source_of(folder, about["source"]), digest, index, frames, valid, masks, **said)


def evenly_spaced(count: int, most: int) -> NDArray[np.int64]:
    """Return min(count, most) row numbers in [0, count) at even steps, the first and the last row among them."""
    return np.linspace(0, count - 1, min(count, most)).astype(np.int64)
