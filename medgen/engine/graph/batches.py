"""Work on batches as a graph that ONNX Runtime computes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_unflatten

from medgen.engine.graph.formats import FORMATS
from medgen.engine.graph.trace import write_down
from medgen.errors import BackendError
from medgen.types import Batch


def graph_of_batches(work: Callable[[Batch], Any], frames: Batch) -> Callable[[Batch], Any]:
    """Return `work` as a graph that ONNX Runtime computes, of batches like this one.

    Parameters
    ----------
    work : from a batch to tensors, nested in any way, in which None may stand; it sees image, valid, index and other, and the
        finding that all frames are told
    frames : a batch as all later ones are

    Raises
    ------
    BackendError : if it cannot be written down.
    """
    names = [name for name in ("image", "valid", "index", "other") if getattr(frames, name) is not None]
    shape: list[Any] = []  # how the results of the work were nested, and which of them were tensors

    def flat(given: list[Tensor]) -> list[Tensor]:
        leaves, spec = tree_flatten(work(Batch(**dict(zip(names, given, strict=True)), finding=frames.finding)))  # type: ignore[arg-type]
        shape[:] = [spec, [isinstance(leaf, Tensor) for leaf in leaves]]
        return [leaf for leaf in leaves if isinstance(leaf, Tensor)]

    examples = [_nobodys(getattr(frames, name)) for name in names]
    form = FORMATS["onnx"]
    try:
        program = write_down(flat, examples)
        with TemporaryDirectory() as folder:
            inputs = [f"given_{name}" for name in names]  # "index" is the name of an operator, too, and a file takes each once
            form.write(program, Path(folder), inputs, [f"output_{place}" for place in range(sum(shape[1]))])
            run = form.open(Path(folder))
    except BackendError as error:
        raise BackendError(f"this model cannot be scored so: {error}; score it with --runtime torch") from error

    def on_graph(batch: Batch) -> Any:
        values = iter(run([getattr(batch, name).contiguous().numpy() for name in names]))
        return tree_unflatten([torch.from_numpy(next(values)) if is_tensor else None for is_tensor in shape[1]], shape[0])

    return on_graph


def _nobodys(values: Tensor) -> Tensor:
    """Return numbers that nobody measured in place of a part of a batch, so that nothing of it becomes a rule of the graph."""
    random = torch.rand(values.shape, generator=torch.Generator().manual_seed(0))
    if values.dtype == torch.bool:
        return random > 0.1
    return random if values.is_floating_point() else values
