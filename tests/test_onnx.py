"""Extractors in ONNX files: what they give is computed by PyTorch, too; what is not theirs to read is refused in a line."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from medgen.errors import MedgenError
from medgen.nn.features.extractors import Extractor, load_extractor
from medgen.nn.features.nets import onnx_net

WEIGHT = torch.linspace(-1, 1, 4 * 3 * 9).reshape(4, 3, 3, 3)
FRAMES = torch.rand(3, 3, 20, 24, generator=torch.Generator().manual_seed(1))


def write(path: Path, shape: tuple[Any, ...] = ("n", 3, "h", "w"), outside: str = "", domain: str = "") -> Path:
    """A convolution of stride 2 and its positive part; `outside` is where its weights are said to be."""
    pytest.importorskip("onnxruntime", reason="needs `pip install 'medgen[onnx]'`")
    onnx = pytest.importorskip("onnx", reason="needs onnx")
    weight = onnx.numpy_helper.from_array(WEIGHT.numpy(), "weight")
    if outside:
        weight.ClearField("raw_data")
        weight.data_location = onnx.TensorProto.EXTERNAL
        weight.external_data.add(key="location", value=outside)
    node = onnx.helper.make_node
    steps = [node("Conv", ["x", "weight"], ["y"], strides=[2, 2]), node("Relu", ["y"], ["z"], domain=domain)]
    ends = [onnx.helper.make_tensor_value_info(name, 1, form) for name, form in (("x", shape), ("z", None))]
    graph = onnx.helper.make_graph(steps, "net", ends[:1], ends[1:], [weight])
    domains = [onnx.helper.make_opsetid(name, 18 if name == "" else 1) for name in {"", domain}]
    path.write_bytes(onnx.helper.make_model(graph, opset_imports=domains, ir_version=10).SerializeToString())
    return path


def by_torch(frames: torch.Tensor) -> torch.Tensor:
    return F.conv2d(frames, WEIGHT, stride=2).relu()


def own(path: Path) -> Extractor:
    return load_extractor(f"file:{path}")


def test_features_are_those_of_the_same_net_in_torch(tmp_path: Path) -> None:
    extractor = own(write(tmp_path / "net.onnx"))
    assert extractor.width == 4
    torch.testing.assert_close(extractor(FRAMES), by_torch(FRAMES).mean((2, 3)))


def test_maps_from_its_middle_are_those_of_the_same_net_in_torch(tmp_path: Path) -> None:
    ((stride, maps),) = own(write(tmp_path / "net.onnx")).layers(FRAMES[..., :20], side=20).items()
    assert stride == 2
    torch.testing.assert_close(maps, by_torch(FRAMES[..., :20]))


def test_a_net_of_two_frames_of_one_size_is_given_them_so(tmp_path: Path) -> None:
    resized = F.interpolate(FRAMES, (16, 16), mode="bilinear", antialias=True)
    extractor = own(write(tmp_path / "net.onnx", (2, 3, 16, 16)))
    torch.testing.assert_close(extractor(FRAMES), by_torch(resized).mean((2, 3)))


def test_weights_in_a_file_of_the_same_folder_are_read(tmp_path: Path) -> None:
    WEIGHT.numpy().tofile(tmp_path / "weights.bin")
    extractor = own(write(tmp_path / "net.onnx", outside="weights.bin"))
    torch.testing.assert_close(extractor(FRAMES), by_torch(FRAMES).mean((2, 3)))


@pytest.mark.parametrize("place", ["../weights.bin", "{folder}/weights.bin", "link.bin"])
def test_weights_outside_of_its_folder_are_refused(tmp_path: Path, place: str) -> None:
    (tmp_path / "in").mkdir()
    WEIGHT.numpy().tofile(tmp_path / "weights.bin")
    (tmp_path / "in" / "link.bin").symlink_to(tmp_path / "weights.bin")
    path = write(tmp_path / "in" / "net.onnx", outside=place.format(folder=tmp_path))
    with pytest.raises(MedgenError, match=r"^'.*net.onnx' is no ONNX file that can be read: External data path .*\Z"):
        own(path)


def test_operators_of_others_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MedgenError, match=r"is no ONNX file that can be read: .*elsewhere:Relu.* is not a registered"):
        own(write(tmp_path / "net.onnx", domain="elsewhere"))


@pytest.mark.parametrize("content", [b"", b"no net", np.arange(4000, dtype=np.uint8).tobytes()])
def test_what_is_no_onnx_is_refused_in_a_line(tmp_path: Path, content: bytes) -> None:
    pytest.importorskip("onnxruntime", reason="needs `pip install 'medgen[onnx]'`")
    (tmp_path / "net.onnx").write_bytes(content)
    with pytest.raises(MedgenError, match=r"^'.*net.onnx' is no ONNX file that can be read: .+\Z"):
        own(tmp_path / "net.onnx")


def test_a_net_of_another_input_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MedgenError, match=r"takes tensor\(float\) \[1, 1, 8, 8\]; expected one input \(B, 3, H, W\) of float32"):
        own(write(tmp_path / "net.onnx", (1, 1, 8, 8)))


def test_no_gradient_goes_through(tmp_path: Path) -> None:
    extractor = own(write(tmp_path / "net.onnx"))
    with pytest.raises(MedgenError, match="passes no gradient on"):
        extractor.layers(FRAMES.clone().requires_grad_(), side=20, gradient=True)


def test_a_named_net_has_its_own_number_of_features(tmp_path: Path) -> None:
    with pytest.raises(MedgenError, match="gives 4 features; expected the 1280 of efficientnet-lite0"):
        load_extractor(f"efficientnet-lite0@{write(tmp_path / 'net.onnx')}")


def test_the_missing_runtime_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    (tmp_path / "net.onnx").touch()
    with pytest.raises(MedgenError, match=r"net.onnx' needs ONNX Runtime: pip install 'medgen\[onnx\]'"):
        own(tmp_path / "net.onnx")


def test_a_runtime_that_reads_outside_of_the_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", sys)
    monkeypatch.setattr(onnx_net, "version", lambda name: "1.18.1")
    (tmp_path / "net.onnx").touch()
    with pytest.raises(MedgenError, match=r"ONNX Runtime 1.18.1 reads weights outside of a file's folder: pip install --upgrade"):
        own(tmp_path / "net.onnx")
