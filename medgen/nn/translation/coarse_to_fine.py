"""A generator in two parts: one draws at half the side, the other takes its features to the whole side.

Source: Wang et al. 2018, "High-Resolution Image Synthesis and Semantic Manipulation with Conditional GANs",
https://arxiv.org/abs/1711.11585, section 3.1, with the normalisation of each frame for itself. The paper trains the first part
alone, then the second on the first, then both; here the first alone, then both.
Shape letters: B frames, C channels, S side of a frame, W width. Frames are in [-1, 1].
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from medgen.nn.adversarial.dcgan_nets import small_start
from medgen.nn.translation.resnet_generator import ResidualBlock, normed

SMALLEST = 16  # pixels of a frame's side
INNERMOST = 8  # pixels of a side that halving leaves to the residual blocks of the first part, or more


def halvings_of(size: int, wanted: int) -> int:
    """Return how often the first part halves frames of half of `size` pixels: at most as often as leaves `INNERMOST`."""
    return min(wanted, max(1, (size // 2).bit_length() - INNERMOST.bit_length()))


class CoarseToFine(nn.Module):
    """(B, C, S, S) to (B, C, S, S). At width 32 and 256 pixels or more it is the paper's: 182,443,267 weights in the first part.

    Parameters
    ----------
    size, channels : S, at least 16, which sets how often the first part halves, and C
    width : W, channels of the second part's first convolution; the first part begins with twice as many
    halvings : of the first part at the most
    blocks, fine_blocks : residual blocks of the first and of the second part

    Attributes
    ----------
    alone : whether the first part draws frames alone, enlarged, as long as the second one has learnt nothing
    """

    alone = False

    def __init__(
        self, size: int, channels: int, width: int = 32, halvings: int = 4, blocks: int = 9, fine_blocks: int = 3
    ) -> None:
        super().__init__()
        halvings = halvings_of(size, halvings)
        self.stride = 2**halvings
        wide = 2 * width
        downs = [normed(nn.Conv2d(wide * 2**k, wide * 2 ** (k + 1), 3, 2, padding=1)) for k in range(halvings)]
        ups = [
            normed(nn.ConvTranspose2d(wide * 2 ** (k + 1), wide * 2**k, 3, 2, padding=1, output_padding=1))
            for k in reversed(range(halvings))
        ]
        self.first = nn.Sequential(
            *normed(nn.Conv2d(channels, wide, 7, padding=3, padding_mode="reflect")),  # (B, 2 W, S / 2, S / 2)
            *(layer for down in downs for layer in down),
            *(ResidualBlock(wide * self.stride) for _ in range(blocks)),
            *(layer for up in ups for layer in up),  # (B, 2 W, S / 2, S / 2)
        )
        self.first_head = _head(wide, channels)
        self.second_down = nn.Sequential(
            *normed(nn.Conv2d(channels, width, 7, padding=3, padding_mode="reflect")),  # (B, W, S, S)
            *normed(nn.Conv2d(width, wide, 3, 2, padding=1)),  # (B, 2 W, S / 2, S / 2)
        )
        self.second_up = nn.Sequential(
            *(ResidualBlock(wide) for _ in range(fine_blocks)),
            *normed(nn.ConvTranspose2d(wide, width, 3, 2, padding=1, output_padding=1)),  # (B, W, S, S)
        )
        self.second_head = _head(width, channels)
        self.apply(small_start)

    def coarse(self, image: Tensor) -> Tensor:
        """Return what the first part alone draws from frames of half the side, (B, C, S / 2, S / 2) to the same."""
        height, width = image.shape[2:]
        return self.first_head(self.first(_padded(image, self.stride)))[..., :height, :width]

    def forward(self, image: Tensor) -> Tensor:
        height, width = image.shape[2:]
        if self.alone:
            small = self.coarse(F.avg_pool2d(image, 2, ceil_mode=True))
            return F.interpolate(small, (height, width), mode="bilinear")
        padded = _padded(image, 2 * self.stride)
        features = self.second_down(padded) + self.first(F.avg_pool2d(padded, 2))  # (B, 2 W, S / 2, S / 2)
        return self.second_head(self.second_up(features))[..., :height, :width]  # (B, C, S, S)


def _padded(image: Tensor, stride: int) -> Tensor:
    """Mirror a side that `stride` does not divide at its end."""
    height, width = image.shape[2:]
    return F.pad(image, (0, -width % stride, 0, -height % stride), mode="reflect")


def _head(width: int, channels: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(width, channels, 7, padding=3, padding_mode="reflect"), nn.Tanh())
