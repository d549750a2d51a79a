"""An address -> an opened data set: a prepared one, or an archive or class folders read as they are, at native size.

``PATH`` is a prepared data set. ``mnist:PATH``, ``dsprites:PATH``, ``medmnist:PATH`` and ``folder:PATH`` need no preparing: their
frames are square, of one size, and all of a frame is valid. Nothing is cut, no overlay is looked for, no near-duplicates are
joined and no masks are read: a camera's frames are prepared first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medgen.data.archives import EVERY, Archive, Lazy, read_dsprites, read_medmnist, read_mnist
from medgen.data.findings import Entry
from medgen.data.image import read_image
from medgen.data.layouts import read_source
from medgen.data.manifest import nearest
from medgen.data.pixels import to_uint8
from medgen.data.prepared import INDEX, Frames, Prepared, PrepareSettings, open_prepared
from medgen.errors import DataError, ImageError, did_you_mean

SHARE = 0.05  # of normal frames, for val and for test each, where the source does not say
KEPT = 1_000_000_000  # bytes: frames of a folder that are smaller together stay in memory once they were read


def open_dataset(address: str | Path, normal: Sequence[str] = (), seed: int = 0, pad_to: int = 0) -> Prepared:
    """Open a data set; of a folder no more than the first image is decoded.

    Splits stay as the source has them. Frames that it names none for are divided: what is not normal goes to test, of the normal
    ones 5 % to val and 5 % to test. Where there is no val then, it is 5 % of the training frames, at least one. No group is ever
    divided. Frames of train and val that are not normal are put into split "unused": models learn from normal frames alone.

    Parameters
    ----------
    address : folder of a prepared data set, or KIND:PATH, KIND one of `KINDS`
    normal : the findings that are normal, "*" for all; every other one is then abnormal, and what has no finding stays as the
        source labels it. () leaves all to the source: MNIST and dSprites are all normal, of a folder its names say it
    seed : of the division
    pad_to : side in pixels to which smaller frames are filled up with black on all sides alike; 0 leaves them as they are

    Returns
    -------
    Prepared, whose digest is one of the settings, of name and size of every file, and of all findings, labels, splits and groups

    Raises
    ------
    DataError, ConfigError : if there is nothing to read at the address, its frames do not fit, or a name is unknown.
    """
    kind, path = _parse(str(address))
    if not kind:
        if normal:
            raise DataError(f"what is normal in '{path}' was fixed when it was prepared; give it for {', '.join(KINDS)} alone")
        if pad_to:
            raise DataError(f"the size of '{path}' was fixed when it was prepared; leave data.pad_to at 0")
        return open_prepared(path)
    if not path.exists():
        raise DataError(f"there is no file or folder '{path}'{nearest(path)}")
    archive = KINDS[kind](path)
    archive = replace(archive, frames=Filled(archive.frames, pad_to)) if pad_to else archive
    count, size, _, channels = archive.frames.shape
    values = {"size": size, "channels": channels, "val_share": SHARE, "test_share": SHARE, "seed": seed}
    settings = PrepareSettings.parse(values, str(address))
    table = archive.table.assign(label=_labels(archive, normal, address))
    table["group"] = table["group"].mask(table["group"] == "", "auto:" + table["path"])
    table["split"] = _divide(table, seed)
    index = _index(table, size)
    digest = _digest(kind, settings, archive, index)
    valid = np.broadcast_to(np.True_, (count, size, size))
    return Prepared(path, settings, str(address), digest, index, archive.frames, valid, None, kind)


class Filled(Lazy):
    """Frames with a black border around them.

    Raises
    ------
    DataError : if the frames are larger than `side`.
    """

    def __init__(self, frames: Frames, side: int) -> None:
        count, size, _, channels = frames.shape
        if size > side:
            raise DataError(
                f"data.pad_to is {side}, but the frames have a side of {size} already; set it to 0 or {size} and more"
            )
        super().__init__((count, side, side, channels))
        self._frames = frames
        self._border = ((side - size) // 2, side - size - (side - size) // 2)

    def _read(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        return np.pad(self._frames[rows], ((0, 0), self._border, self._border, (0, 0)))  # (n, side, side, C)


def is_address(given: str | Path) -> bool:
    """Tell whether `given` names an archive or a folder to be read at native size, and not a prepared data set.

    Raises
    ------
    DataError : if it looks like one but its kind is unknown.
    """
    return bool(_parse(str(given))[0])


def _parse(address: str) -> tuple[str, Path]:
    """Split an address into its kind, "" for a prepared data set, and its path."""
    kind, colon, rest = address.partition(":")
    if not colon or len(kind) < 2 or set(kind) & set("./\\") or Path(address).exists():  # C:\..., ./a:b, a folder a:b
        return "", Path(address)
    if kind.lower() not in KINDS:
        raise DataError(f"cannot read '{kind}' in '{address}'; {did_you_mean(kind.lower(), KINDS)}")
    if not rest:
        raise DataError(f"'{address}' names no path; expected {kind}:PATH")
    return kind.lower(), Path(rest).expanduser()  # no shell does it behind a colon


def _labels(archive: Archive, normal: Sequence[str], address: str | Path) -> NDArray[Any]:
    """Return the label of each frame: what the user calls normal, else what the source does."""
    finding, stated = archive.table["finding"], archive.table["label"]
    known = {*finding, EVERY} - {""}
    for name in normal:
        if name not in known:
            raise DataError(f"'{address}' has no finding '{name}' that could be normal; {did_you_mean(name, known)}")
    names = tuple(normal) or archive.normal
    if EVERY in names:
        return np.full(len(finding), "normal", dtype=object)
    abnormal = (finding != "") & bool(names)
    return np.where(finding.isin(names), "normal", np.where(abnormal, "abnormal", stated))


def _divide(table: pd.DataFrame, seed: int) -> pd.Series:
    """Return a split for each row of `table` (label, split, group); vectorised, as archives hold hundreds of thousands of frames.

    Raises
    ------
    DataError : where the given splits divide a group.
    """
    split, group, normal = table["split"], table["group"], table["label"] == "normal"
    given = split.mask((split == "") | (split.isin(["train", "val"]) & ~normal))
    divided = given.groupby(group).nunique() > 1
    if divided.any():
        raise DataError(f"group '{divided.idxmax()}' is in several splits; put all frames of a group into one split")
    split = split.mask(split == "", given.groupby(group).transform("first").fillna(""))  # a group stays together
    split = split.mask((split == "") & ~normal.groupby(group).transform("all"), "test")
    split = split.mask(split.isin(["train", "val"]) & ~normal, "unused")
    split[split == ""] = _shares(group[split == ""], {"val": SHARE, "test": SHARE}, seed)
    if "val" not in set(split):
        split[split == "train"] = _shares(group[split == "train"], {"val": SHARE}, seed)
    return split


def _shares(group: pd.Series, shares: Mapping[str, float], seed: int) -> NDArray[Any]:
    """Return a split for each frame: whole groups in random order to those in `shares`, the rest to train.

    The first split has at least one group, the smallest if need be, where there are two or more.
    """
    codes, names = pd.factorize(group)
    counts = np.bincount(codes, minlength=len(names))
    order = np.random.default_rng(seed).permutation(len(names))
    middle = np.cumsum(counts[order]) - counts[order] / 2  # (groups,) where each lies in the line of all frames
    ends = np.cumsum(list(shares.values())) * len(codes)
    place = np.empty(len(names), dtype=np.int64)
    place[order] = np.searchsorted(ends, middle)
    if len(names) > 1 and not (place == 0).any():
        place[order[np.argmin(counts[order])]] = 0
    return np.array([*shares, "train"], dtype=object)[place[codes]]


def _index(table: pd.DataFrame, size: int) -> pd.DataFrame:
    """Return the index of frames that are used whole, with the columns of a prepared data set."""
    ids = [sha256(path.encode()).hexdigest()[:12] for path in table["path"]]
    box = {"width": size, "height": size, "left": 0, "top": 0, "right": size, "bottom": size}
    return table.assign(id=ids, copy=0, annotated=0, **box, digest="", status="whole")[INDEX]


def _digest(kind: str, settings: PrepareSettings, archive: Archive, index: pd.DataFrame) -> str:
    """Return what changes with the settings, a file's name or size, or any finding, label, split or group."""
    hashed = sha256(f"{kind} {settings.digest()} {archive.files}".encode())
    for column in ("path", "finding", "label", "split", "group"):
        hashed.update("\n".join(index[column]).encode())
    return hashed.hexdigest()[:16]


