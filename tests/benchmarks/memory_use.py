"""How much memory this process has taken, for the scripts that measure it in a process of its own."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

STATUS = Path("/proc/self/status")


def peak_megabytes() -> float:
    """Return the most memory of this process that was resident at once.

    Linux counts it for each program. `getrusage`, which is asked elsewhere, counts for a child what its parent had when it began.
    """
    if STATUS.exists():
        return of_process("VmHWM") / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1024)  # macOS counts bytes


def of_process(name: str) -> int:
    """Return kilobytes that Linux counts of this process: "VmHWM" (most that was resident), "RssAnon" (belongs to no file)."""
    lines = STATUS.read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))
