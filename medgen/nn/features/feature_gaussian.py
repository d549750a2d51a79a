"""How far the features of a frame, or their difference from those of its reconstruction, are from those of normal frames.

A mean over a residual asks how much is missing; of a blurred reconstruction a lot always is, texture above all. What is missing
from normal frames is much the same in all of them, though: a Gaussian is fitted to it, and a frame is asked how far from that it
is (the distance that Rippel et al. 2021, https://arxiv.org/abs/2005.14140, take of the features of frames themselves).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self

import torch
from torch import Tensor

from medgen.nn.features.few_frames import move_gaussians
from medgen.nn.features.gaussian import Gaussian, Statistic, held_out, pooled

COARSE = (16, 32)  # strides of the maps whose cells see enough of a frame to tell one kind of tissue from another
STATISTICS: tuple[Statistic, ...] = ("mean", "std", "max")  # a small finding moves the last one most


def pooled_all(maps: Sequence[tuple[Tensor, Tensor]]) -> list[Tensor]:
    """Return each statistic (B, c) of each map (B, c, h, w) over the cells (B, 1, h, w) that count."""
    return [pooled(values, counts, statistic) for values, counts in maps for statistic in STATISTICS]


class FeatureGaussian:
    """A Gaussian for each map and statistic; the distance is the mean of theirs, in standard deviations of normal frames.

    Parameters
    ----------
    gaussians : in the order of `pooled_all`
    """

    def __init__(self, gaussians: Sequence[Gaussian]) -> None:
        self.gaussians = list(gaussians)

    @classmethod
    def fit(cls, blocks: Sequence[Tensor], rows: Tensor) -> Self:
        """Fit to blocks (N, c) each, of the frames in `rows` (N,) of a data set."""
        blocks, rows = [block.cpu() for block in blocks], rows.cpu()
        return cls([Gaussian.fit(block, held_out(block, rows, block, rows)) for block in blocks])

    def distance(self, blocks: Sequence[Tensor]) -> Tensor:
        """Return (B,) of blocks (B, c) each: 0 where a normal frame is on average, 1 for a standard deviation farther."""
        distances = [gaussian.distance(block.cpu()) for gaussian, block in zip(self.gaussians, blocks, strict=True)]
        return torch.stack(distances).mean(0).float().to(blocks[0].device)

    def moved(self, blocks: Sequence[Tensor]) -> tuple[Self, float]:
        """Return the Gaussians moved towards few frames, blocks (n, c) each, and the share of these, 0 to 1."""
        gaussians, share = move_gaussians(self.gaussians, blocks)
        return type(self)(gaussians), share

    def tensors(self) -> dict[str, Tensor]:
        """Return all there is to store, by names that `of` knows."""
        return {f"{name}/{k}": value for k, gaussian in enumerate(self.gaussians) for name, value in gaussian._asdict().items()}

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor]) -> Self:
        """Return the Gaussians that `tensors` stored."""
        count = len(tensors) // len(Gaussian._fields)
        return cls([Gaussian(*(tensors[f"{name}/{k}"] for name in Gaussian._fields)) for k in range(count)])
