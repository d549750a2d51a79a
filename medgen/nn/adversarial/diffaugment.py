"""Differentiable augmentation: a critic of few frames sees each of them, real or generated, changed at random.

Source: Zhao et al. 2020, "Differentiable Augmentation for Data-Efficient GAN Training", https://arxiv.org/abs/2006.10738.
Frames are (B, C, S, S) in [-1, 1]; each frame is changed in its own way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from medgen import ranks

Change = Literal["colour", "translation", "cutout"]
SHIFT = 1 / 8  # of the side, the furthest translation
HOLE = 1 / 2  # of the side, what is cut out


def _colour(image: Tensor) -> Tensor:
    """Change brightness by up to 0.5 either way, saturation 0 to 2 times and contrast 0.5 to 1.5 times."""
    draws = ranks.rand((3, len(image), 1, 1, 1), image.device, dim=1)
    image = image + draws[0] - 0.5
    grey = image.mean(1, keepdim=True)  # (B, 1, S, S)
    image = grey + (image - grey) * 2 * draws[1]
    middle = image.mean((1, 2, 3), keepdim=True)  # (B, 1, 1, 1)
    return middle + (image - middle) * (draws[2] + 0.5)


def _translation(image: Tensor) -> Tensor:
    """Move each frame by up to an eighth of its side; what comes in is 0."""
    reach = round(image.shape[-1] * SHIFT)
    padded = F.pad(image, [reach] * 4)  # (B, C, S + 2 r, S + 2 r)
    starts = ranks.randint(2 * reach + 1, (2, len(image), 1), image.device, dim=1)
    rows, columns = (start + torch.arange(image.shape[-1], device=image.device) for start in starts)  # (B, S) each
    frames = torch.arange(len(image), device=image.device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[frames, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)  # (B, C, S, S)


def _cutout(image: Tensor) -> Tensor:
    """Set a square of half the side to 0; it may reach over the edge."""
    side = image.shape[-1]
    hole = round(side * HOLE)
    centres = ranks.randint(side + 1 - hole % 2, (2, len(image), 1), image.device, dim=1)
    pixel = torch.arange(side, device=image.device)
    rows, columns = ((pixel >= centre - hole // 2) & (pixel < centre - hole // 2 + hole) for centre in centres)  # (B, S) each
    return image * ~(rows[:, None, :, None] & columns[:, None, None, :])


CHANGES: Mapping[Change, Callable[[Tensor], Tensor]] = {"colour": _colour, "translation": _translation, "cutout": _cutout}


def augment(image: Tensor, changes: Sequence[Change]) -> Tensor:
    """Return frames with the named changes, in their order; none leave the frames as they are."""
    for name in changes:
        image = CHANGES[name](image)
    return image
