"""The net that FID is defined on: Inception v3 as of 2015-12-05, from the picture to its 2,048 pooled features.

Szegedy et al. 2016, https://arxiv.org/abs/1512.00567, as the graph that Heusel et al. 2017, https://arxiv.org/abs/1706.08500,
measure with. It differs from the later Inception v3: means leave the padding out, and the last block pools by maximum.
Batch normalisation is folded into the convolutions, which stand in the order of the published weights.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from medgen.errors import MedgenError

SIDE = 299
WIDTH = 2048
LAST = {8: 9, 16: 14, 32: 17}  # place of the last module at each stride
SMALLEST = 75  # pixels of a side from which the coarsest map has a cell


class Branches(nn.ModuleList):
    """Modules side by side on one input: (B, C, H, W) to their outputs joined along the channels."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self], 1)  # (B, sum of channels, H', W')


class Inception(nn.Sequential):
    """The net, which gives the maps from its middle too."""

    def layers(self, x: Tensor, coarsest: int = 32) -> dict[int, Tensor]:
        """Return the last map at each stride up to the coarsest one that is wanted: {8: 288, 16: 768, 32: 2048 channels}.

        The net does not pad where it shrinks, so its outermost cells lie about one cell inside the frame. They are repeated
        once on all sides: a map stretched over the frame, as `FeatureMap.counts` and upsampling do, then lies where it was seen.

        Raises
        ------
        MedgenError : if a side has fewer than 75 pixels.
        """
        if min(x.shape[-2:]) < SMALLEST:
            raise MedgenError(f"inception-2015 gives no maps of {min(x.shape[-2:])} pixels; set side to {SMALLEST} or more")
        maps: dict[int, Tensor] = {}
        begin = 0
        for stride, last in LAST.items():
            if stride > coarsest:
                break
            x = self[begin : last + 1](x)
            begin = last + 1
            maps[stride] = F.pad(x, (1, 1, 1, 1), mode="replicate")  # (B, c, h + 2, w + 2)
        return maps

    @staticmethod
    def prepared(images: Tensor, side: int) -> Tensor:
        """Return (B, 3, H, W) in [0, 1] at any side, (B, 3, side, side) in [-1, 1): not rounded, so a gradient runs through."""
        if images.shape[-2:] != (side, side):
            images = F.interpolate(images, (side, side), mode="bilinear", antialias=True)
        return (images * 255).sub_(128).div_(128).contiguous(memory_format=torch.channels_last)


def inception() -> Inception:
    """Return the net without weights: (B, 3, 299, 299) as `prepare` makes it to (B, 2048)."""
    return Inception(
        *_stem(),  # (B, 192, 35, 35)
        _block35(192, 32),
        _block35(256, 64),
        _block35(288, 64),  # (B, 288, 35, 35)
        _reduce35(),  # (B, 768, 17, 17)
        _block17(128),
        _block17(160),
        _block17(160),
        _block17(192),
        _reduce17(),  # (B, 1280, 8, 8)
        _block8(1280, _mean_pool()),
        _block8(2048, nn.MaxPool2d(3, 1, padding=1)),  # (B, 2048, 8, 8)
        nn.AdaptiveAvgPool2d(1),  # (B, 2048, 1, 1)
        nn.Flatten(),  # (B, 2048)
    )


def prepare(images: Tensor) -> Tensor:
    """Return what the net was made for: (B, 3, H, W) in [0, 1] to (B, 3, 299, 299) in [-1, 1).

    Values are rounded to whole grey values first, as they would be in a stored image, so that a generated frame is judged as its
    file would be. The resize is that of TensorFlow 1: bilinear, sources at ``row * H / 299`` without the half-pixel offset, not
    smoothed where it shrinks.
    """
    grey = (images.clamp(0, 1) * 255).round()
    resized = _resized(_resized(grey, -2), -1)  # (B, 3, 299, 299)
    return ((resized - 128) / 128).contiguous(memory_format=torch.channels_last)  # which is faster


def _resized(images: Tensor, dim: int) -> Tensor:
    """Return the images with 299 pixels along one of their two sides."""
    side = images.shape[dim]
    source = torch.arange(SIDE, device=images.device, dtype=torch.float32) * (side / SIDE)
    low = source.long()
    share = source - low  # (299,)
    share = share[:, None] if dim == -2 else share
    return torch.lerp(images.index_select(dim, low), images.index_select(dim, (low + 1).clamp_max(side - 1)), share)


def _conv(before: int, after: int, kernel: int | tuple[int, int] = 1, stride: int = 1, pad: bool = True) -> nn.Sequential:
    rows, columns = (kernel, kernel) if isinstance(kernel, int) else kernel
    padding = (rows // 2, columns // 2) if pad else 0
    return nn.Sequential(nn.Conv2d(before, after, (rows, columns), stride, padding), nn.ReLU(inplace=True))


def _mean_pool() -> nn.Module:
    return nn.AvgPool2d(3, 1, padding=1, count_include_pad=False)


def _stem() -> list[nn.Module]:
    first = [_conv(3, 32, 3, 2, pad=False), _conv(32, 32, 3, pad=False), _conv(32, 64, 3), nn.MaxPool2d(3, 2)]
    return [*first, _conv(64, 80), _conv(80, 192, 3, pad=False), nn.MaxPool2d(3, 2)]


def _block35(before: int, pooled: int) -> nn.Module:
    return Branches([
        _conv(before, 64),
        nn.Sequential(_conv(before, 48), _conv(48, 64, 5)),
        nn.Sequential(_conv(before, 64), _conv(64, 96, 3), _conv(96, 96, 3)),
        nn.Sequential(_mean_pool(), _conv(before, pooled)),
    ])  # fmt: skip


def _reduce35() -> nn.Module:
    long = nn.Sequential(_conv(288, 64), _conv(64, 96, 3), _conv(96, 96, 3, 2, pad=False))
    return Branches([_conv(288, 384, 3, 2, pad=False), long, nn.MaxPool2d(3, 2)])


def _block17(width: int) -> nn.Module:
    row, column = (1, 7), (7, 1)
    short = [_conv(768, width), _conv(width, width, row), _conv(width, 192, column)]
    long = [_conv(768, width), _conv(width, width, column), _conv(width, width, row), _conv(width, width, column)]
    return Branches([
        _conv(768, 192),
        nn.Sequential(*short),
        nn.Sequential(*long, _conv(width, 192, row)),
        nn.Sequential(_mean_pool(), _conv(768, 192)),
    ])  # fmt: skip


def _reduce17() -> nn.Module:
    short = nn.Sequential(_conv(768, 192), _conv(192, 320, 3, 2, pad=False))
    long = nn.Sequential(
        _conv(768, 192), _conv(192, 192, (1, 7)), _conv(192, 192, (7, 1)), _conv(192, 192, 3, 2, pad=False)
    )  # fmt: skip
    return Branches([short, long, nn.MaxPool2d(3, 2)])


def _block8(before: int, pool: nn.Module) -> nn.Module:
    def cross() -> nn.Module:
        return Branches([_conv(384, 384, (1, 3)), _conv(384, 384, (3, 1))])

    return Branches([
        _conv(before, 320),
        nn.Sequential(_conv(before, 384), cross()),
        nn.Sequential(_conv(before, 448), _conv(448, 384, 3), cross()),
        nn.Sequential(pool, _conv(before, 192)),
    ])  # fmt: skip
