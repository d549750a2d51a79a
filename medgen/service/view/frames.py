"""The frames that a reader goes through: files as they lie, or those of a data set; none is read before it is asked for.

What a frame is called on the page says nothing of what it shows: where the source names classes, so do its folders, and frames
stand there by their ids and in an order that mixes the classes, unless the reader asks for labels.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from medgen.data.images import opened, suffix_of
from medgen.data.native.addresses import is_address
from medgen.data.prepared import Prepared, is_prepared
from medgen.data.preparing.source_frames import opened_source
from medgen.data.source_file import SourceFile
from medgen.data.sources import list_source
from medgen.errors import DataError, ImageError
from medgen.files import short_digest
from medgen.runs.datasets import open_for
from medgen.runs.in_memory import Seen
from medgen.types import Box
from medgen.verbs.in_memory.given import open_entries
from medgen.verbs.in_memory.loaded import LoadedRun
from medgen.verbs.score import Split, chosen_rows, raw_settings

ONE_FRAME = frozenset({".jpg", ".jpeg", ".png", ".bmp"})  # of which a file is not opened to count its frames
PART = 64  # files that are listed before those that wait for frames are told

Pixels = NDArray[np.uint8]


class Source(Protocol):
    """Where frames come from."""

    def see(self, model: LoadedRun, frames: Sequence[Frame], keep_reconstructions: bool) -> Seen:
        """Return what a run makes of frames of this source."""

    def picture(self, frame: Frame, side: int) -> Pixels:
        """Return the whole frame (H, W, C), no smaller than `side` where it is larger."""


@dataclass(frozen=True)
class Frame:
    """A frame in the list.

    Attributes
    ----------
    path : of its file below the source, with ``#k`` for frame k; what a table of marks names it by
    shown : what the page calls it
    label, finding : of the source; "" where it says nothing, and where the reader is to be blind
    source : where it comes from
    row : which of the source
    """

    path: str
    shown: str
    label: str
    finding: str
    source: Source
    row: int


class Files:
    """Files that are read in place, or were dropped on the page."""

    def __init__(self, model: LoadedRun) -> None:
        self._settings = raw_settings(model.run)
        self._entries: list[SourceFile] = []

    def expanded(self, entry: SourceFile) -> Iterator[SourceFile]:
        """Yield an entry for each frame of a file; of a video for those that a run would score, as they are found."""
        entry = replace(entry, masks=(), boxes=(), annotated=False, label_by_mask=False)  # a reader looks without them
        if entry.frame is not None or suffix_of(entry.path) in ONE_FRAME:
            yield entry
            return
        axes = self._settings.axes
        with opened(entry.path, None, axes) as content:
            if content.refers_to is not None:
                raise ImageError("is a segmentation, which marks findings in other files and is no picture")
            moving, total = content.sampled is not None, content.total
        if moving:
            with opened(entry.path, self._settings.sampling(), axes) as content:
                yield from (_numbered(entry, frame.number or 0) for frame in content.frames)
        else:
            yield from [entry] if total == 1 else (_numbered(entry, number) for number in range(total))

    def add(self, entry: SourceFile) -> int:
        """Take up an entry of one frame; return its row."""
        self._entries.append(entry)
        return len(self._entries) - 1

    def see(self, model: LoadedRun, frames: Sequence[Frame], keep_reconstructions: bool) -> Seen:
        data = open_entries(model.run, [self._entries[frame.row] for frame in frames])
        return model.see(data, np.arange(len(frames)), keep_reconstructions=keep_reconstructions)

    def picture(self, frame: Frame, side: int) -> Pixels:
        with opened_source(self._entries[frame.row], self._settings) as (_, frames):
            found = next(frames, None)
            if found is None:
                raise ImageError("has no frame")
            return found.picture.at(found.picture.divisor_for(side))


class DataSet:
    """The frames of a prepared data set or of an address, as each of the runs looks at them."""

    def __init__(self, models: Sequence[LoadedRun], path: Path, split: Split | None) -> None:
        self._data: dict[int, Prepared] = {id(model): open_for(model.run, path) for model in models}
        self.data = self._data[id(models[0])]
        self.rows = chosen_rows(self.data, path, split)

    def see(self, model: LoadedRun, frames: Sequence[Frame], keep_reconstructions: bool) -> Seen:
        rows = np.array([frame.row for frame in frames], dtype=np.int64)
        return model.see(self._data[id(model)], rows, keep_reconstructions=keep_reconstructions)

    def picture(self, frame: Frame, side: int) -> Pixels:
        return np.asarray(self.data.frames[frame.row : frame.row + 1])[0]


class FrameList:
    """The frames in the order of the list, which only grows; safe to use from several threads.

    Attributes
    ----------
    refused : files that cannot be read, each with the reason
    listing : whether files are still being looked for
    """

    def __init__(self, models: Sequence[LoadedRun], labels: bool = False) -> None:
        self._models, self._labels = models, labels
        self._frames: list[Frame] = []
        self._files = Files(models[0])
        self._lock = threading.Lock()
        self.refused: list[tuple[str, str]] = []
        self.listing = False

    def __len__(self) -> int:
        return len(self._frames)

    def __getitem__(self, number: int) -> Frame:
        return self._frames[number]

    def part(self, start: int, count: int) -> list[Frame]:
        """Return up to `count` frames from `start` on."""
        return self._frames[start : start + count]

    def open(self, path: Path, split: Split | None = None) -> list[SourceFile]:
        """List what lies at a path; return the files whose frames `expand` adds. Those of a data set are added at once.

        Raises
        ------
        DataError, RunError : if there is nothing, or it does not fit a run.
        """
        if is_prepared(path) or is_address(path):
            self._add_data_set(DataSet(self._models, path, split))
            return []
        if split is not None:
            raise DataError(f"only a data set has a split '{split}'; leave it away for raw frames")
        entries = list_source(path).entries
        if self._hides(entries):
            entries = sorted(entries, key=lambda entry: short_digest(entry.file))
        return entries

    def expand(self, entries: Sequence[SourceFile], on_more: Callable[[], None] = lambda: None) -> int:
        """Add the frames of files, one file after the other; return how many were added. What cannot be read is noted.

        Whether names are hidden is one answer for all of them. `on_more` is called each time that `PART` more files are there.
        """
        hides, before = self._hides(entries), len(self)
        self.listing = True
        try:
            for count, entry in enumerate(entries, start=1):
                try:
                    for one in self._files.expanded(entry):
                        frame = self._frame(one, hides)
                        with self._lock:
                            self._frames.append(frame)
                except ImageError as error:
                    self.refused.append((self._called(entry, hides), str(error)))
                if count % PART == 0:
                    on_more()
        finally:
            self.listing = False
        return len(self) - before

    def _frame(self, entry: SourceFile, hides: bool) -> Frame:
        label, finding = (entry.label, entry.finding) if self._labels else ("", "")
        return Frame(entry.file, self._called(entry, hides), label, finding, self._files, self._files.add(entry))

    def _called(self, entry: SourceFile, hides: bool) -> str:
        return short_digest(entry.file)[:12] if hides else entry.file

    def _hides(self, entries: Sequence[SourceFile]) -> bool:
        """Tell whether names are hidden: where some say what a frame shows, and no label is asked for."""
        return not self._labels and any(entry.label or entry.finding or entry.label_by_mask for entry in entries)

    def _add_data_set(self, source: DataSet) -> None:
        index = source.data.index.iloc[source.rows]
        hides = not self._labels and bool(((index["label"] != "") | (index["finding"] != "")).any())
        known = self._labels
        frames = [
            Frame(path, name if hides else path, label if known else "", finding if known else "", source, row)
            for path, name, label, finding, row in zip(
                index["path"], index["id"], index["label"], index["finding"], source.rows.tolist(), strict=True
            )
        ]
        with self._lock:
            self._frames += sorted(frames, key=lambda frame: short_digest(frame.path)) if hides else frames


def _numbered(entry: SourceFile, number: int) -> SourceFile:
    return replace(entry, file=f"{entry.file}#{number}", frame=number)


def shrunk(pixels: Pixels, side: int) -> Pixels:
    """Return a picture (H, W, C) no larger than `side` along either side, as (H', W', 3)."""
    share = side / max(pixels.shape[:2])
    if share < 1:
        size = (max(1, round(pixels.shape[1] * share)), max(1, round(pixels.shape[0] * share)))
        pixels = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), dtype=np.uint8).reshape(size[1], size[0], -1)
    return np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels


def box_of(seen: Seen, place: int) -> tuple[Box, int, int]:
    """Return where a frame was cut, in its own pixels, with its height and width."""
    row = seen.scored.data.index.iloc[seen.scored.rows[place]]
    return Box(*(int(row[side]) for side in Box._fields)), int(row["height"]), int(row["width"])
