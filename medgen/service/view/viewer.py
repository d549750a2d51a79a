"""What the page shows and keeps: runs, frames, scores, marks, and the folder of the frames that were dropped on it."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from medgen.data.images import suffix_of, suffixes
from medgen.data.source_file import SourceFile, as_text
from medgen.engine.device import Device
from medgen.errors import DataError
from medgen.files import disk_name, json_values
from medgen.report.figures import heat, score_bins
from medgen.report.markup import distinct
from medgen.runs.scores import map_level
from medgen.service.view.frames import FrameList
from medgen.service.view.looks import Scorer
from medgen.service.view.marks import Marks
from medgen.service.view.nearest import Nearest
from medgen.verbs.in_memory.loaded import LoadedRun, load
from medgen.verbs.score import Split

LONGEST_NUMBER = 65  # letters of a suffix that is the end of a UID, as DICOM files have (PS3.5 9.1)
MOST_BYTES = 8 << 30  # of all frames that are dropped on one page


@dataclass
class _Dropped:
    folder: Path
    count: int = 0
    size: int = 0
    names: set[str] = field(default_factory=set)  # of the files that are shown
    lock: threading.Lock = field(default_factory=threading.Lock)


class Viewer:
    """Runs that look at frames for a reader, from `start` to `stop`.

    Frames that are dropped on the page lie in a private temporary folder until then; all others are read where they are.

    Parameters
    ----------
    runs : folders of trained runs
    source : a folder, file, video, data set or address; None for no frames yet
    marks, reader, labels, split, device : as for `medgen.service.view.view.view`

    Raises
    ------
    RunError, DataError, FolderError : if a run is not trained, the frames do not fit it, or the file of marks is another one.
    """

    def __init__(
        self,
        runs: Sequence[Path],
        source: Path | None,
        *,
        marks: Path,
        reader: str = "",
        labels: bool = False,
        split: Split | None = None,
        device: Device = "auto",
    ) -> None:
        self.marks, self._reader, self._labels = Marks(marks), reader, labels
        self.models: list[LoadedRun] = [load(run, device=device) for run in runs]
        self.frames = FrameList(self.models, labels)
        self._entries = [] if source is None else self.frames.open(source, split)
        self.scorer = Scorer(self.models, self.frames)
        self.nearest = [Nearest(model, self.scorer.busy) for model in self.models]
        self._dropped = _Dropped(Path())
        self._adding = threading.Lock()

    def start(self) -> None:
        """Begin to list and to score."""
        self._dropped.folder = Path(tempfile.mkdtemp(prefix="medgen-view-"))  # which its owner alone can open
        self.scorer.start()
        threading.Thread(target=self._add, args=(self._entries,), name="lister", daemon=True).start()

    def stop(self) -> None:
        """End the scoring, and remove what was dropped."""
        try:
            self.scorer.stop()
        finally:  # whoever is impatient and presses Ctrl-C again leaves no frames behind
            if self._dropped.folder != Path():
                shutil.rmtree(self._dropped.folder, ignore_errors=True)

    def place_for(self, name: str) -> SourceFile:
        """Return where a file that is dropped on the page is to be written; `name` is its path as the browser says it.

        Raises
        ------
        DataError : if it has the suffix of no image.
        """
        suffix = suffix_of(Path(name))
        if suffix and suffix not in suffixes() and not (suffix[1:].isdigit() and len(suffix) <= LONGEST_NUMBER):
            raise DataError(f"suffix '{suffix[:LONGEST_NUMBER]}' is not supported; docs/formats.md lists those that are")
        with self._dropped.lock:
            self._dropped.count += 1
            path = self._dropped.folder / f"{self._dropped.count:06}{suffix}"
        return SourceFile(path, f"dropped/{disk_name(as_text(name))}", "", "", "", "")

    def takes(self, size: int) -> bool:
        """Tell whether so many more bytes may be dropped, and count them."""
        with self._dropped.lock:
            self._dropped.size += size
            return self._dropped.size <= MOST_BYTES

    def take(self, entry: SourceFile) -> int:
        """Add the frames of a file that was dropped; return how many it holds.

        Raises
        ------
        DataError : if it cannot be read.
        """
        with self._adding:
            refused, name, numbers = len(self.frames.refused), entry.file, count(2)
            while name in self._dropped.names:  # a mark is found by the name of its frame
                name = f"{entry.file} ({next(numbers)})"
            added = self.frames.expand([replace(entry, file=name)])
            self._dropped.names |= {name} if added else set()
            reasons = self.frames.refused[refused:]
        self.scorer.wake()
        if reasons and not added:
            raise DataError(f"'{reasons[0][0]}' {reasons[0][1]}")
        return added

    def _add(self, entries: Sequence[SourceFile]) -> None:
        with self._adding:
            self.frames.expand(entries, self.scorer.wake)
        self.scorer.wake()

    def about(self) -> dict[str, Any]:
        """Return what does not change: the runs, and how it is looked at."""
        names = distinct([model.run.name for model in self.models])
        runs = [about_run(model, name) for model, name in zip(self.models, names, strict=True)]
        return {"runs": runs, "reader": self._reader, "marks": self.marks.file.name, "blind": not self._labels}

    def state(self) -> dict[str, Any]:
        """Return how far listing and scoring have come."""
        return {
            "frames": len(self.frames),
            "listing": self.frames.listing or self._adding.locked(),
            "scored": self.scorer.done,
            "refused": [{"name": name, "reason": reason} for name, reason in self.frames.refused[:20]],
            "refusals": len(self.frames.refused),
        }


def about_run(model: LoadedRun, name: str) -> dict[str, Any]:
    """Return what the page says of a run: its threshold, the histogram of its normal validation scores, the scale of its maps."""
    scores = np.array(model.run.calibration().get("scores", []), dtype=np.float64)
    edges, log = score_bins(scores[np.isfinite(scores)]) if len(scores) else (np.empty(0), False)
    counts = np.histogram(scores, edges)[0] if len(scores) else np.empty(0)
    level = map_level(model.run)
    return {
        "name": name,
        "backend": model.run.settings.backend,
        "about": model.in_words(),
        "threshold": json_values(model.calibration),
        "normals": {"edges": edges.tolist(), "counts": counts.tolist(), "log": log, "count": len(scores)},
        "map": {"high": 2 * level, "level": level},  # in the middle of the slider
    }


def palette() -> bytes:
    """Return the 256 colours of maps, three bytes each, from 0 to the end of the scale."""
    ramp = ((np.arange(256) + 0.5) / 256).astype(np.float32)[None]
    return heat(ramp, np.ones(ramp.shape, dtype=bool), 1.0).tobytes()
