"""What the parts of `gpu.py` have in common: what each is told, and what it says in return."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]


class Setting(NamedTuple):
    """Where a part runs.

    Attributes
    ----------
    device : "cuda" or "cpu"
    small : whether sizes are those of a machine without a GPU
    out : folder for what a part writes
    deadline : seconds since 1970 at which all parts have to be done
    parts_left : parts that still have to be done in that time, this one included
    """

    device: str
    small: bool
    out: Path
    deadline: float
    parts_left: int = 1

    @property
    def seconds_left(self) -> float:
        return self.deadline - time.time()


class Outcome(NamedTuple):
    """What a part found.

    Attributes
    ----------
    text : the finding, one line
    numbers : all that was measured, fit for JSON
    problem : why the part has not passed, one line; "" where it has
    """

    text: str
    numbers: Mapping[str, Any] = {}
    problem: str = ""


class Skipped(Exception):  # noqa: N818
    """A part that cannot be done here; its message says why."""
