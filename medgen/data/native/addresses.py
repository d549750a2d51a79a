"""Open the data set at an address: a prepared one, or an archive or folders read as they are, at native size.

The address, as a user types it, comes in; a `Prepared` goes out, so that all after this treats every kind of source alike.

``PATH`` is a prepared data set. ``mnist:PATH``, ``dsprites:PATH``, ``medmnist:PATH``, ``folder:PATH``, ``pairs:PATH`` and
``unpaired:PATH`` need no preparing: their frames are square, of one size, and all of a frame is valid. Nothing is cut, no overlay
is looked for, no near-duplicates are joined and no masks are read: a camera's frames are prepared first.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from medgen.config import SEEDS, Settings
from medgen.data.field.overlay import reduce_truth, reduce_valid
from medgen.data.native.archives import ALL_FINDINGS, Archive, read_dsprites, read_medmnist, read_mnist
from medgen.data.native.image_folders import read_folder, read_pairs, read_unpaired
from medgen.data.native.resized import ResizedFrames, ResizedMasks
from medgen.data.native.shots import with_shots
from medgen.data.prepared import INDEX, Prepared, PrepareSettings, open_prepared
from medgen.data.preparing.splits import SHARE, hold_out, split_archive
from medgen.data.source_file import nearest
from medgen.data.storage.rows import Frames
from medgen.errors import DataError, did_you_mean
from medgen.files import short_digest


class ReadSettings(Settings):
    """How the frames at an address are read.

    A prepared data set takes `resize_to`, to a smaller side, `pool_share` with `split_seed`, and `shots`; the rest is fixed.
    """

    normal: tuple[str, ...] = ()  # findings that are normal, "*" for all; all others are not; () = what the source says
    split_seed: int = Field(0, ge=0, lt=SEEDS)  # of the splits that a source does not name; prepared frames have theirs already
    resize_to: int = Field(0, ge=0)  # side to which frames are resized; 0 = as they are
    pad_to: int = Field(0, ge=0)  # side to which frames are filled up with black, after that; 0 = as they are
    channels: Literal[0, 1, 3] = 0  # 3 repeats grey, 1 takes colour away; 0 = as they are
    direction: Literal["AtoB", "BtoA"] = "AtoB"  # of pairs: which of the two frames is the input
    pool_share: float = Field(0.0, ge=0, lt=1)  # of the abnormal test frames, in whole groups: a second domain to train with
    shots: int = Field(0, ge=0)  # frames to train on, of as many groups as there are (shots.py); 0 = all training frames
    shots_seed: int = Field(0, ge=0, lt=SEEDS)  # which frames those are


def open_dataset(address: str | Path, reading: ReadSettings | None = None) -> Prepared:
    """Open a data set; of a folder no more than the first image is decoded.

    Splits stay as the source has them. Frames that it names none for are divided: what is not normal goes to test, of the normal
    ones 5 % to val and 5 % to test. Where there is no val then, it is 5 % of the training frames, at least one. No group is ever
    divided. Frames of train and val that are not normal are put into split "unused", as is what `pool_share` holds out of the
    test frames: models learn from normal frames alone, except those that train with a second domain.

    Parameters
    ----------
    address : folder of a prepared data set, or KIND:PATH, KIND one of `KINDS`
    reading : how to read it. Without `normal` the source decides: MNIST and dSprites are all normal, a folder says it by names

    Returns
    -------
    Prepared. Of one read at native size the digest covers the settings, name and size of every file, and all findings, labels,
    splits and groups.

    Raises
    ------
    DataError : if there is nothing to read at the address, its frames do not fit, or the kind or a finding is unknown.
    ConfigError : if the frames are of a size that no data set may have.
    """
    reading = reading or ReadSettings()
    kind, path = _parse(str(address))
    data = _open_archive(kind, path, address, reading) if kind else _open_prepared(path, reading)
    if reading.pool_share:
        split = hold_out(data.index, reading.pool_share, reading.split_seed)
        data = replace(data, index=data.index.assign(split=split))
    return with_shots(data, reading.shots, reading.shots_seed)


def _open_prepared(path: Path, reading: ReadSettings) -> Prepared:
    if reading.normal:
        raise DataError(f"what is normal in '{path}' was fixed when it was prepared; give it for {', '.join(KINDS)} alone")
    for name in ("pad_to", "channels"):
        if getattr(reading, name):
            raise DataError(f"border and channels of '{path}' were fixed when it was prepared; leave data.{name} at 0")
    data, side = open_prepared(path), reading.resize_to
    if side > data.size:
        raise DataError(f"frames of '{path}' are {data.size} x {data.size}; for {side} prepare them anew with --size {side}")
    return _resized(data, side) if 0 < side < data.size else data


def _resized(data: Prepared, side: int) -> Prepared:
    """Return a prepared data set made smaller; its flags are reduced by the same rules as when it was prepared."""
    return replace(
        data,
        settings=PrepareSettings.parse({**data.settings.model_dump(), "size": side}, "data.resize_to"),
        digest=short_digest(f"{data.digest} {side}"),
        frames=ResizedFrames(data.frames, side),
        valid=ResizedMasks(data.valid, side, reduce_valid),
        masks=None if data.masks is None else ResizedMasks(data.masks, side, reduce_truth),
    )


def _open_archive(kind: str, path: Path, address: str | Path, reading: ReadSettings) -> Prepared:
    if not path.exists():
        raise DataError(f"there is no file or folder '{path}'{nearest(path)}")
    archive = KINDS[kind](path)
    frames, others = archive.frames, archive.others
    if others is not None and reading.direction == "BtoA":
        frames, others = others, frames
    frames, others = as_set(frames, reading), None if others is None else as_set(others, reading)
    if others is not None and others.shape != frames.shape:
        raise DataError(f"'{path}': inputs are {frames.shape[1:]}, what belongs to them {others.shape[1:]}; set data.channels=3")
    count, size, _, channels = frames.shape
    values = {"size": size, "channels": channels, "val_share": SHARE, "test_share": SHARE, "seed": reading.split_seed}
    settings = PrepareSettings.parse(values, str(address))
    table = archive.table.assign(label=_labels(archive, reading.normal, address))
    table["group"] = table["group"].mask(table["group"] == "", "auto:" + table["path"])
    table["split"] = split_archive(table, reading.split_seed)
    index = _index(table, size)
    digest = _digest(kind, settings, archive, index, reading.direction)
    valid = np.broadcast_to(np.True_, (count, size, size))
    return Prepared(path, settings, str(address), digest, index, frames, valid, None, kind, others, archive.refused)


def as_set(frames: Frames, reading: ReadSettings) -> Frames:
    """Return the frames in the size and with the channels that are set; as they are where nothing is set."""
    changes = (reading.resize_to, reading.pad_to, reading.channels)
    return ResizedFrames(frames, *changes) if any(changes) else frames


def split_address(address: str | Path) -> tuple[str, Path]:
    """Return the kind of an address with its colon, "" of a prepared data set, and its path."""
    kind, colon, path = str(address).rpartition(":") if is_address(address) else ("", "", str(address))
    return kind + colon, Path(path).expanduser()


def address_from(address: str, folder: Path) -> str:
    """Return an address as a file in `folder` holds it; `whole_address` makes it whole again, also where both have moved."""
    kind, path = split_address(address)
    return kind + Path(os.path.relpath(path, folder)).as_posix() if address else ""


def whole_address(address: str, folder: Path) -> str:
    """Return an address that a file in `folder` holds, its path from the root of the disk."""
    kind, path = split_address(address)
    return kind + os.path.abspath(folder / path) if address else ""  # noqa: PTH100 - a link in the path stays one


def is_address(address: str | Path) -> bool:
    """Tell whether an address is of the form KIND:PATH, to be read at native size; else it is the path of a prepared data set.

    Raises
    ------
    DataError : if it has a kind that is unknown, or no path behind it.
    """
    return bool(_parse(str(address))[0])


def _parse(address: str) -> tuple[str, Path]:
    """Split an address into its kind, "" for a prepared data set, and its path."""
    kind, colon, rest = address.partition(":")
    if not colon or len(kind) < 2 or set(kind) & set("./\\") or Path(address).exists():  # C:\..., ./a:b, a folder a:b
        return "", Path(address)
    if kind.lower() not in KINDS and rest.startswith("/"):
        whole = f"{kind}://{rest.lstrip('/')}"
        raise DataError(
            f"'{whole}': fetch the tables of a set in shards there by `medgen prepare {whole} --out DATA`, and give DATA"
        )
    if kind.lower() not in KINDS:
        raise DataError(f"cannot read '{kind}' in '{address}'; {did_you_mean(kind.lower(), KINDS)}")
    if not rest:
        raise DataError(f"'{address}' names no path; expected {kind}:PATH")
    return kind.lower(), Path(rest).expanduser()  # no shell does it behind a colon


def _labels(archive: Archive, normal: Sequence[str], address: str | Path) -> NDArray[np.object_]:
    """Return the label of each frame (N,): by the findings that the user calls normal, else as the source says."""
    finding, stated = archive.table["finding"], archive.table["label"]
    known = {*finding, ALL_FINDINGS} - {""}
    for name in normal:
        if name not in known:
            raise DataError(f"'{address}' has no finding '{name}' that could be normal; {did_you_mean(name, known)}")
    names = tuple(normal) or archive.normal
    if ALL_FINDINGS in names:
        return np.full(len(finding), "normal", dtype=object)
    abnormal = (finding != "") & bool(names)
    return np.where(finding.isin(names), "normal", np.where(abnormal, "abnormal", stated))


def _index(table: pd.DataFrame, size: int) -> pd.DataFrame:
    """Return the index of frames that are used whole, with the columns of a prepared data set."""
    ids = [short_digest(path)[:12] for path in table["path"]]
    box = {"width": size, "height": size, "left": 0, "top": 0, "right": size, "bottom": size}
    return table.assign(id=ids, copy=0, annotated=0, **box, digest="", status="whole")[INDEX]


def _digest(kind: str, settings: PrepareSettings, archive: Archive, index: pd.DataFrame, direction: str) -> str:
    """Return a digest of the settings, the files' names and sizes, and all findings, labels, splits and groups."""
    turned = direction if archive.others is not None and direction != "AtoB" else ""
    columns = ["\n".join(index[column]) for column in ("path", "finding", "label", "split", "group")]
    return short_digest(f"{kind} {settings.digest()} {archive.files}{turned}", *columns)


KINDS: Mapping[str, Callable[[Path], Archive]] = MappingProxyType(
    {
        "mnist": read_mnist,
        "dsprites": read_dsprites,
        "medmnist": read_medmnist,
        "folder": read_folder,
        "pairs": read_pairs,
        "unpaired": read_unpaired,
    }
)
