"""What a training step may read without waiting for a GPU, and what code may read while it is written down as a graph.

A GPU works behind the program that feeds it; to read a number from it, the program waits until it has caught up, and the GPU then
stands still until there is work again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ClassVar

from torch import Tensor, nn

_AS_GRAPH = ContextVar("as_graph", default=False)


@contextmanager
def as_graph() -> Iterator[None]:
    """Within the block, code is written down for frames that are not known yet: nothing may branch on what they hold."""
    token = _AS_GRAPH.set(True)
    try:
        yield
    finally:
        _AS_GRAPH.reset(token)


def written_down() -> bool:
    """Tell whether code is being written down as a graph (`as_graph`)."""
    return _AS_GRAPH.get()


def read_at_once(tensor: Tensor) -> bool:
    """Tell whether reading a tensor waits for nobody, so that a step may branch on what it holds; no graph may (`as_graph`)."""
    return tensor.device.type == "cpu" and not written_down()


class OnHost(nn.Module):
    """A module with buffers that never leave the CPU, since each step reads them: no kernel needs them.

    Attributes
    ----------
    on_host : names of these buffers, as far as there are some
    """

    on_host: ClassVar[tuple[str, ...]] = ()

    def _apply(self, fn: Any, recurse: bool = True) -> OnHost:
        kept = {name: self._buffers[name] for name in self.on_host if name in self._buffers}
        super()._apply(fn, recurse)
        self._buffers.update(kept)
        return self
