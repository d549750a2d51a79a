"""U-Net: halves a frame down to a single cell and doubles it up again; each grid on the way down joins that of its side going up.

Source: Isola et al. 2017, "Image-to-Image Translation with Conditional Adversarial Networks", https://arxiv.org/abs/1611.07004,
section 6.1.1 (U-Net: Ronneberger et al. 2015, https://arxiv.org/abs/1505.04597).
Shape letters: B frames, C channels, S side of a frame, W channels of a layer, s side of a grid. Frames are in [-1, 1].
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from medgen.nn.adversarial.dcgan_nets import SLOPE, small_start
from medgen.nn.norms import Norm, norm_of

DROPPED = 3  # blocks on the way up that have dropout, the innermost ones


def depth_of(size: int) -> int:
    """Return how often a side of `size` pixels is halved, each time rounded up, until one is left: 6 for 64, 8 for 256."""
    return (size - 1).bit_length()


class UNet(nn.Module):
    """Convolutions of 4 x 4 with stride 2 and as many transposed ones, (B, C, S, S) to (B, C, S, S).

    At 256 x 256 x 3 and width 64 it is the paper's: 64, 128, 256, 512 x 5 channels down, 512 x 4, 256, 128, 64 up, and
    54,419,459 weights. A grid of odd side gets its last row and column twice before it is halved, and is cut after it is doubled.

    Parameters
    ----------
    size, channels : S, which sets the depth, and C
    width : channels of the first convolution; each further one has twice as many, up to eight times as many
    norm : of all layers but the first, the innermost and the last; a single cell has nothing to be normalised by
    dropout : share of the innermost three blocks' features that training drops, each for itself; 0 = none
    """

    def __init__(self, size: int, channels: int, width: int = 64, norm: Norm = "batch", dropout: float = 0.5) -> None:
        super().__init__()
        depth = depth_of(size)
        sides = (channels, *(width * 2 ** min(k, 3) for k in range(depth)))  # channels of each grid on the way down
        self.downs, self.ups = nn.ModuleList(), nn.ModuleList()
        for k, (before, after) in enumerate(pairwise(sides)):
            layers: list[nn.Module] = [nn.LeakyReLU(SLOPE)] if k else []
            layers.append(nn.Conv2d(before, after, 4, 2, padding=1))
            layers += [norm_of(norm, after)] if 0 < k < depth - 1 else []
            self.downs.append(nn.Sequential(*layers))
        for k, (before, after) in enumerate(pairwise(sides[::-1])):
            last = k == depth - 1
            layers = [nn.ReLU(), nn.ConvTranspose2d(2 * before if k else before, after, 4, 2, padding=1)]
            layers += [nn.Tanh()] if last else [norm_of(norm, after)]
            layers += [nn.Dropout(dropout)] if dropout and k < DROPPED and not last else []
            self.ups.append(nn.Sequential(*layers))
        self.apply(small_start)

    def forward(self, image: Tensor) -> Tensor:
        skips = [image]
        for down in self.downs:
            grid = skips[-1]
            even = F.pad(grid, (0, grid.shape[3] % 2, 0, grid.shape[2] % 2), mode="replicate")  # (B, W, 2 s, 2 s)
            skips.append(down(even))  # (B, W, s, s)
        grid = skips.pop()  # (B, W, 1, 1)
        for up in self.ups:
            skip = skips.pop()
            grid = up(grid)[:, :, : skip.shape[2], : skip.shape[3]]  # (B, W, s, s)
            grid = torch.cat([skip, grid], 1) if skips else grid  # (B, 2 W, s, s)
        return grid
