"""Frames without holes: what is not valid is continued from the valid pixels around it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def inpaint(image: Tensor, valid: Tensor) -> Tensor:
    """Return frames whose invalid pixels are smooth means of the valid ones near them, at the finest scale that has any.

    Pull and push over halved grids (Gortler et al. 1996, "The Lumigraph", section 4.2, https://doi.org/10.1145/237170.237200).
    Nothing of an invalid pixel is left, and of a hole no edge.

    Parameters
    ----------
    image : (B, C, S, S)
    valid : (B, 1, S, S) bool

    Returns
    -------
    (B, C, S, S); a frame without a valid pixel is 0.
    """
    if valid.all():
        return image
    weight = valid.to(image.dtype)
    if max(image.shape[2:]) == 1:
        return image * weight
    totals, weights = (F.avg_pool2d(part, 2, ceil_mode=True) for part in (image * weight, weight))  # half the side
    coarse = inpaint(totals / weights.clamp_min(1e-6), weights > 0)
    return torch.where(valid, image, F.interpolate(coarse, image.shape[2:], mode="bilinear"))
