"""Frames without holes: what is not valid is continued from the valid pixels around it.

Where no gradient is wanted, OpenCV does on a processor what PyTorch does elsewhere, and five times as fast. The two differ by
rounding alone.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from medgen.nn.host import read_at_once

NEARLY_NOTHING = 1e-6  # in place of no weight, by which nothing can be divided


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
    if read_at_once(valid) and valid.all():  # the same bits sooner
        return image
    plain = read_at_once(image) and image.dtype == torch.float32 and not image.requires_grad
    return _by_opencv(image, valid) if plain and image.shape[1] in (1, 3) else _by_torch(image, valid)


def _by_torch(image: Tensor, valid: Tensor) -> Tensor:
    if read_at_once(valid) and valid.all():
        return image
    weight = valid.to(image.dtype)
    if max(image.shape[2:]) == 1:
        return image * weight
    totals, weights = (F.avg_pool2d(part, 2, ceil_mode=True) for part in (image * weight, weight))  # half the side
    coarse = _by_torch(totals / weights.clamp_min(NEARLY_NOTHING), weights > 0)
    return torch.where(valid, image, F.interpolate(coarse, image.shape[2:], mode="bilinear"))


def _by_opencv(image: Tensor, valid: Tensor) -> Tensor:
    frames = image.permute(0, 2, 3, 1).contiguous().numpy()
    frames = frames[..., 0] if frames.shape[3] == 1 else frames  # OpenCV has no axis for a single channel
    shown = valid[:, 0].contiguous().view(torch.uint8).numpy()
    filled = np.stack([_filled(frame, own) for frame, own in zip(frames, shown, strict=True)])
    return torch.from_numpy(filled.reshape(len(filled), *image.shape[2:], -1)).permute(0, 3, 1, 2)


def _filled(frame: NDArray[np.float32], shown: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return a frame (H, W, 3) or (H, W) without holes; `shown`, (H, W), is 0 in a hole and 1 elsewhere."""
    height, width = shown.shape
    if cv2.countNonZero(shown) == shown.size:
        return frame
    total, weight = cv2.copyTo(frame, shown), shown.astype(np.float32)
    if max(height, width) == 1:
        return total
    if height % 2 or width % 2:  # what is added weighs nothing
        total, weight = (
            cv2.copyMakeBorder(part, 0, height % 2, 0, width % 2, cv2.BORDER_CONSTANT, value=0) for part in (total, weight)
        )
    half = ((width + 1) // 2, (height + 1) // 2)
    total, weight = (cv2.resize(part, half, interpolation=cv2.INTER_AREA) for part in (total, weight))
    divisor = np.maximum(weight, NEARLY_NOTHING)
    coarse = _filled(total / (divisor[..., None] if frame.ndim == 3 else divisor), (weight > 0).view(np.uint8))
    filled = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    return cv2.copyTo(frame, shown, filled)
