"""Training frames changed as random draws say (`medgen.data.augmenting.augment`).

Frames and valid masks come in and go out. The same draws give the same picture by either way of applying them: `apply` for a
batch on its own device while training, `apply_one` with MONAI transforms where copies are written to disk. Flip, rotation and
zoom are one resampling. ``tests/test_augment.py`` holds the batch to MONAI's transforms, change by change.

Invalid pixels (border, boxes, text, highlights, and whatever comes in from outside the frame) never mix into valid ones: a
resampled pixel is the weighted mean of its valid bilinear sources (normalised convolution, Knutsson and Westin 1993,
https://doi.org/10.1109/CVPR.1993.341081) and is itself valid where these carry at least half of the weight.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from medgen.data.augmenting.augment import Draws

_HALF = 0.5 - 1e-4  # the share of valid weight that makes a pixel valid; the slack is for rounding at exactly one half


def apply(image: Tensor, valid: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
    """Change a batch, on the device of its tensors.

    Parameters
    ----------
    image : (B, C, S, S) float32 in [0, 1]
    valid : (B, 1, S, S) bool
    draws : changes of these B frames

    Returns
    -------
    The changed image (B, C, S, S), again in [0, 1] and 0 where not valid, and the changed valid mask (B, 1, S, S). The inputs are
    not modified.
    """
    planes = image.new_empty(len(image), 1 + image.shape[1], *image.shape[2:])  # weight and weighted pixels: (B, 1 + C, S, S)
    planes[:, :1] = valid
    torch.mul(image, planes[:, :1], out=planes[:, 1:])
    moved = _move(planes, draws)
    weight, mixed = moved[:, :1], moved[:, 1:]
    still_valid = weight >= _HALF
    factor = torch.as_tensor(draws.contrast, dtype=image.dtype, device=image.device)
    return _contrast(mixed / weight.clamp_min(_HALF), still_valid, factor.view(-1, 1, 1, 1)), still_valid


def apply_one(
    pixels: NDArray[np.uint8], valid: NDArray[np.bool_], draws: Draws, k: int
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Change one frame with MONAI transforms; the result is that of `apply`, rounded to whole grey levels.

    Parameters
    ----------
    pixels : (S, S, C) uint8
    valid : (S, S) bool
    draws : changes of B frames
    k : which of them this frame gets

    Returns
    -------
    The changed pixels (S, S, C) uint8, 0 where not valid, and the changed valid mask (S, S).
    """
    from monai.transforms.compose import Compose  # seconds to import, and no training needs it
    from monai.transforms.spatial.array import Affine, Flip

    size = float(1 / draws.zoom[k])  # MONAI scales the sampling grid, so a finer grid enlarges
    steps: list[Flip | Affine] = [Flip(spatial_axis=1)] if draws.flip[k] else []
    if draws.angle[k] != 0 or size != 1:
        turn = float(-draws.angle[k])  # MONAI's axes are (row, column): its positive angle is clockwise as seen
        shift = tuple(draws.shift[::-1, k] * len(pixels) / 2)  # (row, column) in pixels
        steps.append(
            Affine(rotate_params=turn, scale_params=(size, size), translate_params=shift, padding_mode="zeros", image_only=True)
        )
    weight = torch.from_numpy(valid[None].astype(np.float32))  # (1, S, S)
    frame = torch.from_numpy(pixels).movedim(-1, 0) / 255  # (C, S, S)
    moved = torch.as_tensor(Compose(steps)(torch.cat([weight, frame * weight])))  # (1 + C, S, S)
    weight, mixed = moved[:1], moved[1:]
    still_valid = weight >= _HALF
    changed = _contrast(mixed[None] / weight.clamp_min(_HALF), still_valid[None], float(draws.contrast[k]))[0]  # (C, S, S)
    return (changed.movedim(0, -1) * 255).round().byte().numpy(), still_valid[0].numpy()


def _move(planes: Tensor, draws: Draws) -> Tensor:
    """Flip, rotate and zoom (B, C, S, S) about the centre, with zeros around; exact where nothing is resampled."""
    flip = torch.as_tensor(draws.flip, device=planes.device)
    if not draws.angle.any() and (draws.zoom == 1).all():
        return torch.where(flip.view(-1, 1, 1, 1), planes.flip(-1), planes)
    cosine, sine, mirror = np.cos(draws.angle), np.sin(draws.angle), np.where(draws.flip, -1.0, 1.0)
    x, y = draws.shift
    across = [mirror * cosine / draws.zoom, -mirror * sine / draws.zoom, mirror * (cosine * x - sine * y)]
    down = [sine / draws.zoom, cosine / draws.zoom, sine * x + cosine * y]
    rows = np.array([across, down]).T  # (B, 3, 2), from an output's (x, y, 1) to its source's (x, y)
    theta, side = torch.as_tensor(rows, dtype=planes.dtype, device=planes.device), planes.shape[-1]
    # One sum of what comes from x and what comes from y: affine_grid multiplies matrices of two columns, at ten times the cost.
    place = (torch.arange(side, dtype=planes.dtype, device=planes.device) * 2 + 1) / side - 1  # centres of pixels, in half sides
    from_x = place.view(1, 1, -1, 1) * theta[:, 0, None, None]  # (B, 1, S, 2)
    from_y = place.view(1, -1, 1, 1) * theta[:, 1, None, None] + theta[:, 2, None, None]  # (B, S, 1, 2)
    grid = from_x + from_y  # (B, S, S, 2)
    return functional.grid_sample(planes, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def _contrast(image: Tensor, valid: Tensor, factor: Tensor | float) -> Tensor:
    """Stretch (B, C, S, S), in place, about each channel's mean over the valid pixels, clip to [0, 1], blank the rest."""
    weight = valid.to(image.dtype)
    image.mul_(weight)
    mean = image.sum((2, 3), keepdim=True) / valid.sum((2, 3), keepdim=True).clamp_min(1)  # (B, C, 1, 1)
    return image.sub_(mean).mul_(factor).add_(mean).clamp_(0, 1).mul_(weight)
