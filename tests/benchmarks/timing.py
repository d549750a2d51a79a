"""What speeds are measured by: medgen and its rivals in turn, so that a busy machine slows all of them alike."""

from __future__ import annotations

import json
import resource
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch


class Took(NamedTuple):
    """Seconds by the wall clock, and of all processors together."""

    wall: float
    processor: float


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
    """Return what each piece of work takes in each of so many rounds; each is done once beforehand, which is not timed."""
    for work in works.values():
        work()
    took: dict[str, list[Took]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            took[name].append(timed(work))
    return took


def ratios(ours: list[Took], theirs: list[Took], share: float = 1.0) -> dict[str, Any]:
    """Return how many times as fast as the rival medgen is, with the lowest and the highest of the rounds.

    Parameters
    ----------
    share : of the rival's work in medgen's, where the two do not do as much
    """
    result = {}
    for clock in Took._fields:
        each = [share * getattr(other, clock) / getattr(mine, clock) for mine, other in zip(ours, theirs, strict=True)]
        result[clock] = {name: round(of(each), 3) for name, of in (("median", statistics.median), ("low", min), ("high", max))}
    return result


def seconds(took: list[Took]) -> dict[str, list[float]]:
    """Return the seconds of each round by each clock."""
    return {clock: [round(getattr(one, clock), 3) for one in took] for clock in Took._fields}


def print_result(result: Mapping[str, Any]) -> None:
    """Print as JSON what was measured, and with how many threads."""
    sys.stdout.write(json.dumps({"threads": torch.get_num_threads(), **result}, indent=1) + "\n")
