"""A line for a process that is ended from outside before it can say why: another process waits beside it and says it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_WAIT = "import sys; sys.stdin.buffer.read(1) or sys.stderr.write(sys.argv[1])"  # nothing to read: the other end is gone


@contextmanager
def last_words(line: str) -> Iterator[None]:
    """Have `line` written to stderr if this process ends inside the ``with`` without an exception: by `os._exit`, by SIGKILL."""
    command = [sys.executable, "-c", _WAIT, f"{line}\n"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True) as beside:  # Ctrl-C is for this process
        try:
            yield
        finally:
            beside.communicate(b".")
