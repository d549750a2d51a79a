"""What killed writes left behind: files under the temporary names of `medgen.files.replacing`."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

LEFTOVER = re.compile(r"\..+\.(\d+)\.part|\.tmp\w{6}")  # those of safetensors, too


def remove_leftovers(folder: Path, lock: str) -> None:
    """Remove the leftovers in a folder that nobody else writes in, and below it, where nobody else does.

    Parameters
    ----------
    lock : name of the file in a folder below that says that somebody may write there
    """
    for at, below, names in os.walk(folder):
        below[:] = [name for name in below if not Path(at, name, lock).exists()]
        for name in names:
            if LEFTOVER.fullmatch(name):
                with suppress(OSError):
                    Path(at, name).unlink()
