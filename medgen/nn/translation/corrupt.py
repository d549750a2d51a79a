"""Corruptions of a frame that a network has to restore: without colours, blurred, or with parts erased.

Parts are the cells of a regular grid, as in Zavrtanik et al. 2021, "Reconstruction by inpainting for visual anomaly detection",
https://doi.org/10.1016/j.patcog.2020.107706.
Shape letters: B frames, C channels, S side of a frame, G cells along it, N patterns. Frames are in [0, 1].
"""

from __future__ import annotations

import torch
from torch import Tensor

from medgen import ranks
from medgen.losses import smooth

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
FILL = 0.5  # what stands where a frame is erased: mid-grey


def grey(image: Tensor) -> Tensor:
    """Return the luminance (ITU-R BT.601) of frames (B, 3, S, S), the same in all three channels."""
    return (image * image.new_tensor(LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True).expand_as(image)  # (B, 3, S, S)


def blur(image: Tensor, valid: Tensor, share: float) -> Tensor:
    """Return frames (B, C, S, S) blurred by a Gaussian inside the valid pixels only, 0 elsewhere.

    Parameters
    ----------
    image : (B, C, S, S)
    valid : (B, 1, S, S) bool
    share : standard deviation as a share of S
    """
    planes = image.flatten(0, 1)[:, None]  # (B * C, 1, S, S)
    inside = valid.repeat_interleave(image.shape[1], 0)  # (B * C, 1, S, S)
    with torch.autocast(image.device.type, enabled=False):  # a frame is blurred alike in training and in scoring
        return smooth(planes, inside, share * image.shape[-1]).view_as(image)  # (B, C, S, S)


def erase(image: Tensor, pattern: Tensor) -> Tensor:
    """Return frames (B, C, S, S) with mid-grey where `pattern`, bool of (B, 1, S, S) or (1, S, S), is True."""
    return torch.where(pattern, FILL, image)


def random_patterns(n: int, cells: int, groups: int, size: int, device: torch.device) -> Tensor:
    """Draw n patterns (n, 1, S, S) bool of `cells` x `cells` cells, each of which is erased in one case of `groups`."""
    return _to_pixels(ranks.rand((n, cells, cells), device) < 1 / groups, size)


def fixed_patterns(cells: int, groups: int, size: int, device: torch.device) -> Tensor:
    """Return the patterns (groups, 1, S, S) bool that together erase each pixel once; two are a chessboard and its negative."""
    cell = torch.arange(cells, device=device)
    group = (cell[:, None] + cell) % groups  # (G, G)
    return _to_pixels(group == torch.arange(groups, device=device)[:, None, None], size)


def _to_pixels(erased: Tensor, size: int) -> Tensor:
    """Return patterns (N, G, G) at the size of a frame, (N, 1, S, S); cells differ by a pixel where G does not divide S."""
    cell = torch.arange(size, device=erased.device) * erased.shape[-1] // size  # (S,)
    return erased[:, cell][:, :, cell][:, None]  # (N, 1, S, S)
