"""How much memory a training takes at its peak.

Linux keeps the peak of a process's resident memory (VmHWM) and sets it back when it is told to; what `getrusage` has is the peak
since the process began, which in one that has trained several models is that of the largest. What is resident already when a
training begins (libraries, what earlier work has left) is subtracted, so that it matters little how many trainings came before.
"""

from __future__ import annotations

import ctypes
import gc
import re
import sys
from pathlib import Path

import torch

SELF = Path("/proc/self")
RESET = "5"  # written to clear_refs: the peak becomes what is resident now (proc_pid_clear_refs(5))


class MemoryMeter:
    """Measures the memory that a training takes from now on.

    Parameters
    ----------
    device : on which the training runs
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        gc.collect()
        if device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(device)
        if sys.platform == "linux":
            trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc: gives back what was freed
            if trim:
                trim(0)
        try:
            (SELF / "clear_refs").write_text(RESET)
        except OSError:
            self.before = None
        else:
            self.before = _resident("VmRSS")

    def peak(self) -> int | None:
        """Return by how many bytes the process has grown at most; None where the system does not say."""
        highest = _resident("VmHWM")
        return None if self.before is None or highest is None else max(0, highest - self.before)

    def peak_device(self) -> int | None:
        """Return how many bytes tensors held at most on the GPU; None on a CPU."""
        return torch.cuda.max_memory_allocated(self.device) if self.device.type == "cuda" else None


def _resident(name: str) -> int | None:
    """Return a number of bytes that the system keeps of this process; None where it keeps none."""
    try:
        line = re.search(rf"^{name}:\s+(\d+) kB", (SELF / "status").read_text(), re.MULTILINE)
    except OSError:
        return None
    return int(line[1]) * 1024 if line else None
