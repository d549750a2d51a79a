"""The nets of PixelDA: a generator that keeps a frame's side, a discriminator that is shown noise, and classifiers.

Source: Bousmalis et al. 2017, https://arxiv.org/abs/1612.05424, figure 2 and appendix; its classifier of digits is that of Ganin
and Lempitsky 2015, https://arxiv.org/abs/1409.7495, figure 4.
Shape letters: B frames, Z numbers of noise, C channels, S side of a frame, K classes, W width. Frames are in [-1, 1].
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from medgen import ranks
from medgen.nn.adversarial.dcgan_nets import SLOPE, doublings, small_start
from medgen.nn.conv_stacks import halved

COARSEST = 4  # side of the discriminator's last layer, at the most
GROUPS = 8  # of channels that the residual classifier normalises together


class Generator(nn.Module):
    """Residual blocks at the full side, from frames (B, C, S, S) and noise (B, Z) to frames (B, C, S, S).

    Parameters
    ----------
    size, channels : S and C
    latents : Z
    width : W
    blocks : how many
    """

    def __init__(self, size: int, channels: int, latents: int = 10, width: int = 64, blocks: int = 6) -> None:
        super().__init__()
        self.size = size
        self.plane = nn.Linear(latents, size**2)  # keeps PyTorch's start: one of N(0, 0.02) would hide the noise for long
        self.body = nn.Sequential(
            *(nn.Conv2d(channels + 1, width, 3, padding=1), nn.ReLU()),
            *(Block(width) for _ in range(blocks)),
            *(nn.Conv2d(width, channels, 3, padding=1), nn.Tanh()),
        )
        self.body.apply(small_start)

    def forward(self, image: Tensor, noise: Tensor) -> Tensor:
        plane = self.plane(noise).unflatten(1, (1, self.size, self.size))  # (B, 1, S, S)
        return self.body(torch.cat([image, plane], 1))  # (B, C + 1, S, S) -> (B, C, S, S)


class Block(nn.Module):
    """Two 3 x 3 convolutions with batch norm beside a shortcut, (B, W, S, S) to (B, W, S, S)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *(nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()),
            *(nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)),
        )

    def forward(self, features: Tensor) -> Tensor:
        return features + self.body(features)


class Noise(nn.Module):
    """Adds N(0, deviation) to every number while it trains."""

    def __init__(self, deviation: float) -> None:
        super().__init__()
        self.deviation = deviation

    def forward(self, features: Tensor) -> Tensor:
        return features + self.deviation * ranks.randn_like(features) if self.training else features


class Discriminator(nn.Module):
    """3 x 3 convolutions, each followed by dropout and noise, and a linear layer; (B, C, S, S) to (B,).

    Parameters
    ----------
    size, channels : S and C
    width : of the first convolution; each further one halves the side and has twice as many, up to eight times as many. Three
        of them follow for 32 pixels, more where the side that is left would be more than 4
    noise : standard deviation
    dropout : share of the numbers
    """

    def __init__(self, size: int, channels: int, width: int = 64, noise: float = 0.2, dropout: float = 0.1) -> None:
        super().__init__()
        halvings = doublings(size, 3, COARSEST)
        disturbed = (nn.LeakyReLU(SLOPE), nn.Dropout(dropout), Noise(noise))
        widths = [width * 2 ** min(k, 3) for k in range(halvings + 1)]
        layers: list[nn.Module] = [nn.Conv2d(channels, width, 3, padding=1), *disturbed]
        for before, after in pairwise(widths):
            layers += [nn.Conv2d(before, after, 3, 2, padding=1, bias=False), nn.BatchNorm2d(after), *disturbed]
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(widths[-1] * halved(size, halvings) ** 2, 1))
        self.apply(small_start)

    def forward(self, image: Tensor) -> Tensor:
        return self.layers(image)[:, 0]  # (B,)


class DigitClassifier(nn.Sequential):
    """Two 5 x 5 convolutions with pooling and three linear layers, (B, C, S, S) to logits (B, K): 359,290 weights for digits.

    Parameters
    ----------
    size, channels : S and C; 32 and 3 for digits
    classes : K
    """

    def __init__(self, size: int, channels: int, classes: int) -> None:
        super().__init__(
            *(nn.Conv2d(channels, 32, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),  # (B, 32, S / 2, S / 2)
            *(nn.Conv2d(32, 48, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),  # (B, 48 * S / 4 * S / 4)
            *(nn.Linear(48 * (size // 4) ** 2, 100), nn.ReLU()),
            *(nn.Linear(100, 100), nn.ReLU(), nn.Linear(100, classes)),
        )


class ResidualClassifier(nn.Sequential):
    """A small residual net for frames of any side, (B, C, S, S) to logits (B, K).

    It normalises groups of channels, each frame for itself: statistics of batches of one domain would not fit the other.

    Parameters
    ----------
    channels : C
    classes : K
    widths : of the blocks, multiples of 8; all but the first halve the side, as the convolution before them does
    """

    def __init__(self, channels: int, classes: int, widths: tuple[int, ...] = (32, 64, 128, 256)) -> None:
        stem = (nn.Conv2d(channels, widths[0], 3, 2, padding=1, bias=False), nn.GroupNorm(GROUPS, widths[0]), nn.ReLU())
        blocks = (HalvingBlock(before, after) for before, after in pairwise(widths))
        super().__init__(
            *stem,  # (B, W, S / 2, S / 2)
            HalvingBlock(widths[0], widths[0], stride=1),
            *blocks,  # (B, W', S / 16, S / 16)
            *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(widths[-1], classes)),  # (B, W', 1, 1) -> (B, W') -> (B, K)
        )


class HalvingBlock(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut, (B, before, h, w) to (B, after, h / stride, w / stride)."""

    def __init__(self, before: int, after: int, stride: int = 2) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *(nn.Conv2d(before, after, 3, stride, padding=1, bias=False), nn.GroupNorm(GROUPS, after), nn.ReLU()),
            *(nn.Conv2d(after, after, 3, padding=1, bias=False), nn.GroupNorm(GROUPS, after)),
        )
        self.beside = nn.Conv2d(before, after, 1, stride) if stride > 1 else nn.Identity()

    def forward(self, features: Tensor) -> Tensor:
        return F.relu(self.body(features) + self.beside(features))


def pairwise_squared_error(drawn: Tensor, image: Tensor, mask: Tensor) -> Tensor:
    """Return how differently two frames vary inside a mask, (B,): the variance of their differences there, 0 for an empty mask.

    Eigen et al. 2014, https://arxiv.org/abs/1406.2283, equation 1, as Bousmalis et al. have it in equation 5; their k counts
    what the mask shows, so that one colour of all pixels more or less costs nothing, whatever the mask's area.

    Parameters
    ----------
    drawn, image : (B, C, S, S)
    mask : (B, 1, S, S) bool
    """
    weight = mask.expand_as(image).flatten(1).float()  # (B, C * S * S)
    difference = (drawn.float() - image.float()).flatten(1)  # (B, C * S * S)
    count = weight.sum(1, keepdim=True).clamp_min(1)  # (B, 1)
    mean = (difference * weight).sum(1, keepdim=True) / count  # (B, 1)
    return ((difference - mean).square() * weight).sum(1) / count[:, 0]
