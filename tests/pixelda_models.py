"""A narrow PixelDA and the losses of its turns."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from medgen import registry
from medgen.backends.pixelda import Model

CLASSES = ("a", "b", "c")


def small(size: int = 32, channels: int = 3, **settings: Any) -> Model:
    torch.manual_seed(0)
    sizes = {"width": 8, "blocks": 1, "discriminator_width": 8, "classes": CLASSES}
    model = registry.create("pixelda", {**sizes, **settings}, size, channels)
    assert isinstance(model, Model)
    return model


def turns(model: Model, frames: Any) -> dict[str, dict[str, Tensor]]:
    torch.manual_seed(1)
    return dict(model.turns(frames, 0.5))


def values(model: Model, frames: Any) -> dict[str, float]:
    return {name: loss.item() for losses in turns(model, frames).values() for name, loss in losses.items()}


def weights(module: nn.Module) -> int:
    return sum(weight.numel() for weight in module.parameters() if weight.requires_grad)
