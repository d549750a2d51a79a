"""What a worker does with a partition: the frames of its files are cropped and scored as `medgen score` does it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from medgen.data.prepared import Prepared, PrepareSettings
from medgen.data.preparing.assembling.assemble import NothingReadError
from medgen.data.preparing.prepare import prepare
from medgen.data.scorable import is_scored
from medgen.data.source_file import Listing, SourceFile, file_and_frame
from medgen.engine.device import Device
from medgen.errors import BackendError
from medgen.files import digest_of, replacing
from medgen.runs.datasets import open_for
from medgen.runs.run import CALIBRATION, Run, open_run
from medgen.types import Box
from medgen.verbs.in_memory.loaded import LoadedRun
from medgen.verbs.spread.ledger import Done, Ledger
from medgen.verbs.spread.partitions import Partition
from medgen.verbs.spread.sources import at_hand
from medgen.verbs.spread.tables import write_part

PLACED = ["width", "height", *Box._fields]  # columns of the index that lay a map on its frame
BLOCK = 1 << 26  # bytes of maps that are held at once


@dataclass(frozen=True)
class ScoreJob:
    """What all workers are told.

    Attributes
    ----------
    run, out : folders that all machines see
    settings : by which raw frames are cropped
    label : class of which every frame is said to be; "" lets the backend choose
    device : where a worker computes
    maps : whether maps are kept
    """

    run: Path
    out: Path
    settings: PrepareSettings
    label: str
    device: Device
    maps: bool

    def __call__(self) -> PartitionScorer:
        """Return a worker with the run in memory."""
        return PartitionScorer(self)


class PartitionScorer:
    """A run in memory that scores one partition after the other, in one thread, so that every worker rounds alike."""

    def __init__(self, job: ScoreJob) -> None:
        torch.set_num_threads(1)
        self._job, self._ledger = job, Ledger(job.out)
        self._loaded = LoadedRun(open_run(job.run), job.device)

    def __call__(self, partition: Partition) -> None:
        """Score a partition, and enter it into the ledger when its table and its maps are written.

        Raises
        ------
        MedgenError : if files cannot be fetched, or the run cannot score them.
        """
        with TemporaryDirectory(prefix="medgen-") as scratch:
            folder, files = Path(scratch, "prepared"), Path(scratch, "files")
            files.mkdir()
            rejected: Sequence[Sequence[str]] = ()
            left_out: Sequence[Sequence[str]] = ()
            try:
                with at_hand(partition.entries, partition.root, files) as entries:
                    prepared = prepare(Listing([*entries]), folder, self._job.settings, workers=1)
            except NothingReadError as error:
                rejected = [(one.file, one.reason) for one in error.left_out]
                counts = (0, 0, 0)
            else:
                rejected = prepared.rejected().to_numpy().tolist()
                left_out = prepared.passed_over()[["file", "reason"]].to_numpy().tolist()
                counts = self._score(open_for(self._loaded.run, folder), partition)
        calibration = digest_of(self._job.run / CALIBRATION)
        maps = bool(self._job.maps and counts[0])
        self._ledger.enter(partition, Done(len(partition.entries), *counts, rejected, left_out, calibration, maps))

    def _score(self, data: Prepared, partition: Partition) -> tuple[int, int, int]:
        """Write scores and maps of the frames; return how many there are, have a score, and lie above the threshold."""
        rows = data.rows()
        size = max(1, BLOCK // (4 * data.size**2))
        blocks = [rows[start : start + size] for start in range(0, len(rows), size)]
        if self._job.maps:
            with replacing(self._ledger.maps(partition)) as temporary, temporary.open("wb") as file:
                header = {"descr": "<f4", "fortran_order": False, "shape": (len(rows), data.size, data.size)}
                np.lib.format.write_array_header_1_0(file, header)
                tables = []
                for block in blocks:
                    table, maps = self._look(data, block)
                    tables.append(table)
                    file.write(maps.astype("<f4").tobytes())
        else:
            tables = [self._look(data, block)[0] for block in blocks]
        table = pd.concat(tables, ignore_index=True).assign(group=_stated_groups(data, rows, partition.entries))
        write_part(self._ledger.scores(partition), table)
        above = int(table["abnormal"].fillna(False).sum()) if "abnormal" in table else 0
        return len(table), int(is_scored(table).sum()), above

    def _look(self, data: Prepared, rows: NDArray[np.int64]) -> tuple[pd.DataFrame, NDArray[np.float32]]:
        """Return table and maps (n, S, S) of some rows, NaN of a frame without a score."""
        scored = self._loaded.see(data, rows, label=self._job.label).scored
        if not self._job.maps:
            return scored.table, np.empty(0, np.float32)
        if scored.maps is None and is_scored(scored.table).any():
            run: Run = self._loaded.run
            raise BackendError(f"'{run.settings.backend}' scores whole frames and draws no maps; take `medgen score`")
        missing = np.full((len(rows), data.size, data.size), np.nan, np.float32)
        placed = data.index[PLACED].iloc[rows].reset_index(drop=True)
        return pd.concat([scored.table, placed], axis=1), missing if scored.maps is None else scored.maps


def _stated_groups(data: Prepared, rows: NDArray[np.int64], entries: Sequence[SourceFile]) -> list[str]:
    """Return the group of each frame that its source states, or "": what other partitions hold nobody knows here."""
    stated = {entry.file: entry.group for entry in entries}
    paths = data.index["path"].iloc[rows].tolist()
    return [stated.get(path, stated.get(file_and_frame(path)[0], "")) for path in paths]
