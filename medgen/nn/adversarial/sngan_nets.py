"""Residual blocks, generator and critic of Miyato et al. 2018, "Spectral Normalization for GANs", https://arxiv.org/abs/1802.05957.

Shape letters: B frames, Z latents, C channels, S side of a frame, W width. Frames are in [-1, 1].
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from medgen.nn.adversarial.dcgan_nets import FeatureCritic, doublings
from medgen.nn.conv_stacks import halved


class UpBlock(nn.Module):
    """Two 3 x 3 convolutions with batch norm at twice the side, beside a shortcut; (B, W, h, w) to (B, W, 2 h, 2 w)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.BatchNorm2d(width), nn.ReLU())
        self.second = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(), nn.Conv2d(width, width, 3, padding=1)
        )
        self.beside = nn.Conv2d(width, width, 1)

    def forward(self, features: Tensor) -> Tensor:
        wide = F.interpolate(self.first(features), scale_factor=2)  # (B, W, 2 h, 2 w)
        return self.second(wide) + F.interpolate(self.beside(features), scale_factor=2)  # a 1 x 1 convolution can go first


class CriticBlock(nn.Module):
    """Two 3 x 3 convolutions with spectral normalisation beside a shortcut; (B, before, h, w) to (B, W, h, w) or half of it.

    Parameters
    ----------
    before, width : channels in and out
    halve : whether the side is halved
    first : whether the input is a frame, which needs no ReLU
    """

    def __init__(self, before: int, width: int, halve: bool, first: bool = False) -> None:
        super().__init__()
        self.first = nn.Identity() if first else nn.ReLU()
        self.body = nn.Sequential(
            spectral_norm(nn.Conv2d(before, width, 3, padding=1)), nn.ReLU(), spectral_norm(nn.Conv2d(width, width, 3, padding=1))
        )
        self.beside = spectral_norm(nn.Conv2d(before, width, 1)) if halve or before != width else nn.Identity()
        self.halve = halve

    def forward(self, features: Tensor) -> Tensor:
        if not self.halve:
            return self.body(self.first(features)) + self.beside(features)
        return F.avg_pool2d(self.body(self.first(features)), 2) + self.beside(F.avg_pool2d(features, 2))  # (B, W, h / 2, w / 2)


class ResidualGenerator(nn.Module):
    """A linear layer and blocks that double the side, (B, Z) to (B, C, S, S): 4 x 4 and three blocks for 32 pixels.

    Parameters
    ----------
    latents : Z
    size, channels : S and C
    width : W
    """

    def __init__(self, latents: int, size: int, channels: int, width: int = 256) -> None:
        super().__init__()
        times = doublings(size, 3, coarsest=6)
        self.size, self.start, self.width = size, halved(size, times), width
        self.linear = nn.Linear(latents, width * self.start**2)
        self.blocks = nn.Sequential(*(UpBlock(width) for _ in range(times)))
        self.to_image = nn.Sequential(nn.BatchNorm2d(width), nn.ReLU(), nn.Conv2d(width, channels, 3, padding=1), nn.Tanh())

    def forward(self, latent: Tensor) -> Tensor:
        grid = self.linear(latent).unflatten(1, (self.width, self.start, self.start))  # (B, W, s, s)
        return self.to_image(self.blocks(grid))[:, :, : self.size, : self.size]  # (B, C, S, S)


class ResidualCritic(FeatureCritic):
    """Blocks that halve the side, two blocks that do not, and two heads; four blocks in all for 32 pixels.

    Parameters
    ----------
    size, channels : S and C
    width : W
    turns : answers of the second head
    """

    def __init__(self, size: int, channels: int, width: int = 128, turns: int = 4) -> None:
        super().__init__()
        halvings = doublings(size, 3, coarsest=6) - 1
        blocks = [CriticBlock(channels if k == 0 else width, width, True, first=k == 0) for k in range(halvings)]
        self.blocks = nn.Sequential(*blocks, *(CriticBlock(width, width, False) for _ in range(2)), nn.ReLU())
        self.head = spectral_norm(nn.Linear(width, 1))
        self.turn_head = spectral_norm(nn.Linear(width, turns))

    def features(self, image: Tensor) -> Tensor:
        """Return the features (B, W) of frames (B, C, S, S): means over the grid."""
        return self.blocks(image).mean((2, 3))

    def forward(self, image: Tensor) -> Tensor:
        return self.head(self._summed(image))[:, 0]  # (B,)

    def which_turn(self, image: Tensor) -> Tensor:
        """Return the logits (B, turns) of how far frames (B, C, S, S) have been turned."""
        return self.turn_head(self._summed(image))

    def _summed(self, image: Tensor) -> Tensor:
        """Return the sums over the grid (B, W), which the heads of the source judge by."""
        return self.blocks(image).sum((2, 3))
