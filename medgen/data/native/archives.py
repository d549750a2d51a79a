"""Read published archives of small square frames: MNIST idx files, dSprites and MedMNIST npz files.

A file or folder comes in, an `Archive` goes out: frames, and a table of what the source says of them. `addresses` decides which
frames are normal and which are for training.

Uncompressed frames are memory-mapped. Compressed ones are unpacked once, when the archive is opened, and stay in memory: 55 MB
for MNIST, 3 GB for the published dSprites, up to 16 GB for the largest MedMNIST set at 224 px.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any
from zipfile import BadZipFile

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medgen.data.layouts.medmnist import medmnist_findings, medmnist_normal
from medgen.data.storage.rows import Frames, LazyRows
from medgen.errors import DataError

ALL_FINDINGS = "*"  # as a name in `Archive.normal`: all findings are normal
MNIST_FOLDERS = (".", "MNIST/raw", "raw")  # as they are published, and as torchvision unpacks them
MNIST_SPLITS = MappingProxyType({"train": "train", "test": "t10k"})
UBYTE = 8  # type code of unsigned bytes in an idx file
SHAPES = np.array(["square", "ellipse", "heart"])


@dataclass(frozen=True)
class Archive:
    """Frames of a source and what it says of them, before labels and splits are settled.

    Attributes
    ----------
    frames : (N, S, S, C) uint8
    table : one row a frame: path (a name that could be a file's), finding, label, split, group; "" where the source says nothing
    files : name and size in bytes of every file that was read, and of a sample of images what tells their content
    normal : the findings that are normal, or `ALL_FINDINGS`; () where the column label alone decides
    others : (N, S, S, C) uint8, the other frame of each pair; None where there are no pairs
    refused : file and reason of every file that was left out
    """

    frames: Frames
    table: pd.DataFrame
    files: Sequence[tuple[str, int] | tuple[str, int, str]]
    normal: tuple[str, ...] = ()
    others: Frames | None = None
    refused: tuple[tuple[str, str], ...] = ()


class StackedFrames(LazyRows[np.uint8]):
    """The frames of several arrays, one array after the other, without a copy of them.

    Parameters
    ----------
    parts : (n, S, S) or (n, S, S, C) uint8, alike but for n
    factor : what every pixel is multiplied with
    """

    def __init__(self, parts: Sequence[NDArray[np.uint8]], factor: int = 1) -> None:
        channels = parts[0].shape[3] if parts[0].ndim == 4 else 1
        super().__init__((sum(map(len, parts)), *parts[0].shape[1:3], channels))
        self._parts, self._factor = parts, np.uint8(factor)
        self._stops = np.cumsum([len(part) for part in parts])

    def _read(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        frames = np.empty((len(rows), *self.shape[1:]), dtype=np.uint8)
        part_index = np.searchsorted(self._stops, rows, side="right")  # (n,)
        for k, (part, stop) in enumerate(zip(self._parts, self._stops, strict=True)):
            in_part = part_index == k
            frames[in_part] = part[rows[in_part] - stop + len(part)].reshape(-1, *self.shape[1:])  # (n, S, S) -> (n, S, S, 1)
        frames *= self._factor
        return frames


def read_mnist(folder: Path) -> Archive:
    """Open the four idx files of MNIST, or of a set made like it. Every digit is normal: none is a disease.

    Parameters
    ----------
    folder : holds the files, gzipped or not, itself or in one of `MNIST_FOLDERS`

    Returns
    -------
    Archive of (N, S, S, 1) frames, 0 to 255, S = 28 for MNIST; a finding is a digit, the splits are train and test.

    Raises
    ------
    DataError : naming the file that is missing, damaged or does not fit the others.
    """
    parts: list[NDArray[np.uint8]] = []
    findings, files = [], []
    for name in MNIST_SPLITS.values():
        images, labels = _idx_file(folder, name, "images", 3), _idx_file(folder, name, "labels", 1)
        frames, digits = read_idx(images, 3), read_idx(labels, 1)
        if len(frames) != len(digits):
            raise DataError(f"'{images}' holds {len(frames)} frames, but '{labels}' {len(digits)} labels; fetch both again")
        _check_frames(images, frames, parts)
        parts.append(frames)
        findings.append(digits)
        files += [(file.name, file.stat().st_size) for file in (images, labels)]
    return Archive(StackedFrames(parts), _table(tuple(MNIST_SPLITS), findings), files, (ALL_FINDINGS,))


def _idx_file(folder: Path, split: str, content: str, axes: int) -> Path:
    """Return the first of the possible files that exists: uncompressed ones first, as they need no unpacking."""
    names = [f"{split}-{content}{mark}idx{axes}-ubyte{suffix}" for suffix in ("", ".gz") for mark in "-."]
    for path in (folder / subfolder / name for subfolder in MNIST_FOLDERS for name in names):
        if path.is_file():
            return path
    raise DataError(
        f"'{folder}' has no '{names[0]}' (.gz or not); expected the four files of MNIST in it: "
        "images and labels, of train and of t10k"
    )


def read_idx(path: Path, axes: int) -> NDArray[np.uint8]:
    """Read an idx file of unsigned bytes (http://yann.lecun.com/exdb/mnist), memory-mapped unless it is gzipped; read-only.

    Parameters
    ----------
    path : the file
    axes : number of axes that it must have

    Returns
    -------
    uint8 of the shape that the header states.

    Raises
    ------
    DataError : if it is no idx file, has another type or number of axes, or not the bytes that its header promises.
    """
    offset = 4 + 4 * axes
    try:
        with path.open("rb") as raw:
            gzipped = raw.read(2) == b"\x1f\x8b"
        with gzip.open(path) if gzipped else path.open("rb") as file:
            header = file.read(offset)
            if len(header) < offset or header[:4] != bytes((0, 0, UBYTE, axes)):
                raise DataError(
                    f"'{path}' begins with {header[:4].hex(' ') or 'nothing'}; expected 00 00 08 0{axes}, an idx file of "
                    f"unsigned bytes with {axes} axes: fetch it again"
                )
            shape = struct.unpack(f">{axes}I", header[4:])
            promised = math.prod(shape)
            data = file.read(promised + 1) if gzipped else b""  # a byte more than there should be
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"cannot read '{path}': {error}; fetch it again") from None
    available = len(data) if gzipped else path.stat().st_size - offset
    if available != promised or not promised:
        amount = f"more than {promised}" if available > promised else available
        raise DataError(f"'{path}' holds {amount} bytes of data, its header says {promised}: fetch it again")
    if gzipped:
        return np.frombuffer(data, dtype=np.uint8).reshape(shape)
    return np.memmap(path, dtype=np.uint8, mode="r", offset=offset, shape=shape)


def read_dsprites(path: Path) -> Archive:
    """Open a dSprites npz (https://github.com/google-deepmind/dsprites-dataset): its 0 and 1 become 0 and 255 on reading.

    Parameters
    ----------
    path : the npz file

    Returns
    -------
    Archive of (N, 64, 64, 1) frames; a finding is a shape, every shape is normal, and there are no splits.

    Raises
    ------
    DataError : if it is damaged or no dSprites.
    """
    frames, latents = _npz(path, "imgs", "latents_classes")
    _check_frames(path, frames, [])
    if latents.ndim != 2 or latents.shape[1] < 2 or len(latents) != len(frames) or not np.isin(latents[:, 1], range(3)).all():
        raise DataError(f"'{path}': latents_classes {latents.shape} are not the six factors of each of {len(frames)} frames")
    if frames.ndim != 3 or frames.max() > 1:
        raise DataError(f"'{path}': imgs {frames.shape} reach {frames.max()}; expected (N, S, S) of 0 and 1")
    table = _table(("",), [SHAPES[latents[:, 1]]])
    return Archive(StackedFrames([frames], factor=255), table, [(path.name, path.stat().st_size)], (ALL_FINDINGS,))


def read_medmnist(path: Path) -> Archive:
    """Open a MedMNIST npz (https://medmnist.com): frames (N, S, S) or (N, S, S, 3), or volumes (N, D, S, S).

    Parameters
    ----------
    path : the npz file; its name says which set it is, such as pneumoniamnist_64.npz

    Returns
    -------
    Archive of (N, S, S, C) frames, 0 to 255, with the splits of the authors; the slices of a volume are frames of its finding and
    one group. Findings and what of them is normal are as `layouts.medmnist` says.

    Raises
    ------
    DataError : if it is damaged.
    """
    splits = ("train", "val", "test")
    arrays = _npz(path, *(f"{split}_{content}" for split in splits for content in ("images", "labels")))
    parts: list[NDArray[np.uint8]] = []
    findings, depths = [], []
    for split, frames, labels in zip(splits, arrays[::2], arrays[1::2], strict=True):
        depth = frames.shape[1] if frames.ndim == 4 and frames.shape[3] not in (1, 3) else 1
        whole = frames if depth == 1 else frames.reshape(-1, *frames.shape[2:])  # (N, D, S, S) -> (N D, S, S)
        _check_frames(path, whole, parts)
        names = medmnist_findings(labels)
        if len(names) != len(frames):
            raise DataError(f"'{path}': {split}_labels are {labels.shape} for {len(frames)} frames; expected one row for each")
        parts.append(whole)
        findings.append(np.repeat(names, depth))
        depths += [depth] * len(names)
    table = _table(splits, findings)
    if max(depths) > 1:
        volumes = np.repeat(np.arange(len(depths)), depths)
        table["group"] = [f"volume {number}" for number in volumes]
    normal = medmnist_normal(path)
    return Archive(StackedFrames(parts), table, [(path.name, path.stat().st_size)], (normal,) if normal else ())


def _npz(path: Path, *names: str) -> list[NDArray[Any]]:
    """Read the named arrays of an npz file and no others."""
    if path.is_dir():
        inside = sorted(path.glob("*.npz"))
        raise DataError(f"'{path}' is a folder; expected an .npz file" + (f"; did you mean '{inside[0]}'?" if inside else ""))
    try:
        with path.open("rb") as file:  # np.load would leave a damaged one open
            if file.read(2) != b"PK":
                raise DataError(f"'{path}' is not an .npz file")
            file.seek(0)
            with np.load(file, allow_pickle=False) as archive:
                if missing := [name for name in names if name not in archive]:
                    raise DataError(
                        f"'{path}' holds {', '.join(archive.files)}, but no {missing[0]}; expected {', '.join(names)}"
                    )
                return [archive[name] for name in names]
    except (OSError, EOFError, ValueError, zlib.error, BadZipFile) as error:
        raise DataError(f"cannot read '{path}': {error}; fetch it again") from None


def _check_frames(path: Path, frames: NDArray[Any], others: Sequence[NDArray[np.uint8]]) -> None:
    """Raise DataError unless the frames are square uint8 with 1 or 3 channels, and of the size of the others."""
    if frames.dtype != np.uint8 or frames.ndim not in (3, 4) or frames.shape[1] != frames.shape[2] or not len(frames):
        raise DataError(f"'{path}' holds frames {frames.shape} of {frames.dtype}; expected (N, S, S) or (N, S, S, 3) of uint8")
    if frames.ndim == 4 and frames.shape[3] not in (1, 3):
        raise DataError(f"'{path}' holds frames {frames.shape}, volumes or frames of {frames.shape[3]} channels; expected 1 or 3")
    if others and others[0].shape[1:] != frames.shape[1:]:
        raise DataError(f"'{path}' holds frames of {others[0].shape[1:]} and of {frames.shape[1:]}; expected one size")


def _table(splits: Sequence[str], findings: Sequence[NDArray[Any]]) -> pd.DataFrame:
    """Return the table of an archive, one row a frame; frames are numbered within their split."""
    numbered = [
        (split, k, str(name)) for split, names in zip(splits, findings, strict=True) for k, name in enumerate(names.tolist())
    ]
    paths = [f"{split}/{k:05}.png" if split else f"{k:05}.png" for split, k, _ in numbered]
    columns = {"path": paths, "finding": [name for _, _, name in numbered], "split": [split for split, _, _ in numbered]}
    return pd.DataFrame(columns).assign(label="", group="")
