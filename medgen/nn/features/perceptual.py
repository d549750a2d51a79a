"""The perceptual distance of two frames: how much the features of a fixed network differ, at each pixel."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from medgen.nn.features.feature_maps import LayerSettings, MidLayers, upsample

SMALLEST = 128  # side in pixels to which smaller frames are enlarged: below it the coarser map has no detail left
LARGEST = 1024  # to which larger ones are reduced


def perceptual_layers(
    size: int, extractor: str = LayerSettings().extractor, strides: tuple[int, ...] = LayerSettings().strides
) -> MidLayers:
    """Return the network by which frames of a side of `size` pixels are compared, at their own resolution as in the source.

    Parameters
    ----------
    size : pixels; smaller frames are enlarged to 128, larger ones reduced to 1024
    extractor : name of the network
    strides : of its maps
    """
    return MidLayers(LayerSettings(extractor=extractor, side=min(max(size, SMALLEST), LARGEST), strides=strides))


def perceptual_map(layers: MidLayers, image: Tensor, drawn: Tensor, valid: Tensor, gradient: bool = False) -> Tensor:
    """Return the perceptual residual at each pixel, (B, 1, S, S) in [0, 4], 0 where not valid.

    In each cell of each map the features of both frames are brought to length 1; their squared distance is averaged over maps
    (Zhang et al. 2018, "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", https://arxiv.org/abs/1801.03924,
    equation 1, without learnt weights).

    Parameters
    ----------
    image, drawn : (B, C, S, S) in [0, 1]
    valid : (B, 1, S, S) bool; holes are filled alike in both
    gradient : whether one runs back to `drawn`
    """
    residuals = []
    for (real, counts), (fake, _) in zip(layers.maps(image, valid), layers.maps(drawn, valid, gradient), strict=True):
        distance = (F.normalize(real, dim=1) - F.normalize(fake, dim=1)).square().sum(1, keepdim=True)  # (B, 1, h, w)
        residuals.append(upsample(distance * counts, image.shape[-1]))
    return torch.stack(residuals).mean(0) * valid
