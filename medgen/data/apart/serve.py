"""The process of `medgen.data.apart.reader_process`: a line of JSON in, a line of JSON and the bytes of an array out."""

from __future__ import annotations

import json
import os
import signal
import sys
from importlib import import_module
from threading import Timer
from typing import IO, Any

import numpy as np

from medgen.errors import ImageError

IDLE = 60.0  # seconds without a file after which the process ends: its libraries take memory


def serve(requests: IO[bytes], answers: IO[bytes]) -> None:
    """Answer requests until there are no more, or none came for `IDLE` seconds."""
    while True:
        retire = Timer(IDLE, os._exit, (0,))
        retire.daemon = True
        retire.start()
        line = requests.readline()
        retire.cancel()
        if not line:
            return
        _answer(json.loads(line), answers)


def _answer(request: dict[str, str], answers: IO[bytes]) -> None:
    array, about = None, {}
    try:
        module, _, name = request["function"].partition(":")
        facts, array = getattr(import_module(module), name)(request["path"])
        if array is not None:
            array = np.ascontiguousarray(array)
            about = {"type": array.dtype.str, "shape": array.shape}
    except ImageError as error:
        facts = {"refused": str(error)}
    except MemoryError:
        facts = {"memory": True}
    except Exception as error:
        facts = {"error": str(error) or type(error).__name__}
    said: dict[str, Any] = {"facts": facts, **about}
    answers.write(json.dumps(said).encode() + b"\n")
    if array is not None:
        answers.write(array.reshape(-1).view(np.uint8).data)
    answers.flush()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever asks; the end of that process ends this one
    own = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print is no answer
    serve(sys.stdin.buffer, own)
