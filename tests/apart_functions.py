"""Functions for a process of its own (test_apart.py): one that answers, and some that do as ITK does on damaged headers."""

from __future__ import annotations

import os
import signal
import time
from threading import Timer
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medgen.data.apart.memory import allow
from medgen.errors import ImageError

Facts = tuple[dict[str, Any], NDArray[Any] | None]


def answers(path: str) -> Facts:
    os.write(1, b"what a library prints is no answer\n")
    return {"path": path, "process": os.getpid()}, np.arange(6, dtype=np.int16).reshape(2, 3).T


def ends(path: str) -> Facts:
    os._exit(3)


def is_killed(path: str) -> Facts:
    os.kill(os.getpid(), signal.SIGKILL)
    return {}, None


def sleeps(path: str) -> Facts:
    time.sleep(60)
    return {}, None


def refuses(path: str) -> Facts:
    raise ImageError("is no picture")


def fails(path: str) -> Facts:
    raise ValueError("third byte")


def retires(path: str) -> Facts:
    Timer(0.02, os._exit, (0,)).start()
    return {}, None


def fills(path: str) -> Facts:
    allow(0)
    return {}, np.empty(1 << 43, np.uint8)  # which nothing would touch


header = ends  # as `medgen.data.apart.itk` has one
