"""Reconstruction losses of autoencoders: the residual at each pixel, of the kinds that can also score a frame."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from medgen.losses import ssim_map
from medgen.nn.features.perceptual import perceptual_layers, perceptual_map

PixelLoss = Literal["squared_error", "absolute_error", "ssim", "perceptual"]


class PixelResidual:
    """The residual of a kind at each pixel of frames of a size; no module, as the net of a perceptual one is never trained."""

    def __init__(self, kind: PixelLoss, size: int) -> None:
        self.kind = kind
        self.layers = perceptual_layers(size) if kind == "perceptual" else None

    def __call__(self, drawn: Tensor, image: Tensor, valid: Tensor) -> Tensor:
        """Return (B, 1, S, S), 0 outside valid: means over channels, 1 - SSIM, or the perceptual residual.

        Parameters
        ----------
        drawn, image : (B, C, S, S), the second in [0, 1]
        valid : (B, 1, S, S) bool
        """
        drawn, image = drawn.float(), image.float()
        if self.layers is not None:
            return perceptual_map(self.layers, image, drawn, valid, gradient=True)
        if self.kind == "ssim":
            return (1 - ssim_map(image * valid, torch.where(valid, drawn, 0.0))) * valid
        residual = drawn - image
        return (residual.square() if self.kind == "squared_error" else residual.abs()).mean(1, keepdim=True) * valid
