"""What speeds are measured by: medgen and its rivals in turn, so that a busy machine slows all of them alike."""

from __future__ import annotations

import ctypes
import json
import math
import resource
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch

TRIM_THRESHOLD, MMAP_MAX = -1, -4  # mallopt(3)


class Took(NamedTuple):
    """Seconds by the wall clock, and of all processors together."""

    wall: float
    processor: float


def keep_freed_memory() -> bool:
    """Have this process keep the memory that it frees, where the C library can do that; return whether it does.

    glibc gives freed memory back to the system where it lies at the end of the heap, and is charged for zeroed pages when it is
    asked for again. Of two loops in one process, chance decides whose tensors lie there: gradients of 16 MB made the one or the
    other slower by a fifth.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return bool(mallopt and mallopt(TRIM_THRESHOLD, -1) and mallopt(MMAP_MAX, 0))


def timed(work: Callable[[], object]) -> Took:
    """Return what a piece of work takes, child processes that have ended included."""
    wall, processor = time.perf_counter(), _processor()
    work()
    return Took(time.perf_counter() - wall, _processor() - processor)


def _processor() -> float:
    return sum(
        used.ru_utime + used.ru_stime for used in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def in_turn(works: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[Took]]:
    """Return what each piece of work takes in each of so many rounds; each is done once beforehand, which is not timed.

    Every second round goes the other way round, so that none always follows the same one.
    """
    for work in works.values():
        work()
    took: dict[str, list[Took]] = {name: [] for name in works}
    for number in range(rounds):
        for name, work in list(works.items())[:: -1 if number % 2 else 1]:
            took[name].append(timed(work))
    return took


def extremes(values: list[float]) -> tuple[float, float]:
    """Return the lowest and the highest of the rounds."""
    return min(values), max(values)


def median_bounds(values: list[float]) -> tuple[float, float]:
    """Return two of the rounds between which the median of all such rounds lies with a probability of at least 95 %.

    How many rounds lie below that median is binomial (sign test); of fewer than six rounds even the extremes say less.
    """
    ordered, count = sorted(values), len(values)
    tail, outside = 0, 0.025 * 2**count
    while tail < (count - 1) // 2 and sum(math.comb(count, below) for below in range(tail + 1)) <= outside:
        tail += 1
    rank = max(0, tail - 1)
    return ordered[rank], ordered[-1 - rank]


def ratios(
    ours: list[Took],
    theirs: list[Took],
    share: float = 1.0,
    bounds: Callable[[list[float]], tuple[float, float]] = extremes,
) -> dict[str, Any]:
    """Return how many times as fast as the rival medgen is: the median of the rounds, with its bounds.

    Parameters
    ----------
    share : of the rival's work in medgen's, where the two do not do as much
    bounds : of the rounds, or of their median
    """
    result = {}
    for clock in Took._fields:
        each = [share * getattr(other, clock) / getattr(mine, clock) for mine, other in zip(ours, theirs, strict=True)]
        low, high = bounds(each)
        result[clock] = {"median": round(statistics.median(each), 3), "low": round(low, 3), "high": round(high, 3)}
    return result


def seconds(took: list[Took]) -> dict[str, list[float]]:
    """Return the seconds of each round by each clock."""
    return {clock: [round(getattr(one, clock), 3) for one in took] for clock in Took._fields}


def print_result(result: Mapping[str, Any]) -> None:
    """Print as JSON what was measured, and with how many threads."""
    sys.stdout.write(json.dumps({"threads": torch.get_num_threads(), **result}, indent=1) + "\n")
