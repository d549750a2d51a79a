"""What killed writes left behind: files under the temporary names of `medgen.files.replacing`."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

OLD = 3600.0  # seconds after which nobody writes on, where machines share a folder
LEFTOVER = re.compile(r"\..+\.(\d+)\.part|\.tmp\w{6}")  # those of safetensors, too


def remove_leftovers(folder: Path, in_use: Callable[[Path], bool]) -> None:
    """Remove the leftovers in a folder that nobody else writes in, and below it, where nobody else does.

    Parameters
    ----------
    in_use : tells of a folder below whether somebody may write there
    """
    for at, below, names in os.walk(folder):
        below[:] = [name for name in below if not in_use(Path(at, name))]
        for name in names:
            if LEFTOVER.fullmatch(name):
                with suppress(OSError):
                    Path(at, name).unlink()


def remove_dead(folder: Path, age: float = 0.0, of: str = "") -> None:
    """Remove the leftovers in a folder that others may write in, too: those of processes that this machine does not have.

    Parameters
    ----------
    age : seconds that they are old at least, where processes of other machines may be at work
    of : name of the file that they were to become; "" for any
    """
    with suppress(OSError):
        for path in folder.iterdir():
            found = LEFTOVER.fullmatch(path.name)
            if of and not path.name.startswith(f".{of}."):
                continue
            if found and found[1] and not is_alive(int(found[1])) and time.time() - path.stat().st_mtime >= age:
                path.unlink()


def is_alive(process: int) -> bool:
    """Tell whether there is a process of that number on this machine; where that cannot be asked, it is taken to be there."""
    if os.name != "posix":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # somebody else's
        return True
    return True
