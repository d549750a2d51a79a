"""Synthetic anomalies: normal frames into which a patch of another is blended, for choices that may use normal frames alone."""

from __future__ import annotations

import math

import torch
from torch import Tensor

SMALLEST, LARGEST = 0.15, 0.45  # axes of a patch as shares of the side


def foreign_patches(image: Tensor, valid: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
    """Return frames (B, C, S, S) into each of which an ellipse of another one is blended, and where, (B, 1, S, S) bool.

    Foreign patch interpolation (Tan et al. 2020, "Detecting Outliers with Foreign Patch Interpolation",
    https://arxiv.org/abs/2011.04197), with ellipses for rectangles; a frame alone lends itself a patch upside down.

    Parameters
    ----------
    image : (B, C, S, S) in [0, 1]
    valid : (B, 1, S, S) bool; what is not valid in either frame stays as it is
    index : (B,) int64, from which everything is drawn: the same frames get the same patches
    """
    count, _, side, _ = image.shape
    steps = (torch.arange(side, device=image.device) + 0.5) / side
    rows, columns = steps[:, None], steps[None, :]
    changed, patches = image.clone(), torch.zeros_like(valid)
    for k in range(count):
        draw = torch.Generator().manual_seed(int(index[k]))
        top, left, angle, alpha, *axes = torch.rand(6, generator=draw).tolist()
        tall, wide = (SMALLEST + (LARGEST - SMALLEST) * axis for axis in axes)
        down, right = rows - (0.15 + 0.7 * top), columns - (0.15 + 0.7 * left)
        turn = math.pi * angle
        along = (math.cos(turn) * down + math.sin(turn) * right) / (tall / 2)
        across = (math.cos(turn) * right - math.sin(turn) * down) / (wide / 2)
        lender = (k + 1) % count
        source, source_valid = (image[lender], valid[lender]) if count > 1 else (image[k].flip(1), valid[k].flip(1))
        patches[k] = (along.square() + across.square() <= 1) & valid[k] & source_valid  # (1, S, S)
        strength = 0.3 + 0.7 * alpha
        changed[k] = torch.where(patches[k], (1 - strength) * image[k] + strength * source, image[k])
    return changed, patches
