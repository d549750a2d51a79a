"""Nets that are read from ONNX files: the extra "onnx".

ONNX (https://onnx.ai/onnx/repo-docs/IR.html) is a graph of operators that a specification names, and no program: ONNX Runtime
takes operators from elsewhere only where somebody registers a library of them, which medgen does not. Weights may lie in further
files; from `OLDEST` on it refuses those that are not in the folder of the first, behind a link or not.
"""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from medgen.errors import MedgenError

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

OLDEST = (1, 32)
WHAT_FAILED = re.compile(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ")


class OnnxNet(nn.Module):
    """The net of an ONNX file as a module without weights of its own: it computes on the processor and passes no gradient on.

    Attributes
    ----------
    batch, height, width : how many frames it takes at once, and their sides, where the file fixes them; else None
    """

    def __init__(self, path: Path) -> None:
        """Read a file whose net takes one (B, 3, H, W) float32.

        Raises
        ------
        MedgenError : if ONNX Runtime is not there or too old, does not read the file, or its net takes something else.
        """
        super().__init__()
        self.path = path
        self._session = open_session(path)
        inputs = self._session.get_inputs()
        shape = inputs[0].shape if inputs else []
        if len(inputs) != 1 or inputs[0].type != "tensor(float)" or len(shape) != 4 or shape[1] != 3:
            taken = ", ".join(f"{one.type} {one.shape}" for one in inputs) or "nothing"
            raise MedgenError(f"'{path}' takes {taken}; expected one input (B, 3, H, W) of float32")
        self.batch, _, self.height, self.width = (side if isinstance(side, int) else None for side in shape)

    def forward(self, images: Tensor) -> Tensor:
        """Return the first output for (B, 3, H, W), which are resized where the file fixes their sides.

        Raises
        ------
        MedgenError : if a gradient is wanted, or the net fails.
        """
        if images.requires_grad:
            raise MedgenError(f"'{self.path}' is an ONNX net, which passes no gradient on; for a loss take a net by its name")
        side = (self.height or images.shape[2], self.width or images.shape[3])
        if images.shape[2:] != side:
            images = F.interpolate(images, side, mode="bilinear", antialias=True)
        step = self.batch or len(images)
        return torch.cat([self._run(part, step) for part in images.split(step)]).to(images.device)

    def _run(self, images: Tensor, step: int) -> Tensor:
        """Run as many frames as the net takes at once; black ones stand in for those that are missing."""
        given = torch.cat([images, images.new_zeros(step - len(images), *images.shape[1:])]) if len(images) < step else images
        source, target = self._session.get_inputs()[0].name, self._session.get_outputs()[0].name
        try:
            (values,) = self._session.run([target], {source: given.cpu().contiguous().numpy()})
        except Exception as error:  # ONNX Runtime's errors share no type
            raise MedgenError(f"'{self.path}' failed on {tuple(given.shape)}: {_reason(error)}") from None
        return torch.from_numpy(values)[: len(images)]


def open_session(path: Path) -> InferenceSession:
    try:
        found = version("onnxruntime")
        import onnxruntime
    except (PackageNotFoundError, ImportError):
        raise MedgenError(f"'{path}' needs ONNX Runtime: pip install 'medgen[onnx]'") from None
    if tuple(int(part) for part in found.split(".")[:2]) < OLDEST:
        raise MedgenError(f"ONNX Runtime {found} reads weights outside of a file's folder: pip install --upgrade 'medgen[onnx]'")
    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = torch.get_num_threads(), 1
    options.use_deterministic_compute = True
    options.log_severity_level = 4  # what fails is raised, too
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # as above
        raise MedgenError(f"'{path}' is no ONNX file that can be read: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    line = " ".join(str(error).split())
    return WHAT_FAILED.sub("", line)[:200]
