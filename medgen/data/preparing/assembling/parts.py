"""Part files: the crops of some files on their way into a data set, of a bounded number of frames each.

A few files at a time become part 12, ``0000012.npz``. Where they have more frames than should stand in memory, these come before
it as ``0000012-0000.npz`` and so on. The part itself is written last, so whoever goes on with an interrupted run begins with the
parts that are not there; in the order of their names, all files of all parts hold the frames in the order of the source.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Sequence, Set
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medgen.data.prepared import PrepareSettings
from medgen.data.preparing.alike.duplicates import dhash, thumbnail
from medgen.data.preparing.alike.likeness import SIDE
from medgen.data.preparing.crop_file import Cropped, Row
from medgen.data.preparing.parallel import go_on, nothing
from medgen.data.preparing.video_frames import KEPT, REJECTED, LeftOut, is_video, worth_keeping
from medgen.data.scorable import is_one_colour
from medgen.errors import ImageError, number_of
from medgen.files import write_bytes

FORMAT = 2  # of part files; raise it when those of an interrupted run cannot be gone on with
TABLE = 1_000  # rows of the index that are made a table at once, which takes a fraction of the memory of its rows
REPEATED = ("label", "finding", "split", "group", "status", "rules", "digest")  # texts that many frames share
MOST = 1 << 25  # bytes of crops in one file, and so what one worker holds of a file of any length


class Contents(NamedTuple):
    """What parts hold beside the crops.

    Attributes
    ----------
    table : one row a frame
    left_out : of files and frames that are no frame of the data set
    hashes, thumbnails : (N,) uint64 and (N, 16, 16, 3) uint8, the `dhash` and the `thumbnail` of each frame
    empty : (N,) bool, whether a frame is of one colour
    """

    table: pd.DataFrame
    left_out: list[LeftOut]
    hashes: NDArray[np.uint64]
    thumbnails: NDArray[np.uint8]
    empty: NDArray[np.bool_]


def read_contents(files: Sequence[Path]) -> Contents:
    """Read all but the crops of part files, in their order."""
    tables: list[pd.DataFrame] = []
    rows: list[Row] = []
    left_out: list[LeftOut] = []
    hashes, thumbnails, empty = (
        bytearray(),
        bytearray(),
        bytearray(),
    )  # grow where they are, and arrays do not
    known: dict[Any, Any] = {}
    for path in files:
        with np.load(path) as part:
            table = json.loads(str(part["table"]))
            for small, name in ((hashes, "hashes"), (thumbnails, "thumbnails"), (empty, "empty")):
                small += part[name].tobytes()
        left_out += [LeftOut(*values) for values in table["left_out"]]
        rows += [_shared(row, known) for row in table["rows"]]
        if len(rows) >= TABLE:
            tables.append(_table(rows))
            rows = []
    if rows:
        tables.append(_table(rows))
    return Contents(
        pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(),
        left_out,
        np.frombuffer(hashes, np.uint64),
        np.frombuffer(thumbnails, np.uint8).reshape(-1, SIDE, SIDE, 3),
        np.frombuffer(empty, np.bool_),
    )


def _table(rows: Sequence[Row]) -> pd.DataFrame:
    return pd.DataFrame(rows).astype({"seconds": float})  # None where a frame has no time


def _shared(row: Row, known: dict[Any, Any]) -> Row:
    """Return a row whose texts and relations are those of earlier rows that have the same: a name for all, not one for each."""
    relations = tuple(known.setdefault(relation, relation) for relation in row.get("related", ()))
    texts = {name: known.setdefault(row[name], row[name]) for name in REPEATED if name in row}
    return {**row, **texts, "related": known.setdefault(relations, relations)}


def part_file(folder: Path, number: int) -> Path:
    """Return the file that is there when a part is whole."""
    return folder / f"{number:07}.npz"


def part_files(folder: Path) -> list[Path]:
    """Return all files of all parts, in the order of the frames."""
    return sorted(folder.glob("*.npz"))  # "-" stands before "."


def discard_unfinished(folder: Path) -> None:
    """Delete the files of parts that are not whole."""
    for path in folder.glob("*-*.npz"):
        if not path.with_name(f"{path.name.partition('-')[0]}.npz").exists():
            path.unlink()


class PartWriter:
    """Writes one part, file by file of the source; `close` makes it whole."""

    def __init__(self, folder: Path, number: int, settings: PrepareSettings, on_frame: Callable[[], object] = nothing) -> None:
        self._path, self._settings, self._on_frame = part_file(folder, number), settings, on_frame
        self._most = max(1, MOST // (settings.size**2 * (settings.channels + 2)))  # frames in one file
        self._ready: list[Cropped] = []  # of files that are through
        self._left_out: list[LeftOut] = []
        self._written = 0  # files before the last

    def add(self, file: str, frames: Iterable[Cropped]) -> None:
        """Take up the frames of a file, of a video those that are worth keeping.

        A file that turns out to be damaged is left out as a whole; of a video the frames stay that could be read.

        Parameters
        ----------
        file : its name
        frames : of it, read while they are asked for
        """
        own: list[Cropped] = []
        video: list[Cropped] = []  # all its frames, in small
        first: int | None = None  # of the part files that hold nothing but this file
        try:
            for frame in frames:
                go_on()
                self._on_frame()
                own.append(frame)
                if is_video(own):
                    video.append(Cropped(frame.row, thumbnail(frame.pixels), frame.valid[:0], frame.mask[:0]))
                if len(own) == self._most:
                    first = self._begin() if first is None else first
                    self._write(own)
                    own = []
        except ImageError as error:
            reason = str(error)
            if not video:
                self._forget(first)
                self._left_out.append(LeftOut(file, reason, REJECTED))
                return
            self._left_out.append(LeftOut(file, f"{reason}{KEPT} ({number_of(len(video), 'frame', 'frames')})", REJECTED))
        if video:
            kept, left_out = worth_keeping(video, self._settings)
            paths = {str(frame.row["path"]) for frame in kept}
            self._left_out += left_out
            for number in range(self._written if first is None else first, self._written):
                _keep(self._before(number), paths)
            own = [frame for frame in own if str(frame.row["path"]) in paths]
        self._ready += own
        if len(self._ready) >= self._most:
            self._begin()

    def close(self) -> None:
        """Write what is left; the part is whole then."""
        _save(self._path, self._ready, self._left_out, self._settings)

    def _begin(self) -> int:
        """Write what is ready, and return the number of the part file that comes next."""
        if self._ready:
            self._write(self._ready)
            self._ready = []
        return self._written

    def _write(self, frames: Sequence[Cropped]) -> None:
        _save(self._before(self._written), frames, [], self._settings)
        self._written += 1

    def _forget(self, first: int | None) -> None:
        """Delete the part files from the first one on, those of a damaged file."""
        first = self._written if first is None else first
        for number in range(first, self._written):
            self._before(number).unlink()
        self._written = first

    def _before(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.stem}-{number:04}.npz")


def _save(path: Path, frames: Sequence[Cropped], left_out: Sequence[LeftOut], settings: PrepareSettings) -> None:
    size, channels = settings.size, settings.channels
    _store(
        path,
        {"rows": [frame.row for frame in frames], "left_out": left_out},
        {
            "pixels": np.array([frame.pixels for frame in frames], dtype=np.uint8).reshape(-1, size, size, channels),
            "valid": np.array([frame.valid for frame in frames], dtype=bool).reshape(-1, size, size),
            "mask": np.array([frame.mask for frame in frames], dtype=bool).reshape(-1, size, size),
            "hashes": np.array([dhash(frame.pixels) for frame in frames], dtype=np.uint64),
            "thumbnails": np.array([thumbnail(frame.pixels) for frame in frames], dtype=np.uint8).reshape(-1, SIDE, SIDE, 3),
            "empty": np.array([is_one_colour(frame.pixels, frame.valid) for frame in frames], dtype=bool),
        },
    )


def _keep(path: Path, paths: Set[str]) -> None:
    """Leave only some frames in a part file."""
    with np.load(path) as part:
        table = json.loads(str(part["table"]))
        chosen = np.array([row["path"] in paths for row in table["rows"]], dtype=bool)
        arrays = {name: part[name][chosen] for name in part.files if name != "table"}
    table["rows"] = [row for row in table["rows"] if row["path"] in paths]
    _store(path, table, arrays)


def _store(path: Path, table: dict[str, Any], arrays: dict[str, Any]) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, table=np.array(json.dumps(table)), **arrays)
    write_bytes(path, buffer.getvalue())
