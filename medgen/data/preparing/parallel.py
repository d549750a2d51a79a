"""Work on many files at once, in threads: decoding, OpenCV, hashing and NumPy release the lock."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, wait
from itertools import islice
from queue import SimpleQueue
from typing import Generic, TypeVar

import cv2

Item = TypeVar("Item")
Result = TypeVar("Result")
AHEAD = 4  # items for each worker that are handed out before their results are asked for
EVERY = 0.5  # seconds between two calls of `meanwhile`
PATIENCE = 0.8  # seconds for which whoever stops waits for what the workers are at


class Stopped(Exception):  # noqa: N818 - nothing went wrong
    """Raised in a worker whose results nobody waits for any more."""


_worker = threading.local()


def go_on() -> None:
    """Raise `Stopped` in a worker of `in_order` that has been stopped; work that takes long asks now and then."""
    stop: threading.Event | None = getattr(_worker, "stop", None)
    if stop is not None and stop.is_set():
        raise Stopped


def nothing() -> None:
    """Do nothing while results are waited for."""


def in_order(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    workers: int | None = None,
    meanwhile: Callable[[], None] = nothing,
) -> Iterator[Result]:
    """Yield ``work(item)`` for each item in the order of `items`, whatever the number of workers (None: one for each core).

    Few items are taken ahead of what is yielded, so that memory does not grow with their number. An error of any item, Ctrl-C or
    whoever closes the iterator ends it within a second: what a worker is at ends by itself or at its next `go_on`, and no other
    item is begun. OpenCV keeps to one thread meanwhile, so that its own threads and these do not fight for the cores.

    Parameters
    ----------
    work : what is done with each item, in any thread
    items : in their order
    workers : threads
    meanwhile : called now and then in the thread of the caller while an item takes long
    """
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    pool = _Pool(work, workers or os.cpu_count() or 1)
    try:
        left = iter(items)
        waiting = deque(pool.begin(item) for item in islice(left, AHEAD * len(pool.threads)))
        while waiting:
            result = waiting.popleft()
            while not wait([result], EVERY).done:
                meanwhile()
            yield result.result()
            waiting.extend(pool.begin(item) for item in islice(left, 1))
    finally:
        pool.end()
        cv2.setNumThreads(before)


class _Pool(Generic[Item, Result]):
    """Threads that work on what they are handed. Those of `concurrent.futures` would keep the process until they are done."""

    def __init__(self, work: Callable[[Item], Result], workers: int) -> None:
        self._work = work
        self._jobs: SimpleQueue[tuple[Future[Result], Item] | None] = SimpleQueue()
        self._stop = threading.Event()
        self.threads = [threading.Thread(target=self._run, daemon=True) for _ in range(workers)]
        for thread in self.threads:
            thread.start()

    def begin(self, item: Item) -> Future[Result]:
        """Hand an item to the threads."""
        result: Future[Result] = Future()
        self._jobs.put((result, item))
        return result

    def end(self) -> None:
        """Have the threads end, and wait a little until they have."""
        self._stop.set()
        for _ in self.threads:
            self._jobs.put(None)
        last = time.monotonic() + PATIENCE
        for thread in self.threads:
            thread.join(max(0.0, last - time.monotonic()))

    def _run(self) -> None:
        _worker.stop = self._stop
        while (job := self._jobs.get()) is not None and not self._stop.is_set():
            result, item = job
            try:
                result.set_result(self._work(item))
            except BaseException as error:  # whoever asks for the result is told
                result.set_exception(error)
