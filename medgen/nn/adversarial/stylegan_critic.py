"""The critic that StyleGAN is trained against: that of progressive GANs with blur before halving.

Source: Karras, Laine and Aila, CVPR 2019, https://arxiv.org/abs/1812.04948 (section 2), after Karras et al., ICLR 2018,
https://arxiv.org/abs/1710.10196 (table 2). There is no progressive growing. Shape letters: B frames, C channels,
h and w sides of a grid, S side of a frame, F features.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from medgen import ranks
from medgen.nn.adversarial.dcgan_nets import FeatureCritic
from medgen.nn.adversarial.stylegan_nets import GAIN, EqualConv2d, EqualLinear, StyleSettings, grids, leaky, widths

GROUP = 4  # frames over which a deviation is taken
AVERAGE_STEP = 0.01  # of the moving average of the deviation


class HalvingBlock(nn.Module):
    """Two 3 x 3 convolutions, the second halves: (B, before, h, w) to (B, after, h / 2, w / 2) (2018, table 2)."""

    def __init__(self, before: int, after: int, blur: bool) -> None:
        super().__init__()
        self.first = EqualConv2d(before, before)
        self.second = EqualConv2d(before, after, step="down", blur=blur)

    def forward(self, features: Tensor) -> Tensor:
        return leaky(self.second(leaky(self.first(features))))


class BatchDeviation(nn.Module):
    """Adds a channel that says how much the frames of a batch differ, so that a generator of few frames is found out.

    The standard deviation of each feature in each cell over a group of frames, averaged (Karras et al. 2018, section 3). The
    group of a frame is the frame and those that follow it in the batch, round its end: so any batch size will do. Of a single
    frame nothing can be said, and a frame's score must not depend on its neighbours: outside of training mode the channel holds
    the moving average of what it held in training, which moves with gradients enabled alone.
    """

    average: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("average", torch.zeros(()))

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, C + 1, h, w) of (B, C, h, w)."""
        deviation = self.average.expand(len(features))  # (B,)
        if self.training:
            whole = self._deviation(ranks.all_rows(features.float()))
            deviation = ranks.own_rows(whole)
            if torch.is_grad_enabled():
                self.average.lerp_(whole.detach().mean(), AVERAGE_STEP)
        channel = deviation.to(features.dtype)[:, None, None, None].expand(-1, 1, *features.shape[2:])  # (B, 1, h, w)
        return torch.cat((features, channel), 1)

    @staticmethod
    def _deviation(features: Tensor) -> Tensor:
        """Return (B,), the mean deviation of each frame and the `GROUP` - 1 behind it."""
        group = torch.stack([features.roll(-k, 0) for k in range(min(GROUP, len(features)))])  # (G, B, C, h, w)
        return (group.var(0, correction=0) + 1e-8).sqrt().mean((1, 2, 3))


class Critic(FeatureCritic):
    """Tells frames of the data from drawn ones: higher is likelier real (Karras et al. 2018, table 2; 2019, section 2).

    A side that does not halve down to the coarsest of `grids` is padded first, by its outermost pixels.

    Attributes
    ----------
    n_features : F, numbers in `features`
    """

    def __init__(self, settings: StyleSettings, size: int, channels: int) -> None:
        super().__init__()
        sides, wide = grids(size), widths(settings, size)
        edge = sides[-1] - size
        self.padding = (edge // 2, edge - edge // 2) * 2
        self.shape = (wide[0], sides[0], sides[0])
        self.n_features = wide[0] * sides[0] ** 2
        self.from_rgb = EqualConv2d(channels, wide[-1], kernel=1)
        blur = settings.resample == "bilinear"
        self.blocks = nn.Sequential(*(HalvingBlock(wide[k], wide[k - 1], blur) for k in range(len(wide) - 1, 0, -1)))
        self.spread = BatchDeviation()  # "spread" is its name in saved weights
        self.last = EqualConv2d(wide[0] + 1, wide[0])
        self.dense = EqualLinear(self.n_features, wide[0], GAIN)
        self.out = EqualLinear(wide[0], 1)

    def forward(self, frames: Tensor) -> Tensor:
        """Return a score (B,) float32 of each frame (B, C, S, S) in [-1, 1]."""
        return self.head(self.features(frames))

    def features(self, frames: Tensor) -> Tensor:
        """Return the features (B, F) at the coarsest grid, each frame's own: they come before the deviation of the batch."""
        padded = F.pad(frames, self.padding, mode="replicate") if any(self.padding) else frames
        return self.blocks(leaky(self.from_rgb(padded))).flatten(1)  # (B, width, 4, 4) -> (B, F)

    def head(self, features: Tensor) -> Tensor:
        """Return the score (B,) float32 of `features` (B, F)."""
        grid = self.spread(features.unflatten(1, self.shape))  # (B, width + 1, 4, 4)
        dense = leaky(self.dense(leaky(self.last(grid)).flatten(1)))  # (B, width)
        return self.out(dense).float()[:, 0]
