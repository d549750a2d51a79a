"""Whatever is computed of frames, written down as a graph of PyTorch's operators.

The work runs once, on frames that nobody took, while each operator that it calls is noted. What does not depend on the frames
(weights, what was fitted, settings) is noted as it is. Work that reads a number of a frame to decide what to do next cannot be
noted so, nor can work that draws random numbers: both are refused, whoever wrote them, and no backend is known by its name here.
The graph is of one shape, like all that medgen computes (`engine/fixed_shape.py`).
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.export import ExportedProgram
from torch.fx import GraphModule, Node
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from medgen.errors import BackendError
from medgen.nn.host import as_graph

NO_RULE = re.compile(
    r"(?:No ONNX function found for <OpOverload\(op='|No conversion rule found for operations: )([\w.]+(?:, [\w.]+)*)"
)
TERMINAL_COLOURS = re.compile("\x1b\\[[0-9;]*m")
MOST = 20_000  # operators of a graph: a search by many steps becomes so many that no other program takes them


def write_down(work: Callable[[list[Tensor]], Sequence[Tensor]], examples: Sequence[Tensor]) -> ExportedProgram:
    """Return what `traced` does as a program that formats are written of.

    Raises
    ------
    BackendError : if the work cannot be written down; the message is the reason, in one clause.
    """
    with exporting():
        return torch.export.export(traced(work, examples), ([*examples],))


def traced(work: Callable[[list[Tensor]], Sequence[Tensor]], examples: Sequence[Tensor]) -> GraphModule:
    """Return the graph of what `work` computes of some tensors on the processor, in float32.

    Parameters
    ----------
    work : from a list of as many tensors as there are examples to tensors
    examples : of the shapes and kinds of all later ones; what they hold must not matter

    Raises
    ------
    BackendError : if the work cannot be written down; the message is the reason, in one clause.
    """
    from torch.fx.experimental.proxy_tensor import make_fx

    # nets that call oneDNN's own operators (`nn/features/nets/fused.py`) take plain ones where it is switched off
    with exporting(), torch.backends.mkldnn.flags(enabled=False), torch.inference_mode(False), torch.no_grad(), as_graph():
        work([*examples])  # what is computed once and kept is there from now on, and no part of the graph
        try:
            with _ReadsNothing():
                graph = make_fx(lambda inputs: _each_its_own(work(inputs)), tracing_mode="real")([*examples])
        except Exception as error:  # of many kinds, for each thing that work may do and no graph can hold
            raise BackendError(f"its score cannot be written down as a graph ({why_not(error)})") from error
        operators = [node for node in graph.graph.nodes if isinstance(node.target, torch._ops.OpOverload)]
        if random := next((node.target for node in operators if draws(node)), None):
            raise BackendError(f"its score draws random numbers ({random})")
        if len(operators) > MOST:
            raise BackendError(f"its score takes {len(operators)} operations, more than the {MOST} that a graph may have")
        for node in graph.graph.nodes:  # PyTorch foretells another layout than a plain convolution of channels-last weights gives
            if node.target is torch.ops.aten.view.default:
                node.target = torch.ops.aten.reshape.default
        graph.recompile()
        return graph


def draws(node: Node) -> bool:
    """Tell whether an operator of a graph draws random numbers; attention without dropout, so marked too, draws none."""
    operator: Any = node.target
    if torch.Tag.nondeterministic_seeded not in operator.tags:
        return False
    given = dict(zip((argument.name for argument in operator._schema.arguments), node.args, strict=False)) | node.kwargs
    dropout = {argument.name: argument.default_value for argument in operator._schema.arguments if argument.name == "dropout_p"}
    return not dropout or (dropout | given)["dropout_p"] != 0


def _each_its_own(results: Sequence[Tensor]) -> list[Tensor]:
    """Return results none of which is another: OpenVINO cannot read a program with one output for two names."""
    return [value * 1 if any(value is other for other in results[:place]) else value for place, value in enumerate(results)]


class _ReadsNothing(TorchFunctionMode):
    """Refuses to hand frames out, and computes one-hot codes, whose number is known, without PyTorch's look at them."""

    def __torch_function__(self, called: Any, types: Any, arguments: Any = (), named: Any = None) -> Any:
        named = named or {}
        if called is Tensor.numpy:  # what came back would be the same for all frames
            raise RuntimeError("it hands frames to another program than PyTorch")
        if called is F.one_hot and (classes := named.get("num_classes", arguments[1] if len(arguments) > 1 else -1)) > 0:
            codes = arguments[0] if arguments else named["tensor"]
            return (codes[..., None] == torch.arange(classes, device=codes.device)).long()
        return called(*arguments, **named)


@contextmanager
def exporting() -> Iterator[None]:
    """Let PyTorch export within the block, and keep what it warns of its own insides from the user.

    `torch.export` fails where cuDNN was told not to use TF32, on a machine without a GPU too (findings/torch-export-tf32.sh).
    """
    cudnn = torch.backends.cudnn
    places = [cudnn.conv, cudnn.rnn] if hasattr(cudnn, "conv") else []
    before = [place.fp32_precision for place in places]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            for place in places:
                place.fp32_precision = "tf32"
            yield
        finally:
            for place, precision in zip(places, before, strict=True):
                place.fp32_precision = precision


def why_not(error: BaseException) -> str:
    """Return in one line why something could not be written down or converted: a converter's own reason is its innermost."""
    innermost = error
    while innermost.__cause__ is not None:
        innermost = innermost.__cause__
    said = str(innermost)
    if missing := NO_RULE.search(said):
        return f"it has no word for {missing[1]}"
    if "tracing tensor" in said:
        return "it reads a number of a frame to decide what to do next"
    lines = [line.strip(" -") for line in TERMINAL_COLOURS.sub("", said).splitlines() if line.strip()]
    return f"{type(innermost).__name__}: {lines[0] if lines else ''}"[:200]
