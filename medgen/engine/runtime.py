"""Other engines than PyTorch for the nets that scoring calls, checked against PyTorch before their results count.

A backend knows nothing of it. While it looks at the first frames, the modules that it calls are noted, and those that hold
convolutions are compiled for the shape that they were called with, the outermost ones that take one tensor. From then on their
calls go to the engine, and everything between them (draws, distances, maps) stays PyTorch's. ONNX Runtime gets it all as one
graph instead, the one that is exported. What comes out at the end, scores,
components, maps and reconstructions, is compared on the first frames with what PyTorch makes of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any, Literal, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook

from medgen.engine.graph import openvino_nets
from medgen.engine.graph.batches import graph_of_batches
from medgen.engine.graph.formats import FORMATS
from medgen.engine.graph.trace import why_not
from medgen.errors import BackendError, ConfigError, MedgenError
from medgen.types import Batch

Runtime = Literal["torch", "openvino", "onnx"]
TOLERANCE = 1e-4  # of the largest value of a result: how far it may be from PyTorch's
CHECKED = 8  # frames that are computed by both, at least, where there are so many

Result = TypeVar("Result")
Forward = Callable[[Tensor], Any]
Calls = dict[nn.Module, dict[torch.Size, tuple[Tensor, Any]]]  # by the shape of its input: input and output of a module


@dataclass
class Engine:
    """An engine that runs nets, and how far its results have been from PyTorch's.

    Attributes
    ----------
    name : of the engine, with its version
    checked : frames that both computed
    largest : the largest difference of a result from PyTorch's, as a share of the largest value of that result
    """

    name: str
    checked: int = 0
    largest: float = 0.0

    def around(self, work: Callable[[Batch], Result], device: torch.device) -> Callable[[Batch], Result]:
        """Return `work` with its nets run by the engine.

        Parameters
        ----------
        work : from frames to a tensor, or a mapping or sequence of them, of any depth, in which None may stand; always called
            with as many frames of one shape
        device : of the frames

        Raises
        ------
        ConfigError : if the engine does not run there.
        BackendError, from the work that is returned : if a net cannot be exported, or none is called.
        MedgenError, from the work that is returned : if a result is further than `TOLERANCE` from PyTorch's.
        """
        self._check(device)
        nets: dict[nn.Module, Forward] = {}

        def on_engine(frames: Batch) -> Result:
            if not nets or self.checked < CHECKED:
                with _noted_calls() as calls:
                    expected = work(replace(frames))  # a copy: what is kept of a batch would be PyTorch's the second time
                if not nets:
                    nets.update(_compiled(calls, self.name))
                with _swapped(nets):
                    found = work(frames)
                self._compare(expected, found, len(frames.index.unique()))
                return found
            with _swapped(nets):
                return work(frames)

        return on_engine

    def _check(self, device: torch.device) -> None:
        if device.type != "cpu":
            raise ConfigError(f"{self.name} runs nets on the processor; add --device cpu, or leave --runtime away")

    def parity(self) -> dict[str, float]:
        """Return what is kept of the check beside stored results."""
        return {"frames": self.checked, "largest": self.largest, "allowed": TOLERANCE}

    def in_words(self, scores: NDArray[np.float64], threshold: float | None) -> str:
        """Return how far results are from PyTorch's, and how many scores (N,) stand near enough to its threshold to matter."""
        said = (
            f"scored with {self.name}; on {self.checked} frames no result is further from PyTorch's than {self.largest:.1e} of "
            f"its largest value ({TOLERANCE:g} is allowed)"
        )
        if threshold is None:
            return said
        near = int((np.abs(scores - threshold) <= TOLERANCE * np.abs(scores).max(initial=0)).sum())
        return f"{said}; the threshold was made with PyTorch, and {near} of {len(scores)} scores are as near to it as that"

    def _compare(self, expected: Any, found: Any, frames: int) -> None:
        """Note how far results are from PyTorch's; refuse them where that is too far."""
        self.checked += frames
        pairs = zip(_tensors(expected), _tensors(found), strict=True)
        differences = [_difference(wanted.double(), values.double()) for wanted, values in pairs]
        self.largest = max([self.largest, *differences])
        if not all(difference <= TOLERANCE for difference in differences):  # NaN is no agreement
            worst = max(differences, key=lambda difference: (difference != difference, difference))
            raise MedgenError(
                f"{self.name} gives other results than PyTorch: they differ by {worst:.1e} of their largest value, "
                f"{TOLERANCE:g} is allowed; score with --runtime torch"
            )


class GraphEngine(Engine):
    """An engine that runs all that is computed of frames as one graph, the graph that `medgen export` writes down of it."""

    def around(self, work: Callable[[Batch], Result], device: torch.device) -> Callable[[Batch], Result]:
        """Return `work` as the engine runs it; see `Engine.around`."""
        self._check(device)
        graphs: list[Callable[[Batch], Any]] = []

        def on_engine(frames: Batch) -> Result:
            if not graphs:
                graphs.append(graph_of_batches(work, frames))
            found = graphs[0](frames)
            if self.checked < CHECKED:
                self._compare(work(replace(frames)), found, len(frames.index.unique()))
            return found  # type: ignore[no-any-return]

        return on_engine


