"""How much memory a process that reads files may take, where the system can be told."""

from __future__ import annotations

import os
import sys
from functools import cache
from pathlib import Path

if sys.platform != "win32":  # where there is no such limit
    import resource

LEAST = 4 << 30  # bytes that any file may need: threads of libraries reserve much that they do not use


def allow(more: int) -> None:
    """Let this process have `LEAST` bytes and `more` beside what it had at the first call; what asks for more fails."""
    if sys.platform != "win32" and (had := _at_first()):
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        limit = had + LEAST + more
        resource.setrlimit(resource.RLIMIT_AS, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))


@cache
def _at_first() -> int:
    """Return the bytes of address space that the process has, once its libraries are there; 0 where the system does not say."""
    if sys.platform == "win32":
        return 0
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return 0
