"""How much memory a process takes, as benchmarks count it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent / "benchmarks"
LARGE = 96 << 20  # bytes


def peak_of_child(before: str = "") -> float:
    """Return the megabytes that a process of its own states, which does little else."""
    lines = ("import sys", f"sys.path.insert(0, {str(HERE)!r})", "from memory_use import peak_megabytes", before)
    code = "\n".join([*lines, "print(peak_megabytes())"])
    return float(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout)


def test_peak_counts_what_was_freed_again() -> None:
    assert peak_of_child(f"large = b'x' * {LARGE}; del large") - peak_of_child() == pytest.approx(LARGE / 2**20, abs=8)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts the memory of each program")
def test_peak_leaves_out_the_process_that_began_it() -> None:
    large = b"x" * LARGE  # resident here, and no part of the child
    assert peak_of_child() < len(large) / 2**20
