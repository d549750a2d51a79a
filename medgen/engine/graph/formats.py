"""The formats of a graph: how it is written, and what runs it again. A new one is a class here and an entry of `FORMATS`."""

from __future__ import annotations

import contextlib
import io
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.export import ExportedProgram

from medgen.engine.graph.trace import exporting, why_not
from medgen.errors import BackendError, ConfigError, MedgenError
from medgen.files import replacing, write_bytes

Arrays = list[NDArray[Any]]
Run = Callable[[Sequence[NDArray[Any]]], Arrays]  # from the inputs to the outputs, each in the order of the graph


class GraphFormat(ABC):
    """A format of a graph, and what runs it.

    Attributes
    ----------
    files : that it is written to; the first is the one that is opened
    packages : distributions that it needs besides PyTorch
    extra : of medgen that brings them; "" where nothing is needed
    opened_by : the call in Python by which others open a graph in its folder, so that it computes in float32
    """

    files: ClassVar[tuple[str, ...]]
    opened_by: ClassVar[str]
    packages: ClassVar[tuple[str, ...]] = ()
    extra: ClassVar[str] = ""

    def check(self) -> None:
        """Refuse a format whose packages are not installed.

        Raises
        ------
        ConfigError : naming the extra.
        """
        for package in self.packages:
            try:
                version(package)
            except PackageNotFoundError:
                raise ConfigError(f"this needs {package}, which is not installed; pip install 'medgen[{self.extra}]'") from None

    def versions(self) -> dict[str, str]:
        """Return the versions of all that has a part in it."""
        return {package: version(package) for package in ("torch", "numpy", *self.packages)}

    def write(self, program: ExportedProgram, folder: Path, inputs: Sequence[str], outputs: Sequence[str]) -> None:
        """Write a graph whose inputs and outputs have these names into a folder.

        Raises
        ------
        BackendError : if the format has no word for an operator.
        MedgenError : where the folder cannot be written or the disk is full.
        """
        with _quietly():
            try:
                self.convert(program, folder / self.files[0], inputs, outputs)
            except MedgenError:
                raise
            except Exception as error:  # converters' errors share no type
                raise BackendError(f"its graph cannot be written in this format ({why_not(error)})") from error

    @abstractmethod
    def convert(self, program: ExportedProgram, path: Path, inputs: Sequence[str], outputs: Sequence[str]) -> None:
        """Write it; errors are of whatever kind the converter raises."""

    @abstractmethod
    def open(self, folder: Path) -> Run:
        """Return what runs a graph that was written into the folder, on the processor in float32."""


class Onnx(GraphFormat):
    """An ONNX file (https://onnx.ai), run by ONNX Runtime."""

    files = ("model.onnx",)
    opened_by = 'onnxruntime.InferenceSession("model.onnx", providers=["CPUExecutionProvider"])'
    packages = ("onnx", "onnxscript", "onnxruntime")
    extra = "onnx"

    def convert(self, program: ExportedProgram, path: Path, inputs: Sequence[str], outputs: Sequence[str]) -> None:
        made = torch.onnx.export(
            program, dynamo=True, verbose=False, input_names=[*inputs], output_names=[*outputs], external_data=False
        )
        assert made is not None
        with replacing(path) as temporary:
            made.save(temporary, external_data=False)

    def open(self, folder: Path) -> Run:
        from medgen.nn.features.nets.onnx_net import open_session

        session = open_session(folder / self.files[0])
        names = [given.name for given in session.get_inputs()]
        return lambda values: session.run(None, dict(zip(names, values, strict=True)))


class TorchExport(GraphFormat):
    """PyTorch's own format (`torch.export.save`), run by PyTorch."""

    files = ("model.pt2",)
    opened_by = 'torch.export.load("model.pt2").module()'

    def convert(self, program: ExportedProgram, path: Path, inputs: Sequence[str], outputs: Sequence[str]) -> None:
        (examples,), _ = program.example_inputs  # of one list (`trace.write_down`)
        given = dict(zip(inputs, examples, strict=True))
        buffer = io.BytesIO()  # on a full disk PyTorch would end the process
        torch.export.save(torch.export.export(_Named(program.module(check_guards=False), outputs), (), given), buffer)
        write_bytes(path, buffer.getvalue())

    def open(self, folder: Path) -> Run:
        program = torch.export.load(folder / self.files[0])
        module, names = program.module(), program.graph_signature.user_inputs

        def run(values: Sequence[NDArray[Any]]) -> Arrays:
            given = {name: torch.from_numpy(np.ascontiguousarray(one)) for name, one in zip(names, values, strict=True)}
            with torch.no_grad():
                return [value.numpy() for value in module(**given).values()]

        return run


class _Named(nn.Module):
    """A graph from one list to another, called with its inputs by name; returns its outputs by name.

    The graph is held in a list, so that it is no part of this module: of a part PyTorch looks for constants by another name.
    """

    def __init__(self, graph: nn.Module, outputs: Sequence[str]) -> None:
        super().__init__()
        self.graph, self.outputs = [graph], outputs

    def forward(self, **inputs: Tensor) -> dict[str, Tensor]:
        return dict(zip(self.outputs, self.graph[0]([*inputs.values()]), strict=True))


class OpenVino(GraphFormat):
    """OpenVINO's own format, run by OpenVINO."""

    files = ("model.xml", "model.bin")
    opened_by = 'openvino.Core().compile_model("model.xml", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})'
    packages = ("openvino",)
    extra = "openvino"

    def convert(self, program: ExportedProgram, path: Path, inputs: Sequence[str], outputs: Sequence[str]) -> None:
        import openvino

        from medgen.engine.graph.openvino_nets import check_compiles, exported

        model = exported(program)
        for ports, names in ((model.inputs, inputs), (model.outputs, outputs)):
            for port, name in zip(ports, names, strict=True):
                port.get_tensor().set_names({name})
        openvino.save_model(model, path, compress_to_fp16=False)
        check_compiles(path)

    def open(self, folder: Path) -> Run:
        from medgen.engine.graph.openvino_nets import compiled

        request = compiled(folder / self.files[0])
        return lambda values: [np.array(found) for found in request.infer([*values]).values()]


FORMATS: Mapping[str, GraphFormat] = {"onnx": Onnx(), "torch-export": TorchExport(), "openvino": OpenVino()}


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Keep what converters print and log of their own insides from a user, who is told of what fails anyhow."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with exporting(), contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(before)
