"""Which partitions are done: a small file for each, written when all else of it is, so that nothing is lost or done twice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from medgen.files import read_json, write_json
from medgen.outputs.leftovers import remove_leftovers
from medgen.verbs.spread.partitions import Partition

LEDGER, SCORES, MAPS = "partitions", "scores", "maps"


class Done(NamedTuple):
    """What became of a partition.

    Attributes
    ----------
    files, frames : how many it had
    scored, abnormal : frames with a score, and above the threshold
    rejected : name of each file that could not be read, and the reason
    left_out : name of each frame of a video that was not looked at, and the reason
    calibration : digest of the calibration by which was decided
    maps : whether there is an array of maps
    """

    files: int
    frames: int
    scored: int
    abnormal: int
    rejected: Sequence[Sequence[str]]
    left_out: Sequence[Sequence[str]]
    calibration: str
    maps: bool


class Ledger:
    """The partitions of an output folder that are done."""

    def __init__(self, out: Path) -> None:
        self._out = out

    def scores(self, partition: Partition) -> Path:
        """Return where the table of scores of a partition stands."""
        return self._out / SCORES / f"{partition.name}.parquet"

    def maps(self, partition: Partition) -> Path:
        """Return where the array of maps of a partition stands."""
        return self._out / MAPS / f"{partition.name}.npy"

    def enter(self, partition: Partition, done: Done) -> None:
        """Say that a partition is done; its results are there by now."""
        write_json(self._entry(partition), done._asdict())

    def find(self, partition: Partition) -> Done | None:
        """Return what became of a partition; None where it is not done, or what was made of it is gone."""
        known = read_json(self._entry(partition))
        done = Done(**known) if known else None
        if done is None or (done.frames and not self.scores(partition).is_file()):
            return None
        return None if done.maps and not self.maps(partition).is_file() else done

    def found(self, partitions: Sequence[Partition]) -> Iterator[tuple[Partition, Done]]:
        """Yield those of the partitions that are done, with what became of them."""
        for partition in partitions:
            if done := self.find(partition):
                yield partition, done

    def tidy(self) -> None:
        """Remove what killed workers left of files that they wrote; for when nobody writes any more."""
        for name in (LEDGER, SCORES, MAPS):
            remove_leftovers(self._out / name, lambda folder: False)

    def _entry(self, partition: Partition) -> Path:
        return self._out / LEDGER / f"{partition.name}.json"


def rejections(done: Sequence[Done], unread: pd.DataFrame) -> pd.DataFrame:
    """Return file and reason of all that has no row in the tables of scores, as ``rejected.csv`` has them.

    Parameters
    ----------
    unread : file, reason and kind of files that were not even opened
    """
    rows = [row for one in done for row in one.rejected]
    rows += unread.loc[unread["kind"] == "rejected", ["file", "reason"]].to_numpy().tolist()
    rows += [row for one in done for row in one.left_out]
    return pd.DataFrame(rows, columns=["file", "reason"])
