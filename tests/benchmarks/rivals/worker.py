"""A rival in a process of its own: it waits until it is asked for a round of steps, and says how long they took.

No more than Python is needed here, as each library has an environment of its own.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable

THREADS = int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1))


def serve(version: str, work: Callable[[], object]) -> None:
    """Do the work once, say that all is ready, and then once for each line that comes in."""
    out, sys.stdout = sys.stdout, sys.stderr  # what a library prints is no answer
    work()
    _say(out, {"version": version})
    for _ in sys.stdin:
        wall, processor = time.perf_counter(), time.process_time()
        work()
        _say(out, {"wall": time.perf_counter() - wall, "processor": time.process_time() - processor})


def _say(out: object, answer: dict[str, object]) -> None:
    print(json.dumps(answer), file=out, flush=True)  # type: ignore[call-overload]
