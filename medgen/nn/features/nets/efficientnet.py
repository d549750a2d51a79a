"""EfficientNet-Lite 0 to 2: small ImageNet nets whose features a hospital machine computes quickly.

Tan and Le 2019, https://arxiv.org/abs/1905.11946; "Lite" leaves squeeze-and-excitation out and has ReLU6 for swish. Lite1
and Lite2 are Lite0 with more and wider blocks, for larger pictures; the first and the last layer keep their widths, the first and
the last group their one block. Batch normalisation is folded into the convolutions, which stand in the order of the published
weights.
"""

from __future__ import annotations

from math import ceil
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from medgen.nn.features.nets.fused import convolve

WIDTH = 1280
STEM = 32
MULTIPLE = 8  # what the number of channels is rounded to


class Group(NamedTuple):
    """Blocks of one width; the first of them takes the stride."""

    blocks: int
    kernel: int
    stride: int
    expansion: int
    width: int


GROUPS = (
    Group(1, 3, 1, 1, 16),
    Group(2, 3, 2, 6, 24),
    Group(2, 5, 2, 6, 40),
    Group(3, 3, 2, 6, 80),
    Group(3, 5, 1, 6, 112),
    Group(4, 5, 2, 6, 192),
    Group(1, 3, 1, 6, 320),
)


class Variant(NamedTuple):
    """A member of the family: the side in pixels that it was trained at, and how much wider and deeper than Lite0 it is."""

    side: int
    wider: float
    deeper: float


VARIANTS = {
    "efficientnet-lite0": Variant(224, 1.0, 1.0),
    "efficientnet-lite1": Variant(240, 1.0, 1.1),
    "efficientnet-lite2": Variant(260, 1.1, 1.2),
}


def scaled_groups(variant: Variant) -> list[Group]:
    """Return the groups of a variant: widths to the nearest 8 channels, blocks rounded up, one block where there is one."""
    return [
        group._replace(
            width=int(group.width * variant.wider + MULTIPLE / 2) // MULTIPLE * MULTIPLE,
            blocks=group.blocks if group in (GROUPS[0], GROUPS[-1]) else ceil(group.blocks * variant.deeper),
        )
        for group in GROUPS
    ]


class Convolution(nn.Conv2d):
    """A convolution padded as TensorFlow pads: the side becomes ceil(side / stride), and an odd pixel goes right and below.

    Behind it, values are cut to [0, 6] (ReLU6) where `clipped` says so.
    """

    def __init__(self, before: int, width: int, kernel: int = 1, stride: int = 1, groups: int = 1, clipped: bool = True) -> None:
        super().__init__(before, width, kernel, stride, groups=groups)
        self.clipped = clipped

    def forward(self, x: Tensor) -> Tensor:
        (step, _), (reach, _) = self.stride, self.kernel_size
        lacking = [max((-(-side // step) - 1) * step + reach - side, 0) for side in x.shape[-2:]]
        # an odd pixel cannot be padded on one side alone: begin a step earlier there, and leave out what begins before the frame
        early = [pixels % 2 for pixels in lacking]
        padding = [pixels // 2 + step * odd for pixels, odd in zip(lacking, early, strict=True)]
        rows, columns = (-(-side // step) for side in x.shape[-2:])
        drawn = convolve(self, x, padding, self.clipped)
        return drawn[:, :, early[0] : early[0] + rows, early[1] : early[1] + columns]


class Block(nn.Module):
    """Widen, filter each channel by itself, narrow; with a bypass where input and output have one shape."""

    def __init__(self, before: int, group: Group, stride: int) -> None:
        super().__init__()
        hidden = before * group.expansion
        widen = [Convolution(before, hidden)] if group.expansion > 1 else []
        depthwise = Convolution(hidden, hidden, group.kernel, stride, groups=hidden)
        self.body = nn.Sequential(*widen, depthwise, Convolution(hidden, group.width, clipped=False))
        self.bypass = stride == 1 and before == group.width

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.body(x)
        return y.add_(x) if self.bypass else y


class EfficientNetLite(nn.Module):
    """The net without weights and without its classes: (B, 3, H, W) as `prepare` makes it to (B, 1280).

    Attributes
    ----------
    side : pixels to which frames are resized for it, where no other side is asked for
    strides : of each block's output
    """

    def __init__(self, variant: Variant = VARIANTS["efficientnet-lite0"]) -> None:
        super().__init__()
        self.side = variant.side
        self.stem = Convolution(3, STEM, 3, 2)
        blocks: list[Block] = []
        self.strides: list[int] = []
        before, reached = STEM, 2
        for group in scaled_groups(variant):
            for k in range(group.blocks):
                stride = group.stride if k == 0 else 1
                blocks.append(Block(before, group, stride))
                before, reached = group.width, reached * stride
                self.strides.append(reached)
        self.blocks = nn.ModuleList(blocks)
        self.head = Convolution(before, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)  # (B, 32, H / 2, W / 2)
        for block in self.blocks:
            x = block(x)
        return self.head(x).mean((2, 3))  # (B, 320, H / 32, W / 32) to (B, 1280)

    def prepared(self, images: Tensor, side: int = 0) -> Tensor:
        """Return what `prepare` does; 0 stands for the side that the net was trained at."""
        return prepare(images, side or self.side)

    def layers(self, x: Tensor, coarsest: int = 32) -> dict[int, Tensor]:
        """Return the last map at each stride up to the coarsest one that is wanted.

        Of Lite0 {2: (B, 16, H / 2, W / 2), 4: 24, 8: 40, 16: 112, 32: 320 channels}; of Lite2 4: 24, 8: 48, 16: 120, 32: 352.
        """
        x = self.stem(x)  # (B, 32, H / 2, W / 2)
        maps = {}
        for block, stride in zip(self.blocks, self.strides, strict=True):
            if stride > coarsest:
                break
            x = maps[stride] = block(x)
        return maps


def prepare(images: Tensor, side: int) -> Tensor:
    """Return what the weights were trained on: (B, 3, H, W) in [0, 1] to (B, 3, side, side), (grey - 127) / 128."""
    if images.shape[-2:] != (side, side):
        images = F.interpolate(images, (side, side), mode="bilinear", antialias=True)  # (B, 3, side, side)
    return (images * 255).sub_(127).div_(128).contiguous(memory_format=torch.channels_last)  # which is faster
