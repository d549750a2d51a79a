"""A generator that changes a frame by residual blocks at a quarter of its side.

Source: Johnson et al. 2016, "Perceptual Losses for Real-Time Style Transfer and Super-Resolution",
https://arxiv.org/abs/1603.08155, as Zhu et al. 2017, https://arxiv.org/abs/1703.10593, appendix 7.2, have it.
Shape letters: B frames, C channels, S side of a frame, W width. Frames are in [-1, 1].
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from medgen.nn.adversarial.dcgan_nets import small_start

STRIDE = 4  # the side of a frame over that of the residual blocks


class ResnetGenerator(nn.Module):
    """Two convolutions of stride 2, residual blocks, two transposed convolutions; (B, C, S, S) to (B, C, S, S).

    Normalisation is that of each frame for itself, without weights or running statistics: a frame is drawn alike in training
    and in evaluation, alone and in any batch.

    Parameters
    ----------
    channels : C
    width : W, channels of the first convolution; the residual blocks have four times as many
    blocks : how many residual blocks; the source has 6 for 128 pixels and 9 from 256 pixels on

    A side that 4 does not divide is mirrored at its end, and cut again; it must be at least 8 pixels.
    """

    def __init__(self, channels: int, width: int = 64, blocks: int = 9) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *normed(nn.Conv2d(channels, width, 7, padding=3, padding_mode="reflect")),  # (B, W, S, S)
            *normed(nn.Conv2d(width, 2 * width, 3, 2, padding=1)),  # (B, 2 W, S / 2, S / 2)
            *normed(nn.Conv2d(2 * width, 4 * width, 3, 2, padding=1)),  # (B, 4 W, S / 4, S / 4)
            *(ResidualBlock(4 * width) for _ in range(blocks)),
            *normed(nn.ConvTranspose2d(4 * width, 2 * width, 3, 2, padding=1, output_padding=1)),  # (B, 2 W, S / 2, S / 2)
            *normed(nn.ConvTranspose2d(2 * width, width, 3, 2, padding=1, output_padding=1)),  # (B, W, S, S)
            nn.Conv2d(width, channels, 7, padding=3, padding_mode="reflect"),  # (B, C, S, S)
            nn.Tanh(),
        )
        self.apply(small_start)

    def forward(self, image: Tensor) -> Tensor:
        height, width = image.shape[2:]
        padded = F.pad(image, (0, -width % STRIDE, 0, -height % STRIDE), mode="reflect")  # sides that 4 divides
        return self.layers(padded)[..., :height, :width]  # (B, C, S, S)


class ResidualBlock(nn.Module):
    """Adds to (B, W, s, s) what two convolutions of 3 x 3 make of it; nothing is cut off below zero after the sum."""

    def __init__(self, width: int) -> None:
        super().__init__()
        first, second = (nn.Conv2d(width, width, 3, padding=1, padding_mode="reflect") for _ in range(2))
        self.body = nn.Sequential(*normed(first), second, nn.InstanceNorm2d(width))

    def forward(self, hidden: Tensor) -> Tensor:
        return hidden + self.body(hidden)


def normed(convolution: nn.Conv2d | nn.ConvTranspose2d) -> list[nn.Module]:
    """Return a convolution, the normalisation of each frame for itself, and what lets positive values through."""
    return [convolution, nn.InstanceNorm2d(convolution.out_channels), nn.ReLU()]
