"""Where requests wait for a run: one is scored at a time, a few wait, and more are told to come again."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from threading import Lock
from time import monotonic
from typing import TypeVar

import numpy as np

from medgen.service.limits import STOPS, Limits, Refusal
from medgen.verbs.in_memory.loaded import LoadedRun

Made = TypeVar("Made")


class Desk:
    """A run in memory, and those who wait for it; from any thread, one at a time is served.

    Attributes
    ----------
    run : the run
    draws_maps : whether it draws a map of a frame; a frame of noise that it is given tells, and spares the first request a wait
    """

    def __init__(self, run: LoadedRun, limits: Limits) -> None:
        self.run, self._limits = run, limits
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="scoring")
        self._lock, self._taken, self._usual = Lock(), 0, 1.0
        own = run.run.origin.prepare
        noise = np.random.default_rng(0).integers(64, 192, (own.size, own.size, own.channels), dtype=np.uint8)
        self.draws_maps = run.score(noise).maps is not None

    @property
    def waiting(self) -> int:
        """How many requests are read, wait or are scored now."""
        return self._taken

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Take one of the places, before the request is read, so that what waits in memory is bounded, too.

        Raises
        ------
        Refusal : 503 with the seconds after which to come again, if none is free.
        """
        self._take()
        try:
            yield
        finally:
            self._leave()

    async def serve(self, work: Callable[[LoadedRun], Made]) -> Made:
        """Return what `work` makes of the run, in the thread of the run; whoever asks has a place.

        Work that has begun cannot be broken off. It then keeps a place until it is done.

        Raises
        ------
        Refusal : 504 if it takes longer than it may; 503 if nobody waits any longer.
        """
        try:
            future = self._worker.submit(self._timed, work)
        except RuntimeError:  # of a worker that was shut down
            raise Refusal(*STOPS) from None
        done, _ = await asyncio.wait({wrapped := asyncio.wrap_future(future)}, timeout=self._limits.seconds)
        if wrapped.cancelled():
            raise Refusal(*STOPS)
        if done:
            return wrapped.result()
        if not future.cancel():
            self._take(anyway=True)
            future.add_done_callback(lambda _: self._leave())
        wrapped.cancel()
        raise Refusal(504, f"no answer within {self._limits.seconds:g} seconds; send fewer or smaller frames, or raise --seconds")

    def serve_here(self, work: Callable[[LoadedRun], Made]) -> Made:
        """Do the same for a caller that is no coroutine; it takes its place, too.

        Raises
        ------
        Refusal : as `place` and `serve`.
        """

        async def asked() -> Made:
            async with self.place():
                return await self.serve(work)

        return asyncio.run(asked())

    def close(self) -> None:
        """Let nobody wait any longer."""
        self._worker.shutdown(wait=False, cancel_futures=True)

    def _timed(self, work: Callable[[LoadedRun], Made]) -> Made:
        begun = monotonic()
        try:
            return work(self.run)
        finally:
            self._usual = 0.8 * self._usual + 0.2 * (monotonic() - begun)

    def _take(self, anyway: bool = False) -> None:
        with self._lock:
            if self._taken >= self._limits.waiting and not anyway:
                after = max(1, math.ceil(self._usual * self._taken))
                raise Refusal(
                    503, f"{self._taken} requests wait for this run already; come again in {after} s", Retry_After=str(after)
                )
            self._taken += 1

    def _leave(self) -> None:
        with self._lock:
            self._taken -= 1
