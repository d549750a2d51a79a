"""U-Net that predicts the noise in a frame, told how far the noising has gone.

Source: Ho et al. 2020, "Denoising Diffusion Probabilistic Models", https://arxiv.org/abs/2006.11239, appendix B, smaller.
Shape letters: B frames, C channels, S side, W channels of a layer, s side of a grid, E numbers that describe a step.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

GROUPS = 8  # of channels that are normalised together, or fewer where these do not divide the channels
SLOWEST = 10_000.0  # steps a radian of the slowest wave that describes a step


class DenoisingNet(nn.Module):
    """Residual blocks on grids that halve from one width to the next, attention on the coarsest grid, and the same way back.

    Parameters
    ----------
    channels : C
    widths : W of each grid, the finest first; S is a multiple of 2 ** (len(widths) - 1)
    blocks : residual blocks on each grid, on either way
    """

    def __init__(self, channels: int, widths: Sequence[int], blocks: int) -> None:
        super().__init__()
        first, described = widths[0], 4 * widths[0]
        self.waves = 2 * ((first + 1) // 2)
        self.describe = nn.Sequential(nn.Linear(self.waves, described), nn.SiLU(), nn.Linear(described, described))
        self.begin = nn.Conv2d(channels, first, 3, padding=1)
        self.downs, self.halve = nn.ModuleList(), nn.ModuleList()
        for before, after in pairwise((first, *widths)):
            self.downs.append(_Blocks(before, after, described, blocks))
        for width in widths[:-1]:
            self.halve.append(nn.Conv2d(width, width, 3, 2, padding=1))
        last = widths[-1]
        self.before, self.attention, self.behind = _Block(last, last, described), _Attention(last), _Block(last, last, described)
        self.ups = nn.ModuleList()
        for before, after in pairwise((last, *widths[::-1])):
            self.ups.append(_Blocks(before + after, after, described, blocks))
        self.end = nn.Sequential(_norm(first), nn.SiLU(), nn.Conv2d(first, channels, 3, padding=1))

    def forward(self, noisy: Tensor, time: Tensor) -> Tensor:
        """Return the noise (B, C, S, S) in frames (B, C, S, S) at steps (B,)."""
        described = self.describe(_waves(time, self.waves))  # (B, E)
        grid, skips = self.begin(noisy), []
        for level, down in enumerate(self.downs):
            grid = self.halve[level - 1](grid) if level else grid  # (B, W, s, s)
            grid = down(grid, described)
            skips.append(grid)
        grid = self.behind(self.attention(self.before(grid, described)), described)
        for level, up in enumerate(self.ups):
            grid = F.interpolate(grid, scale_factor=2.0) if level else grid
            grid = up(torch.cat([grid, skips.pop()], 1), described)
        return self.end(grid)


class _Block(nn.Module):
    """Two convolutions beside the identity, the second on a grid to which the step is added."""

    def __init__(self, before: int, after: int, described: int) -> None:
        super().__init__()
        self.first = nn.Sequential(_norm(before), nn.SiLU(), nn.Conv2d(before, after, 3, padding=1))
        self.time = nn.Sequential(nn.SiLU(), nn.Linear(described, after))
        self.second = nn.Sequential(_norm(after), nn.SiLU(), _zeroed(nn.Conv2d(after, after, 3, padding=1)))
        self.beside = nn.Identity() if before == after else nn.Conv2d(before, after, 1)

    def forward(self, grid: Tensor, described: Tensor) -> Tensor:
        hidden = self.first(grid) + self.time(described)[:, :, None, None]
        return self.beside(grid) + self.second(hidden)


class _Blocks(nn.Module):
    """Several blocks on one grid."""

    def __init__(self, before: int, after: int, described: int, count: int) -> None:
        super().__init__()
        self.parts = nn.ModuleList(_Block(before if k == 0 else after, after, described) for k in range(count))

    def forward(self, grid: Tensor, described: Tensor) -> Tensor:
        for block in self.parts:
            grid = block(grid, described)
        return grid


class _Attention(nn.Module):
    """Each cell of a grid looks at all others (Vaswani et al. 2017, https://arxiv.org/abs/1706.03762), with one head."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = _norm(width)
        self.ask = nn.Conv2d(width, 3 * width, 1)
        self.end = _zeroed(nn.Conv2d(width, width, 1))

    def forward(self, grid: Tensor) -> Tensor:
        query, key, value = self.ask(self.norm(grid)).flatten(2).transpose(1, 2).chunk(3, 2)  # (B, s * s, W) each
        found = F.scaled_dot_product_attention(query, key, value)
        return grid + self.end(found.transpose(1, 2).reshape(grid.shape))


def _norm(width: int) -> nn.GroupNorm:
    return nn.GroupNorm(math.gcd(GROUPS, width), width)


def _zeroed(convolution: nn.Conv2d) -> nn.Conv2d:
    """Return a convolution that gives 0 at first: each block begins as the identity."""
    nn.init.zeros_(convolution.weight)
    if convolution.bias is not None:
        nn.init.zeros_(convolution.bias)
    return convolution


def _waves(time: Tensor, count: int) -> Tensor:
    """Return sines and cosines of steps (B,) over wave lengths from a step to `SLOWEST`, (B, count)."""
    half = count // 2
    speeds = (torch.arange(half, device=time.device) * (-math.log(SLOWEST) / half)).exp()
    angles = time.float()[:, None] * speeds  # (B, count / 2)
    return torch.cat([angles.sin(), angles.cos()], 1)
