"""Float32 that is the same on a GPU as on a CPU.

By default PyTorch lets convolutions on a GPU since Ampere round what they multiply to 10 bits (TF32), so that a score there would
not be the one of a CPU. medgen never does so: who wants speed trains in bfloat16, and the run says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

import torch

_lock = Lock()
_before: list[object] = []  # the value of each switch outside, while threads are inside
_inside: list[None] = []  # one for each of these


@contextmanager
def exact_float32() -> Iterator[None]:
    """Inside the ``with``, multiply float32 as it is, in matrix products, convolutions and recurrent nets.

    The switches belong to the process and are put back by the last thread that leaves. PyTorch from 2.9 on has one for each kind
    of operator, and refuses to be asked about the older one of cuDNN inside the ``with``.
    """
    places, name, exact = _switches()
    with _lock:
        if not _inside:
            _before[:] = [getattr(place, name) for place in places]
            for place in places:
                setattr(place, name, exact)
        _inside.append(None)
    try:
        yield
    finally:
        with _lock:
            _inside.pop()
            if not _inside:
                for place, value in zip(places, _before, strict=True):
                    setattr(place, name, value)


def _switches() -> tuple[list[object], str, object]:
    """Return where the switches are, what they are called, and their value for float32 as it is."""
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    if hasattr(matmul, "fp32_precision") and hasattr(cudnn, "conv"):
        return [matmul, cudnn.conv, cudnn.rnn], "fp32_precision", "ieee"
    return [matmul, cudnn], "allow_tf32", False