class Files(Lazy):
    """Images of one size, one file each: decoded when they are asked for, and kept where all of them are small enough together.

    Grey frames among colour ones are repeated to three channels.

    Parameters
    ----------
    source : where they come from, for errors
    entries : the files; the first says size and channels

    Raises
    ------
    DataError : naming the file that cannot be read or is not like the first one, here and on every reading.
    """

    def __init__(self, source: Path, entries: Sequence[Entry]) -> None:
        self._source, self._entries = source, entries
        first = self._decode(0)
        super().__init__((len(entries), *first.shape))
        keep = first.nbytes * len(entries) <= KEPT
        self._kept: NDArray[np.uint8] | None = np.empty(self.shape, dtype=np.uint8) if keep else None
        self._has = np.zeros(len(entries), dtype=bool)

    def _read(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        if self._kept is None:
            return np.stack([self._like_first(row) for row in rows]) if len(rows) else np.empty((0, *self.shape[1:]), np.uint8)
        for row in np.unique(rows[~self._has[rows]]):
            self._kept[row] = self._like_first(row)
            self._has[row] = True
        return self._kept[rows]

    def _like_first(self, row: int) -> NDArray[np.uint8]:
        pixels, wanted = self._decode(row), self.shape[1:]
        if pixels.shape not in (wanted, (*wanted[:2], 1)):
            raise self._refusal(row, f"is {_measures(pixels.shape)}, the first frame {_measures(wanted)}")
        return np.broadcast_to(pixels, wanted)  # (S, S, 1) -> (S, S, 3)

    def _decode(self, row: int) -> NDArray[np.uint8]:
        try:
            image = read_image(self._entries[row].path)
        except ImageError as error:
            raise self._refusal(row, f"cannot be read ({error})") from None
        if image.source != str(self._entries[row].path):
            raise self._refusal(row, "holds several frames")
        pixels = to_uint8(image.pixels)
        if pixels.shape[0] != pixels.shape[1]:
            raise self._refusal(row, f"is {_measures(pixels.shape)}, not square")
        return pixels

    def _refusal(self, row: int, reason: str) -> DataError:
        return DataError(
            f"'{self._entries[row].file}' {reason}; a folder is read at native size where all its images are single square "
            f"frames of one size and colour: otherwise use `medgen prepare {self._source} --out DIR`"
        )


def _measures(shape: tuple[int, ...]) -> str:
    return f"{shape[1]} x {shape[0]} x {shape[2]}"


def read_folder(source: Path) -> Archive:
    """Open class folders or a manifest (`layouts`) without cropping: all images square and of one size.

    Raises
    ------
    DataError : if there is no image, a file is missing, or the first image cannot be used.
    """
    entries = read_source(source)
    if missing := [entry.file for entry in entries if not entry.path.is_file()]:
        raise DataError(f"'{source}': {len(missing)} of {len(entries)} images do not exist, the first is '{missing[0]}'")
    columns = {name: [getattr(entry, name) for entry in entries] for name in ("finding", "label", "split", "group")}
    table = pd.DataFrame({"path": [entry.file for entry in entries], **columns})
    return Archive(Files(source, entries), table, [(entry.file, entry.path.stat().st_size) for entry in entries])


KINDS: Mapping[str, Callable[[Path], Archive]] = MappingProxyType(
    {"mnist": read_mnist, "dsprites": read_dsprites, "medmnist": read_medmnist, "folder": read_folder}
)
