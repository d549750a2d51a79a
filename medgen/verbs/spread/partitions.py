"""An archive in partitions: what one worker does at a time, and what an engine that spreads them has to offer.

A partition is some files in the order of the archive. How many they are follows from the side of the crops and from nothing else,
so that the same archive has the same partitions whoever works on it, and a run that was stopped finds them again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, Protocol

from medgen.data.prepared import PrepareSettings
from medgen.data.preparing.prepare import chunks
from medgen.data.source_file import SourceFile
from medgen.engine.device import Device
from medgen.verbs.spread.sources import Archive

BYTES = 1 << 25  # of crops and maps of a partition whose files have a frame each
MOST = 1000  # files


class Partition(NamedTuple):
    """Some files of an archive.

    Attributes
    ----------
    number : which one it is, from 0
    entries : its files
    root : what stands before their paths (`Archive.root`)
    """

    number: int
    entries: Sequence[SourceFile]
    root: str

    @property
    def name(self) -> str:
        """Return the name of its files, without a suffix."""
        return f"part-{self.number:07}"


Work = Callable[[Partition], Any]


class Spread(Protocol):
    """What an engine offers: how work is spread, and nothing of what it is."""

    def __call__(
        self, open_worker: Callable[[], Work], partitions: Sequence[Partition], *, workers: int | None, device: Device
    ) -> Iterator[int]:
        """Yield the number of each partition once its work is done, in any order.

        A worker that dies is replaced, and what it was at is begun again.

        Parameters
        ----------
        open_worker : returns what does the work; called once in each worker, which keeps it
        partitions : what is to be done
        workers : at a time; None for as many as fit
        device : that a worker needs

        Raises
        ------
        MedgenError : that a worker raised, and if there is no engine.
        """


def files_at_once(settings: PrepareSettings) -> int:
    """Return how many files a partition has where each has one frame: crop, valid pixels, mask and map are held of each."""
    frame = settings.size**2 * (settings.channels + 2 + 4)
    return min(MOST, max(1, BYTES // frame))


def partitions_of(archive: Archive, files: int) -> list[Partition]:
    """Divide an archive into partitions of so many files; a video has one for itself."""
    return [partition(*numbered, archive.root) for numbered in enumerate(chunks(archive.listing.entries, files))]


def partition(number: int, entries: Sequence[SourceFile], root: str = "") -> Partition:
    """Return a partition whose paths hold in any working folder."""
    return Partition(number, entries if root else [*map(_absolute, entries)], root)


def _absolute(entry: SourceFile) -> SourceFile:
    if entry.path.is_absolute():
        return entry
    masks = tuple(mask._replace(path=mask.path.absolute()) for mask in entry.masks)
    return replace(entry, path=entry.path.absolute(), masks=masks)
