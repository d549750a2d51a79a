"""Any convolutional net of timm as a feature extractor, where timm is installed (it brings torchvision along)."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from medgen.errors import ConfigError, MedgenError

INSTALL = "pip install timm"


class TimmNet(nn.Module):
    """A pretrained net whose maps at each stride are its features.

    Parameters
    ----------
    name : as timm has it
    weights : a safetensors file with the whole net's weights, as timm saves them; None for timm's own, downloaded once

    Raises
    ------
    MedgenError : if timm is not installed, or the weights cannot be had (they are downloaded once).
    ConfigError : if timm knows no such net, or it gives no maps.
    """

    def __init__(self, name: str, weights: Path | None = None) -> None:
        super().__init__()
        try:
            timm: Any = import_module("timm")
        except ImportError:
            raise MedgenError(f"extractor 'timm:{name}' needs timm: {INSTALL}") from None
        if name.partition(".")[0] not in timm.list_models():
            raise ConfigError(f"timm knows no net '{name}'; `python -c 'import timm; print(timm.list_models())'` lists them")
        try:
            own = {"pretrained_cfg_overlay": {"file": str(weights)}} if weights else {}
            self.net = timm.create_model(name, pretrained=True, features_only=True, **own)
        except RuntimeError as error:
            raise ConfigError(f"timm's '{name}' gives no maps: {str(error).splitlines()[0]}") from None
        except OSError as error:
            raise MedgenError(f"the weights of timm's '{name}' cannot be had: {str(error).splitlines()[0]}") from None
        about = self.net.default_cfg
        self.strides: list[int] = self.net.feature_info.reduction()
        self.width: int = self.net.feature_info.channels()[-1]
        self.side: int = about["input_size"][-1]
        self.register_buffer("mean", torch.tensor(about["mean"]).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(about["std"]).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Return the last map, (B, c, h, w)."""
        last: Tensor = self.net(images)[-1]
        return last

    def layers(self, x: Tensor, coarsest: int = sys.maxsize) -> dict[int, Tensor]:
        """Return the map at each stride; the net always runs whole."""
        return dict(zip(self.strides, self.net(x), strict=True))

    def prepared(self, images: Tensor, side: int = 0) -> Tensor:
        """Return what the weights were trained on: (B, 3, H, W) in [0, 1] to (B, 3, side, side), standardised."""
        side = side or self.side
        if images.shape[-2:] != (side, side):
            images = F.interpolate(images, (side, side), mode="bilinear", antialias=True)  # (B, 3, side, side)
        assert isinstance(self.mean, Tensor) and isinstance(self.std, Tensor)
        return (images - self.mean) / self.std
