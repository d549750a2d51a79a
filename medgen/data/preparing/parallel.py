"""Work on many files at once, in threads: decoding, OpenCV, hashing and NumPy release the lock."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import cv2

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(work: Callable[[Item], Result], items: Iterable[Item], workers: int | None = None) -> Iterator[Result]:
    """Yield ``work(item)`` for each item in the order of `items`, whatever the number of workers (None: one for each core).

    OpenCV keeps to one thread meanwhile, so that its own threads and these do not fight for the cores.
    """
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    pool = ThreadPoolExecutor(workers or os.cpu_count() or 1)
    try:
        yield from pool.map(work, items)
    finally:
        pool.shutdown(cancel_futures=True)
        cv2.setNumThreads(before)
