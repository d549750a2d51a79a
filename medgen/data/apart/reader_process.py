"""Calls of functions in another process, which is kept for the next file and is given up where one ends it or takes too long.

It is a plain child process that is handed lines of JSON: threads and daemonic processes can start it, it runs nothing of the
program that does, and it ends when that does. There is none before the first call.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from threading import Event, Timer
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from medgen.errors import ImageError

MODULE = "medgen.data.apart.serve"
_idle: list[_Process] = []  # waiting for the next file; a thread takes one or starts one


class Answer(NamedTuple):
    """What a function returned: facts, and an array where there is one."""

    facts: dict[str, Any]
    array: NDArray[Any] | None


def call(function: str, path: str, seconds: float) -> Answer:
    """Call a function with the path of a file in another process.

    Parameters
    ----------
    function : "MODULE:NAME"; it takes the path and returns facts that JSON knows, and an array or None
    path : of the file; this process may have gone to another folder since that one began
    seconds : after which the process is ended

    Raises
    ------
    ImageError : as the function raised it, or if the process ended or took too long.
    MemoryError : if it needed more than it was allowed (`medgen.data.apart.memory`).
    RuntimeError : on any other error of the function, with its text.
    """
    whole = os.path.abspath(path)  # noqa: PTH100 - a link in it stays one
    while True:
        process = _idle.pop() if _idle else _Process()
        try:
            answer = process.ask({"function": function, "path": whole}, seconds)
        except _RetiredError:  # it had waited for so long that it went
            continue
        except BaseException:
            process.end()
            raise
        _idle.append(process)
        return _unwrapped(answer, whole, path)


def _unwrapped(answer: Answer, whole: str, path: str) -> Answer:
    facts = answer.facts
    if "refused" in facts:
        raise ImageError(facts["refused"])
    if "memory" in facts:
        raise MemoryError
    if "error" in facts:
        raise RuntimeError(facts["error"].replace(whole, path))
    return answer


class _RetiredError(Exception):
    """A process that waited for nothing has ended by itself."""


class _Process:
    """One process that reads files."""

    def __init__(self) -> None:
        paths = os.pathsep.join(path for path in sys.path if path)
        self._child = subprocess.Popen(
            [sys.executable, "-P", "-m", MODULE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": paths},
        )
        self._used = False

    def ask(self, request: dict[str, str], seconds: float) -> Answer:
        """Return the answer to one request; whoever calls ends the process after an error.

        Raises
        ------
        ImageError : if it ended or took longer than `seconds`.
        """
        assert self._child.stdin is not None
        late = Event()
        timer = Timer(seconds, self._stop, (late,))
        timer.daemon = True
        timer.start()
        try:
            self._child.stdin.write(json.dumps(request).encode() + b"\n")
            self._child.stdin.flush()
            return self._answer()
        except (EOFError, BrokenPipeError, ConnectionError):
            code = self._child.wait()
            if self._used and code == 0:
                self.end()
                raise _RetiredError from None
            raise ImageError(f"was not read within {seconds:.3g} seconds" if late.is_set() else _ended(code)) from None
        finally:
            timer.cancel()
            self._used = True

    def _answer(self) -> Answer:
        assert self._child.stdout is not None
        line = self._child.stdout.readline()
        if not line.endswith(b"\n"):
            raise EOFError
        said = json.loads(line)
        if "type" not in said:
            return Answer(said["facts"], None)
        array = np.empty(said["shape"], said["type"])
        space = array.reshape(-1).view(np.uint8).data
        while len(space):
            count = self._child.stdout.readinto(space)  # type: ignore[attr-defined]
            if not count:
                raise EOFError
            space = space[count:]
        return Answer(said["facts"], array)

    def _stop(self, late: Event) -> None:
        late.set()
        self._child.kill()

    def end(self) -> None:
        """End the process, whatever it is at."""
        self._child.kill()
        self._child.wait()
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()


def _ended(code: int) -> str:
    name = f"exit code {code}"
    if code < 0:
        with suppress(ValueError):
            name = signal.Signals(-code).name
    return f"ended the process that read it ({name}); it is damaged, or of a kind that its reader cannot read"


@atexit.register
def end_all() -> None:
    """End the processes that wait for files."""
    while _idle:
        _idle.pop().end()


def _forget() -> None:
    """Leave the processes of the parent to it, after a fork: two that ask through one pipe would get each other's answers."""
    _of_parent.extend(_idle)
    _idle.clear()


_of_parent: list[_Process] = []
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
