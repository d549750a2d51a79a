"""Arrays of a data set in shards: files of so many rows each that are read as one array, whatever all of them together weigh.

A set in shards has a folder ``shards`` with ``frames-00000.npy``, ``valid-00000.npy`` and, where frames are annotated,
``masks-00000.npy`` and so on: what ``frames.npy``, ``valid.npy`` and ``masks.npy`` of another set hold, cut after every so many
rows. ``valid-counts.npy`` beside them says how many pixels of each frame are valid, so that nobody reads all of them to know.
Rows travel in blocks of `BLOCK`, which is also what is shuffled as a whole (`medgen.data.storage.shuffle`).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from medgen.data.storage.rows import Flags, Frames, LazyRows, T
from medgen.errors import DataError
from medgen.files import short_digest

FOLDER = "shards"
COUNTS = "valid-counts.npy"
ARRAYS = ("frames", "valid", "masks")
BLOCK = 16  # rows that lie together in a shard and are read, fetched and shuffled together
MOST_AHEAD = 4096  # blocks that the system is asked to read ahead: it has other files in its memory
HEADER = 64  # bytes of which the header of a .npy file takes a few times as many


class Block(NamedTuple):
    """Some bytes of a file below the folder of a set: those of a block of rows."""

    file: str
    start: int
    stop: int


class Files(Protocol):
    """The files of a set, wherever they lie; `place` names that in errors."""

    place: str

    def sizes(self) -> Mapping[str, int]:
        """Return the bytes of each file in the folder of shards, by its path from the folder of the set."""
        ...

    def read(self, file: str) -> bytes:
        """Return a small file."""
        ...

    def fill(self, block: Block, offset: int, into: memoryview) -> None:
        """Fill a buffer with the bytes of a block from `offset` on."""
        ...

    def soon(self, blocks: Sequence[Block]) -> None:
        """Take note that these blocks will be asked for soon."""
        ...

    def make_sure(self, count: int) -> None:
        """Refuse to have so many bytes at hand where there is no room for them."""
        ...


class FilesHere:
    """Files in a folder on a disk of this machine."""

    def __init__(self, folder: Path) -> None:
        self.place = str(folder)
        self._folder = folder
        self._paths: dict[str, Path] = {}  # to put a path together takes longer than to open it

    def sizes(self) -> Mapping[str, int]:
        with os.scandir(self._folder / FOLDER) as entries:
            return {f"{FOLDER}/{entry.name}": entry.stat().st_size for entry in entries}

    def read(self, file: str) -> bytes:
        return (self._folder / file).read_bytes()

    def fill(self, block: Block, offset: int, into: memoryview) -> None:
        try:
            whole = fill_from(self._path(block.file), block.start + offset, into)
        except FileNotFoundError:
            raise DataError(f"'{self.place}': {block.file} is missing; {REMEDY}") from None
        if not whole:
            raise DataError(f"'{self.place}': {block.file} is cut short; {REMEDY}")

    def soon(self, blocks: Sequence[Block]) -> None:
        if sys.platform != "linux":  # which reads them while others are worked on; elsewhere there is no such call
            return
        for block in blocks[:MOST_AHEAD]:
            with self._path(block.file).open("rb", buffering=0) as file:
                os.posix_fadvise(file.fileno(), block.start, block.stop - block.start, os.POSIX_FADV_WILLNEED)

    def make_sure(self, count: int) -> None:
        """The system finds room for what it reads ahead."""

    def _path(self, file: str) -> Path:
        if file not in self._paths:
            self._paths[file] = self._folder / file
        return self._paths[file]


def fill_from(path: Path, start: int, into: memoryview) -> bool:
    """Fill a buffer from a file, which is open for no longer than that: of thousands of shards few could stay open.

    Returns
    -------
    whether it had so many bytes

    Raises
    ------
    FileNotFoundError : if there is no such file.
    """
    with path.open("rb", buffering=0) as file:
        file.seek(start)
        done = 0
        while done < len(into) and (count := file.readinto(into[done:])):
            done += count
    return done == len(into)


REMEDY = "copy it anew from where it is whole, or prepare the set again with --overwrite"


def shard_file(name: str, number: int) -> str:
    """Return the path of a shard from the folder of its set; `name` is one of `ARRAYS`."""
    return f"{FOLDER}/{name}-{number:05}.npy"


class ShardedRows(LazyRows[T]):
    """The rows of many shards, read when they are indexed.

    Parameters
    ----------
    files : of the set
    name : of the array, one of `ARRAYS`
    shape : (N, ...) of all shards together
    kind : of its elements, of one byte each
    per_shard : rows of each shard but the last
    sizes : bytes of each file of the set
    counts : (N,) of flags: how many of a row are set; None where nobody counted

    Raises
    ------
    DataError : naming the shard that is missing or has other bytes than rows.
    """

    def __init__(
        self,
        files: Files,
        name: str,
        shape: tuple[int, ...],
        kind: type[T],
        per_shard: int,
        sizes: Mapping[str, int],
        counts: NDArray[np.uint32] | None = None,
    ) -> None:
        super().__init__(shape)
        self.files, self._name, self._kind, self._per_shard, self.counts = files, name, kind, per_shard, counts
        self.row_bytes = prod(shape[1:])  # of a row
        self._headers = [self._header(number, sizes) for number in range(-(-shape[0] // per_shard))]
        self._announced: Block | None = None

    def _header(self, number: int, sizes: Mapping[str, int]) -> int:
        """Return the bytes before the first row of a shard."""
        file, rows = shard_file(self._name, number), min(self._per_shard, len(self) - number * self._per_shard)
        where = f"'{self.files.place}': {file}"
        if file not in sizes:
            raise DataError(f"{where} is missing; {REMEDY}")
        header = sizes[file] - rows * self.row_bytes
        if header <= 0 or header % HEADER or header > 64 * HEADER:
            raise DataError(f"{where} has {sizes[file]:,} bytes and not those of {rows} rows; {REMEDY}")
        return header

    def _block(self, row: int) -> tuple[Block, int]:
        """Return the block that a row is in, and the row's place in it."""
        shard, place = divmod(row, self._per_shard)
        first = place // BLOCK * BLOCK
        last = min(first + BLOCK, self._per_shard, len(self) - shard * self._per_shard)
        header = self._headers[shard]
        block = Block(shard_file(self._name, shard), header + first * self.row_bytes, header + last * self.row_bytes)
        return block, place - first

    def _read(self, rows: NDArray[np.int64]) -> NDArray[T]:
        found = np.empty((len(rows), *self.shape[1:]), self._kind)
        if not found.size:
            return found
        places = rows % self._per_shard
        apart = (np.diff(rows) != 1) | (places[1:] % BLOCK == 0)  # what lies together is read at once
        starts = [0, *(np.flatnonzero(apart) + 1).tolist(), len(rows)]
        view = memoryview(found.reshape(-1).view(np.uint8).data)
        for first, stop in pairwise(starts):
            block, place = self._block(int(rows[first]))
            self.files.fill(block, place * self.row_bytes, view[first * self.row_bytes : stop * self.row_bytes])
        return found

    def soon(self, rows: NDArray[np.int64]) -> None:
        """Take note that rows (n,) will be read soon; of rows of one block once is enough."""
        blocks = []
        for row in rows.tolist():
            block, _ = self._block(row)
            if block != self._announced:
                blocks.append(block)
            self._announced = block
        self.files.soon(blocks)


