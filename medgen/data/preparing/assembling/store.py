"""The crops of part files to the arrays of a data set: one file of each array, or shards of so many frames.

Shards are written one after the other beside the part files, each with a note of what was found in it, and take their place in
the data set together. Whoever goes on with an interrupted run keeps those that have a note.
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medgen.data.augmenting.augment import draw
from medgen.data.contents import frame_digests, with_contents
from medgen.data.prepared import PrepareSettings
from medgen.data.preparing.parallel import in_order
from medgen.data.storage.shards import ARRAYS, COUNTS, FOLDER, FilesHere, Layout, open_rows, shard_file
from medgen.files import let_go, new_array, read_json, replacing, short_digest, write_bytes, write_json

CHUNK = 256  # frames after which what was written of mapped arrays is let go
NOTES = "notes"  # beside the folder of shards on their way: what was found in each that is whole
Arrays = Mapping[str, NDArray[Any]]


class Stored(NamedTuple):
    """Arrays that are on the disk.

    Attributes
    ----------
    table : of the frames, longer by the rows of the copies, with the digest of each frame
    layout : of its shards; None where there are none
    """

    table: pd.DataFrame
    layout: Layout | None


def store(
    out: Path,
    parts: Sequence[Path],
    index: pd.DataFrame,
    kept: NDArray[np.bool_],
    empty: NDArray[np.bool_],
    settings: PrepareSettings,
    workers: int | None,
    shards: int = 0,
) -> Stored:
    """Write the frames that are kept, and their copies behind them.

    Parameters
    ----------
    out : folder of the data set; arrays of a set that was there before go
    parts : part files, in the order of the frames
    index : one row a frame that is kept
    kept, empty : (M,) of all frames of the part files: whether it is one of the data set; whether no pixel of it is valid
    settings : of the data set
    workers : threads that make copies; None is one for each core
    shards : frames in each file; 0 for one file of each array
    """
    writer = _Writer(parts, index, kept, empty, settings, workers)
    names = [name for name in ARRAYS if name != "masks" or index["annotated"].any()]
    if not shards:
        found = writer.write({name: out / f"{name}.npy" for name in names}, 0, writer.total)
        for name in {*ARRAYS} - {*names}:
            (out / f"{name}.npy").unlink(missing_ok=True)
        shutil.rmtree(out / FOLDER, ignore_errors=True)
        return Stored(with_contents(writer.index, found.digests), None)
    here = parts[0].parent / f"{FOLDER}-{shards}"
    if not (here / FOLDER).exists() and (here / NOTES).exists() and (out / FOLDER).exists():
        (out / FOLDER).replace(here / FOLDER)  # of a run that ended when they had taken their place
    found = _write_shards(writer, here, names, shards)
    counts = io.BytesIO()
    np.save(counts, np.array(found.counts, dtype="<u4"))
    write_bytes(here / FOLDER / COUNTS, counts.getvalue())
    shutil.rmtree(out / FOLDER, ignore_errors=True)
    (here / FOLDER).replace(out / FOLDER)
    for name in ARRAYS:
        (out / f"{name}.npy").unlink(missing_ok=True)
    return Stored(with_contents(writer.index, found.digests), Layout(shards, names, short_digest(counts.getvalue())))


class _Found(NamedTuple):
    """Of each frame in some arrays the digest, and how many pixels are valid."""

    digests: list[str]
    counts: list[int]


def _write_shards(writer: _Writer, here: Path, names: Sequence[str], size: int) -> _Found:
    """Write the shards that have no note yet below a folder."""
    found = _Found([], [])
    for number, start in enumerate(range(0, writer.total, size)):
        note = here / NOTES / f"{number:05}.json"
        if known := read_json(note):
            one = _Found(known["digests"], known["counts"])
        else:
            writer.before(here, start, size)
            one = writer.write({name: here / shard_file(name, number) for name in names}, start, min(start + size, writer.total))
            write_json(note, one._asdict())
        found.digests.extend(one.digests)
        found.counts.extend(one.counts)
    return found


class _Writer:
    """Writes rows of the data set, which have to be asked for in their order."""

    def __init__(
        self,
        parts: Sequence[Path],
        index: pd.DataFrame,
        kept: NDArray[np.bool_],
        empty: NDArray[np.bool_],
        settings: PrepareSettings,
        workers: int | None,
    ) -> None:
        self.settings, self._workers = settings, workers
        copied = np.flatnonzero(index["split"] == "train") if settings.copies else np.array([], dtype=np.int64)
        self._count = len(index)  # of originals, behind which the copies stand
        self._copied, self._numbers = np.tile(copied, settings.copies), np.repeat(np.arange(1, settings.copies + 1), len(copied))
        self.index = (
            pd.concat([index, index.iloc[self._copied].assign(copy=self._numbers)], ignore_index=True) if len(copied) else index
        )
        self.total = len(self.index)
        self.earlier: tuple[Any, ...] = ()  # frames and valid pixels before those that are written
        self._parts, self._kept, self._empty = parts, kept, empty
        self._crops: Iterator[tuple[int, Arrays]] | None = None
        self._left: tuple[int, Arrays] | None = None

    def before(self, folder: Path, start: int, size: int) -> None:
        """Take note of the shards of `size` frames that hold the rows before `start`, of which copies may be made."""
        if start > self._count - len(self._copied):
            layout, side = Layout(size, ("frames", "valid"), ""), self.settings.size
            self.earlier = open_rows(FilesHere(folder), layout, start, side, self.settings.channels)[:2]

    def write(self, files: Mapping[str, Path], start: int, stop: int) -> _Found:
        """Write rows `start` to `stop` into new files."""
        side, channels = self.settings.size, self.settings.channels
        shapes = {"frames": (stop - start, side, side, channels)}
        with ExitStack() as stack:
            arrays = {
                name: stack.enter_context(
                    _array(path, np.uint8 if name == "frames" else np.bool_, shapes.get(name, (stop - start, side, side)))
                )
                for name, path in files.items()
            }
            self._write_originals(arrays, start, min(stop, self._count))
            self._write_copies(arrays, start, max(start, self._count), stop)
            digests = frame_digests(self.index.iloc[start:stop], [arrays[name] for name in ARRAYS if name in arrays])
            return _Found(digests, _counts(arrays["valid"]))

    def _write_originals(self, arrays: Arrays, start: int, stop: int) -> None:
        self._crops = self._crops or self._read(start)
        row = start
        while row < stop:
            first, crops = self._left or next(self._crops)
            count = min(stop, first + len(crops["frames"])) - row
            for name, array in arrays.items():
                array[row - start : row - start + count] = crops[name][row - first : row - first + count]
            row += count
            self._left = (first, crops) if row < first + len(crops["frames"]) else None
            let_go(*arrays.values())

    def _read(self, start: int) -> Iterator[tuple[int, Arrays]]:
        """Yield the crops of each part file that has some from row `start` on, and the row of the first."""
        first = row = 0
        for path in self._parts:
            with np.load(path) as part:
                whole = slice(first, first + len(part["hashes"]))
                chosen = self._kept[whole]
                first, row, here = whole.stop, row + int(chosen.sum()), row
                if row > start:
                    valid = part["valid"][chosen] & ~self._empty[whole][chosen, None, None]
                    yield here, {"frames": part["pixels"][chosen], "valid": valid, "masks": part["mask"][chosen]}

    def _write_copies(self, arrays: Arrays, start: int, first: int, stop: int) -> None:
        """Write the augmented copies that are rows `first` to `stop`; each draw depends on its frame alone."""
        if first >= stop:
            return
        from medgen.data.augmenting.augmented import (
            apply_one,
        )  # with torch and MONAI, seconds to import, and only copies need them

        def augment(row: int) -> tuple[NDArray[Any], NDArray[Any]]:
            copy, original = int(self._numbers[row - self._count]), int(self._copied[row - self._count])
            place, of = (original - start, (arrays["frames"], arrays["valid"])) if original >= start else (original, self.earlier)
            seed = [self.settings.seed, copy, int(self.index["id"][original], 16)]
            return apply_one(of[0][place], of[1][place], draw(self.settings.augment, 1, np.random.default_rng(seed)), 0)

        for row, (pixels, valid) in enumerate(in_order(augment, range(first, stop), self._workers), start=first):
            arrays["frames"][row - start], arrays["valid"][row - start] = pixels, valid
            if row % CHUNK == 0:
                let_go(*arrays.values())


def _counts(valid: NDArray[np.bool_]) -> list[int]:
    counts: list[int] = []
    for start in range(0, len(valid), CHUNK):
        counts += np.count_nonzero(valid[start : start + CHUNK], axis=(1, 2)).tolist()
        let_go(valid)
    return counts


@contextmanager
def _array(path: Path, kind: type, shape: tuple[int, ...]) -> Iterator[NDArray[Any]]:
    """Yield a memory-mapped array that takes its name when the block ends well."""
    with replacing(path) as temporary:
        array = new_array(temporary, kind, shape)
        yield array
        array.flush()
