"""How much memory a training takes at its peak.

Of a process, Linux keeps the peak of the resident memory (VmHWM) and sets it back when it is told to; what `getrusage` has is the
peak since the process began, which in one that has trained several models is that of the largest.
"""

from __future__ import annotations

import gc
import re
from pathlib import Path

import torch

SELF = Path("/proc/self")
RESET = "5"  # written to clear_refs: the peak becomes what is resident now (proc_pid_clear_refs(5))


def reset_peak(device: torch.device) -> bool:
    """Forget the peaks so far; tell whether the system can: elsewhere than on Linux it cannot."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    try:
        (SELF / "clear_refs").write_text(RESET)
    except OSError:
        return False
    return True


def peak_resident() -> int | None:
    """Return the bytes that were resident at most since the last `reset_peak`; None where the system does not say."""
    try:
        found = re.search(r"^VmHWM:\s+(\d+) kB", (SELF / "status").read_text(), re.MULTILINE)
    except OSError:
        return None
    return int(found[1]) * 1024 if found else None


def peak_device(device: torch.device) -> int | None:
    """Return the bytes that tensors held at most on a GPU since the last `reset_peak`; None on a CPU."""
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None
