"""How much memory a training takes at its peak, and how much is free.

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
MACHINE = Path("/proc/meminfo")
GROUPS = Path("/sys/fs/cgroup")  # version 2: containers and jobs of a cluster get their share of the memory there
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


def free_memory(device: torch.device) -> int | None:
    """Return how many bytes a training on a device could take now; None where the system does not say.

    On a processor it is what Linux calls available, or what the limit of the container or of the cluster's job leaves, if that is
    less. Files that were read count as free in both: the system gives their memory back when it is asked for.
    """
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    try:
        available = re.search(r"^MemAvailable:\s+(\d+) kB", MACHINE.read_text(), re.MULTILINE)
    except OSError:
        return None
    left = [int(available[1]) * 1024] if available else []
    return min([*left, *_left_by_limits()], default=None)


def _left_by_limits() -> list[int]:
    """Return what each limit above this process leaves of memory, in bytes."""
    try:
        place = (SELF / "cgroup").read_text().strip().rpartition("::/")[2]
    except OSError:
        return []
    left = []
    for group in [folder for folder in (GROUPS / place, *(GROUPS / place).parents) if folder.is_relative_to(GROUPS)]:
        try:
            limit, used = (int((group / f"memory.{name}").read_text()) for name in ("max", "current"))
            cached = re.findall(r"^(?:in)?active_file (\d+)$", (group / "memory.stat").read_text(), re.MULTILINE)
        except (OSError, ValueError):  # no such limit; "max" says that there is none
            continue
        left.append(max(0, limit - used + sum(map(int, cached))))
    return left
