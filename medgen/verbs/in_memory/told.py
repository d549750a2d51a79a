"""What a long job says, as lines on stdout: for callers who asked for it by scikit-learn's `verbose`."""

from __future__ import annotations

import sys
from time import monotonic

from medgen.types import Progress

SECONDS = 60.0  # between two lines of an epoch, or of a task without epochs


class Told:
    """A progress callback that prints each message, a line when a task or an epoch begins or ends, and one a minute between."""

    def __init__(self) -> None:
        self._last: tuple[str, float] = ("", 0.0)  # task and epoch of the line before
        self._at = 0.0

    def __call__(self, progress: Progress) -> None:
        if progress.message:
            _say(progress.message)
        stage, now = (progress.task, progress.values.get("epoch", 0.0)), monotonic()
        due = stage != self._last or progress.done >= progress.total or now - self._at > SECONDS
        if progress.total and due:
            self._last, self._at = stage, now
            values = "".join(f"  {name} {value:.4g}" for name, value in progress.values.items())
            _say(f"{progress.task}: {progress.done}/{progress.total}{values}")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
