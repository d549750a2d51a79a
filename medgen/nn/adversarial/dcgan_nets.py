"""A small generator, a small critic and an encoder of plain layers, for backends whose papers change the losses, not the nets.

Shape letters: B frames, Z latents, C channels, S side of a frame. Frames are in [-1, 1].
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn
from torch.nn import functional as F

from medgen import ranks
from medgen.nn.conv_stacks import halved

COARSEST = 12  # the side of the smallest grid is at most this
SLOPE = 0.2  # of the leaky ReLU below zero


def doublings(size: int, least: int, coarsest: int = COARSEST) -> int:
    """Return how often a grid of side `coarsest` or less is doubled until it reaches `size` pixels: `least` times or more."""
    times = least
    while halved(size, times) > coarsest:
        times += 1
    return times


def small_start(module: nn.Module) -> None:
    """Draw weights from N(0, 0.02) and set biases to 0 (Radford et al. 2015, section 3)."""
    if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


class ShuffleGenerator(nn.Module):
    """Two linear layers, then convolutions with pixel shuffles (Shi et al. 2016) between them; (B, Z) to (B, C, S, S).

    Parameters
    ----------
    latents : Z
    size, channels : S and C
    width : channels of the convolutions; the coarsest grid has four times as many
    hidden : width of the first linear layer
    """

    def __init__(self, latents: int, size: int, channels: int, width: int = 32, hidden: int = 512) -> None:
        super().__init__()
        times = doublings(size, 2)
        self.size, self.start, self.width = size, halved(size, times), 4 * width
        flat = self.width * self.start**2
        self.linear = nn.Sequential(
            *(nn.Linear(latents, hidden), nn.BatchNorm1d(hidden), nn.ReLU()),
            *(nn.Linear(hidden, flat), nn.BatchNorm1d(flat), nn.ReLU()),
        )
        layers: list[nn.Module] = []
        for _ in range(times - 2):
            layers += [nn.PixelShuffle(2), nn.Conv2d(width, 4 * width, 3, padding=1), nn.ReLU()]
        layers += [nn.PixelShuffle(2), nn.Conv2d(width, width, 3, padding=1), nn.ReLU()]
        layers += [nn.PixelShuffle(2), nn.Conv2d(width // 4, channels, 3, padding=1), nn.Tanh()]
        self.convolutions = nn.Sequential(*layers)
        self.apply(small_start)

    def forward(self, latent: Tensor) -> Tensor:
        grid = self.linear(latent).unflatten(1, (self.width, self.start, self.start))  # (B, 4 W, s, s)
        return self.convolutions(grid)[:, :, : self.size, : self.size]  # (B, C, S, S)


class FeatureCritic(nn.Module, ABC):
    """A critic, frames (B, C, S, S) to (B,), that also gives the features by which it judges."""

    @abstractmethod
    def features(self, image: Tensor) -> Tensor:
        """Return the features (B, F) of frames (B, C, S, S) in [-1, 1]."""


class ConvCritic(FeatureCritic):
    """Convolutions of 4 x 4 with stride 2 and a linear layer, (B, C, S, S) to (B,).

    Parameters
    ----------
    size, channels : S and C
    width : channels of the first convolution; each further one has twice as many
    hidden : width of the linear layer, which is what `features` gives
    norm : batch normalisation in all layers but the first and the last
    """

    def __init__(self, size: int, channels: int, width: int = 32, hidden: int = 512, norm: bool = True) -> None:
        super().__init__()
        times = doublings(size, 2)
        layers: list[nn.Module] = []
        for k in range(times):
            before = channels if k == 0 else width * 2 ** (k - 1)
            layers.append(nn.Conv2d(before, width * 2**k, 4, 2, padding=1))
            layers += [nn.BatchNorm2d(width * 2**k)] if norm and k else []
            layers.append(nn.LeakyReLU(SLOPE))
        flat = width * 2 ** (times - 1) * (size // 2**times) ** 2
        layers += [nn.Flatten(), nn.Linear(flat, hidden)]
        layers += [nn.BatchNorm1d(hidden)] if norm else []
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(hidden, 1)
        self.apply(small_start)

    def features(self, image: Tensor) -> Tensor:
        """Return the features (B, hidden) of frames (B, C, S, S)."""
        return F.leaky_relu(self.body(image), SLOPE)

    def forward(self, image: Tensor) -> Tensor:
        return self.head(self.features(image))[:, 0]  # (B,)


class Encoder(nn.Module):
    """Convolutions of 4 x 4 with stride 2 and a linear layer, from frames (B, C, S, S) to latents (B, Z).

    Parameters
    ----------
    size, channels : S and C
    latents : Z
    width : channels of the first convolution; each further one has twice as many, up to eight times as many
    """

    def __init__(self, size: int, channels: int, latents: int, width: int = 32) -> None:
        super().__init__()
        times = doublings(size, 3, coarsest=6)
        layers: list[nn.Module] = []
        for k in range(times):
            before = channels if k == 0 else width * 2 ** min(k - 1, 3)
            after = width * 2 ** min(k, 3)
            layers += [nn.Conv2d(before, after, 4, 2, padding=1), nn.BatchNorm2d(after), nn.LeakyReLU(SLOPE)]
        self.body = nn.Sequential(*layers, nn.Flatten())
        self.head = nn.Linear(after * (size // 2**times) ** 2, latents)

    def forward(self, image: Tensor) -> Tensor:
        return self.head(self.body(image))


def noise_like(count: int, latents: int, module: nn.Module) -> Tensor:
    """Draw N(0, I) latents (count, latents) where the weights of `module` are."""
    return ranks.randn((count, latents), next(module.parameters()).device)