def open_engine(runtime: Runtime) -> Engine | None:
    """Return the engine of that name; None for PyTorch itself, which needs none.

    Raises
    ------
    ConfigError : if it is not installed.
    """
    if runtime == "torch":
        return None
    if runtime == "onnx":
        FORMATS["onnx"].check()
        return GraphEngine(f"onnxruntime {version('onnxruntime')}")
    return Engine(f"openvino {openvino_nets.version()}")


@contextmanager
def _noted_calls() -> Iterator[Calls]:
    """Note, within the block, each call of a module that an engine could run, and of no module inside it."""
    calls: Calls = {}
    inner: list[list[tuple[nn.Module, Tensor, Any]]] = [[]]  # of each call that has not returned, those found inside it

    def before(module: nn.Module, arguments: Any) -> None:
        inner.append([])

    def after(module: nn.Module, arguments: Any, named: Any, output: Any) -> None:
        found = inner.pop()
        inner[-1] += [(module, arguments[0], output)] if not named and _fits(module, arguments, output) else found

    hooks = [register_module_forward_pre_hook(before), register_module_forward_hook(after, with_kwargs=True)]
    try:
        yield calls
    finally:
        for hook in hooks:
            hook.remove()
    for module, x, output in inner[0]:
        calls.setdefault(module, {})[x.shape] = (x, output)


def _fits(module: nn.Module, arguments: Sequence[Any], output: Any) -> bool:
    """Tell whether a call is one of a net worth the change: convolutions, from one tensor to tensors."""
    if isinstance(module, torch.jit.ScriptModule) or len(arguments) != 1:
        return False
    takes = isinstance(arguments[0], Tensor) and arguments[0].dtype == torch.float32
    gives = output is not None and all(isinstance(part, Tensor) for part in _parts(output))
    return takes and gives and any(weight.ndim > 2 for weight in module.parameters())


def _compiled(calls: Calls, engine: str) -> dict[nn.Module, Forward]:
    """Return, for each module, what is to be called for its forward.

    Raises
    ------
    BackendError : if one cannot be exported, or there is none.
    """
    if not calls:
        raise BackendError(f"this model calls no net that {engine} could run; score it with --runtime torch")
    forwards = {}
    for module, by_shape in calls.items():
        try:
            compiled = {shape: openvino_nets.compile_net(_Flat(module), x) for shape, (x, _) in by_shape.items()}
        except Exception as error:  # of many kinds, for each thing that a net may do and an export cannot write down
            why = why_not(error)
            raise BackendError(f"a net of this model cannot be exported ({why}); score it with --runtime torch") from error
        outputs = {shape: output for shape, (_, output) in by_shape.items()}
        forwards[module] = _forward(module.forward, compiled, outputs)
    return forwards


class _Flat(nn.Module):
    """A net whose output is a tuple, whatever held its tensors."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return tuple(_parts(self.net(x)))


def _forward(
    own: Forward, compiled: Mapping[torch.Size, Callable[[Tensor], Sequence[Tensor]]], outputs: Mapping[torch.Size, Any]
) -> Forward:
    """Return a forward that takes the compiled net of a shape, and for any other shape the module's own."""

    def forward(x: Tensor) -> Any:
        if x.shape not in compiled:
            return own(x)
        parts, like = compiled[x.shape](x), outputs[x.shape]
        if isinstance(like, Tensor):
            return parts[0]
        return dict(zip(like, parts, strict=True)) if isinstance(like, Mapping) else tuple(parts)

    return forward


@contextmanager
def _swapped(nets: Mapping[nn.Module, Forward]) -> Iterator[None]:
    """Let the modules call the engine within the block: an extractor is shared with code that may want PyTorch's."""
    for module, forward in nets.items():
        module.forward = forward  # type: ignore[method-assign]
    try:
        yield
    finally:
        for module in nets:
            del module.forward  # that of its class is left


def _parts(output: Any) -> list[Any]:
    """Return what a net returned, part by part."""
    if isinstance(output, Mapping):
        return [*output.values()]
    return [*output] if isinstance(output, tuple | list) else [output]


def _tensors(result: Any) -> Iterator[Tensor]:
    """Yield the tensors of a result in their order."""
    if isinstance(result, Tensor):
        yield result
    elif result is not None:
        for part in _parts(result):
            yield from _tensors(part)


def _difference(expected: Tensor, found: Tensor) -> float:
    """Return the largest difference of two results as a share of the largest value expected; NaN where one is NaN."""
    if not expected.numel():
        return 0.0
    largest = float((expected - found).abs().max())
    return largest / max(float(expected.abs().max()), torch.finfo(torch.float32).tiny)
