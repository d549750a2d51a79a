"""Nets that OpenVINO runs instead of PyTorch: the extra "openvino", asked for by `--runtime openvino`.

OpenVINO (https://docs.openvino.ai) lays the weights of a net out for one processor and one shape and joins layers, which PyTorch
does for few of them. It computes in float32 here: left alone it would take bfloat16 where the hardware has it.
"""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medgen.errors import BackendError, ConfigError

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.export import ExportedProgram


DISTRIBUTION = "openvino"
COMPILES = "import sys, openvino; openvino.Core().compile_model(sys.argv[1], 'CPU', {'INFERENCE_PRECISION_HINT': 'f32'})"
TAKEN_APART = ("replication_pad2d", "mv", "vdot")  # operators that OpenVINO has no rule for


def version() -> str:
    """Return the version of OpenVINO.

    Raises
    ------
    ConfigError : if it is not installed.
    """
    try:
        return installed_version(DISTRIBUTION)
    except PackageNotFoundError:
        raise ConfigError("--runtime openvino: OpenVINO is not installed; pip install 'medgen[openvino]'") from None


def compile_net(net: nn.Module, example: Tensor) -> Callable[[Tensor], Sequence[Tensor]]:
    """Return what computes a net on the processor, with as many threads as PyTorch has.

    Parameters
    ----------
    net : in evaluation mode, on the CPU; it takes one tensor and returns a tuple of tensors
    example : of the shape of every later input, float32

    Raises
    ------
    Exception : of whatever kind PyTorch and OpenVINO raise where the net does what they cannot write down.
    """
    import torch
    from openvino.frontend.pytorch.fx_decoder import TorchFXPythonDecoder
    from torch.fx.experimental.proxy_tensor import make_fx

    # nets that call oneDNN's own operators (`nn/features/nets/fused.py`) take plain ones where it is switched off
    with warnings.catch_warnings(), torch.inference_mode(False), torch.no_grad():
        warnings.simplefilter("ignore")  # PyTorch's of its own insides
        with torch.backends.mkldnn.flags(enabled=False):
            # `torch.export` gives the same graph, seconds later; both refuse what depends on the values of a tensor
            graph = make_fx(net, _taken_apart(), "fake", _allow_non_fake_inputs=True)(example.clone())  # type: ignore[arg-type]
        model = converted(TorchFXPythonDecoder(graph, dynamic_shapes=False))
    request = compiled(model)

    def run(x: Tensor) -> list[Tensor]:
        results = request.infer({0: x.contiguous().numpy()}, share_inputs=True)
        return [torch.from_numpy(values.copy()) for values in results.values()]  # the request writes into its own next time

    return run


def exported(program: ExportedProgram) -> Any:
    """Return OpenVINO's model of an exported program, of the shapes that it was made with."""
    from openvino.frontend.pytorch.fx_decoder import TorchFXPythonDecoder

    plain = program.run_decompositions(_taken_apart())
    return converted(TorchFXPythonDecoder.from_exported_program(plain, dynamic_shapes=False))


def _taken_apart() -> dict[Any, Callable[..., Any]]:
    """Return, for each operator that OpenVINO has no rule for, what computes the same by others."""
    import torch
    from torch._decomp import get_decompositions

    aten = torch.ops.aten
    known = get_decompositions([getattr(aten, name) for name in TAKEN_APART])
    ours: dict[Any, Callable[..., Any]] = {
        aten._upsample_bilinear2d_aa.default: smoothly_resized,
        aten.native_group_norm.default: normalised_groups,
    }
    return {**known, **ours}


def normalised_groups(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, frames: int, channels: int, area: int, groups: int, eps: float
) -> tuple[Tensor, None, None]:
    """Return (B, C, ...) of x (B, C, ...) as `group_norm` gives them, and neither mean nor deviation, which training alone reads.

    OpenVINO 2026.4.1 has a word of its own for it, at which it ended the process that compiled the graph of `pixelda`.
    """
    from torch.nn.functional import layer_norm

    own = layer_norm(x.reshape(frames, groups, -1), (channels // groups * area,), eps=eps).reshape(x.shape)
    shape = (1, channels, *[1] * (x.ndim - 2))
    own = own if weight is None else own * weight.reshape(shape)
    return own if bias is None else own + bias.reshape(shape), None, None


def smoothly_resized(
    images: Tensor, size: Sequence[int], align_corners: bool, scale_height: float | None = None, scale_width: float | None = None
) -> Tensor:
    """Return (B, C, h, w) of images (B, C, H, W) as `interpolate(..., mode="bilinear", antialias=True)` gives them, as products.

    Each pixel is a mean of those under a triangle as wide as two new pixels, two old ones at least. `align_corners` is never set.
    """
    rows, columns = (_triangles(old, new, images) for old, new in zip(images.shape[2:], size, strict=True))
    return rows @ images @ columns.T  # (h, H) @ (B, C, H, W) @ (W, w)


def _triangles(old: int, new: int, like: Tensor) -> Tensor:
    """Return what each of the `old` pixels of a line counts for in each `new` one, (new, old)."""
    import torch

    step = old / new
    centres = (torch.arange(new, dtype=like.dtype, device=like.device)[:, None] + 0.5) * step
    places = torch.arange(old, dtype=like.dtype, device=like.device) + 0.5
    shares = (1 - (places - centres).abs() / max(step, 1.0)).clamp_min(0)
    return shares / shares.sum(1, keepdim=True)


def converted(decoder: Any) -> Any:
    """Return OpenVINO's model of what a decoder of a graph of PyTorch reads; the front end holds no reference to the decoder."""
    from openvino.frontend import FrontEndManager

    # not `openvino.convert_model`, which may report its use over the network
    frontend = FrontEndManager().load_by_framework("pytorch")
    return frontend.convert(frontend.load(decoder))


def check_compiles(path: Path) -> None:
    """Try in a process of its own whether a stored model can be compiled: OpenVINO ends the process that compiles some.

    Raises
    ------
    BackendError : if that process does not end well.
    """
    done = subprocess.run([sys.executable, "-c", COMPILES, str(path)], capture_output=True, check=False)
    if done.returncode:
        raise BackendError(f"openvino {version()} fails at compiling its graph (exit status {done.returncode})")


def compiled(model: Any) -> Any:
    """Return a request that computes a model, or the file of one, on the processor in float32."""
    import openvino
    import torch

    properties = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": torch.get_num_threads(), "NUM_STREAMS": 1}
    return openvino.Core().compile_model(model, "CPU", properties).create_infer_request()