class Arrays(NamedTuple):
    """The arrays of a set: frames (N, S, S, C), valid and masks (N, S, S); no masks where no frame is annotated."""

    frames: Frames
    valid: Flags
    masks: Flags | None


class Layout(NamedTuple):
    """What a set says of its shards (``prepare.toml``, section ``shards``).

    Attributes
    ----------
    frames : in a shard
    arrays : which of `ARRAYS` there are
    counts : digest of `COUNTS`
    """

    frames: int
    arrays: Sequence[str]
    counts: str


def open_shards(files: Files, layout: Layout, count: int, side: int, channels: int) -> Arrays:
    """Open the arrays of a set in shards, and see that each shard is there and whole; no frame is read.

    Parameters
    ----------
    files : of the set
    layout : what it says of them
    count : rows in all
    side, channels : of a frame

    Raises
    ------
    DataError : naming the first shard that is not as it was written.
    """
    try:
        content = files.read(f"{FOLDER}/{COUNTS}")
    except (FileNotFoundError, NotADirectoryError):
        raise DataError(f"'{files.place}': {FOLDER}/{COUNTS} is missing; {REMEDY}") from None
    if short_digest(content) != layout.counts:
        raise DataError(f"'{files.place}': {FOLDER}/{COUNTS} is not what was prepared; {REMEDY}")
    return open_rows(files, layout, count, side, channels, np.frombuffer(content[-4 * count :], dtype="<u4"))


def open_rows(
    files: Files, layout: Layout, count: int, side: int, channels: int, counts: NDArray[np.uint32] | None = None
) -> Arrays:
    """Open the arrays of shards as `open_shards` does, with what was counted; nothing of shards that are being written."""
    flags, how = (count, side, side), (layout.frames, files.sizes())
    frames = ShardedRows(files, "frames", (*flags, channels), np.uint8, *how)
    masks = ShardedRows(files, "masks", flags, np.bool_, *how) if "masks" in layout.arrays else None
    return Arrays(frames, ShardedRows(files, "valid", flags, np.bool_, *how, counts), masks)


def counted(flags: Any, rows: NDArray[np.int64]) -> NDArray[np.float64] | None:
    """Return the share of each row (n,) that is set, of flags of which it was counted when they were written; else None."""
    counts = getattr(flags, "counts", None)
    return None if counts is None else counts[rows] / prod(flags.shape[1:])


def make_sure(count: int, *arrays: Any) -> None:
    """Refuse to have so many rows of some arrays at hand at once, where they come from elsewhere and fewer may be kept."""
    for files in {array.files for array in arrays if isinstance(array, ShardedRows)}:
        files.make_sure(count * sum(array.row_bytes for array in arrays if isinstance(array, ShardedRows)))


def announce(rows: NDArray[np.int64], *arrays: Any) -> None:
    """Tell those of some arrays that read from shards which rows (n,) will be asked for soon."""
    for array in arrays:
        soon: Callable[[NDArray[np.int64]], None] | None = getattr(array, "soon", None)
        if soon and len(rows):
            soon(rows)
