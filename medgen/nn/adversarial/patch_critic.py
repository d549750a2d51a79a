"""A critic of overlapping patches: each of its answers sees 70 x 70 pixels.

Source: Isola et al. 2017, "Image-to-Image Translation with Conditional Adversarial Networks", https://arxiv.org/abs/1611.07004,
section 3.2.2; several scales and features of all layers: Wang et al. 2018, https://arxiv.org/abs/1711.11585, section 3.
Shape letters: B frames, C channels, S side of a frame. Frames are in [-1, 1].
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from medgen import ranks
from medgen.nn.adversarial.dcgan_nets import SLOPE, small_start

Norm = Literal["batch", "instance", "none"]


def norm_of(kind: Norm, width: int) -> nn.Module:
    """Return a normalisation of so many channels; that of each frame for itself has no weights."""
    if kind == "none":
        return nn.Identity()
    return BatchNorm(width) if kind == "batch" else nn.InstanceNorm2d(width)


class BatchNorm(nn.BatchNorm2d):
    """Batch norm that normalises each frame by itself in use, too, where it was trained on batches of one frame.

    Isola et al. (section 3.3) draw so: means over many single frames are the statistics of none, and a U-Net that draws by them
    puts land where there is water. Where batches had several frames the running means are used, so that what is drawn of a
    frame does not depend on those beside it.
    """

    one_by_one: Tensor  # () bool, whether there was a training, and each of its batches had one frame

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.register_buffer("one_by_one", torch.tensor(False))
        self.register_forward_pre_hook(_note_size)  # called where `nn.shared_layers` takes the place of forward, too

    def forward(self, values: Tensor) -> Tensor:
        if self.training or not self.one_by_one:
            return super().forward(values)
        return F.instance_norm(values, weight=self.weight, bias=self.bias, eps=self.eps)

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *others: Any) -> None:
        """Take weights that were stored before the size of batches was: they draw as they did."""
        known = {f"{prefix}one_by_one": torch.tensor(False)} | dict(state_dict)
        super()._load_from_state_dict(known, prefix, *others)


def _note_size(norm: BatchNorm, inputs: tuple[Tensor, ...]) -> None:
    if norm.training:
        assert norm.num_batches_tracked is not None
        of_one = torch.tensor(ranks.count() * len(inputs[0]) == 1)
        norm.one_by_one.logical_or_(norm.num_batches_tracked == 0).logical_and_(of_one)


def halvings_for(size: int, wanted: int) -> int:
    """Return how often a critic of patches halves a side of `size` pixels: at most twice below 64, once below 32."""
    return min(wanted, max(1, size.bit_length() - 4))


class PatchCritic(nn.Module):
    """Convolutions of 4 x 4, (B, C, S, S) to (B, 1, s, s), one answer a patch: 30 x 30 of 70 x 70 pixels for 256 pixels.

    Parameters
    ----------
    channels : C, of all frames that are shown together
    width : channels of the first convolution; each further one has twice as many, up to eight times as many
    halvings : convolutions with stride 2; 3 make patches of 70 x 70 pixels, 2 of 34 x 34, 1 of 16 x 16
    norm : of all layers but the first and the last
    """

    def __init__(self, channels: int, width: int = 64, halvings: int = 3, norm: Norm = "batch") -> None:
        super().__init__()
        layers = [nn.Sequential(nn.Conv2d(channels, width, 4, 2, padding=1), nn.LeakyReLU(SLOPE))]
        before = width
        for k in range(1, halvings + 1):
            after, stride = width * 2 ** min(k, 3), 2 if k < halvings else 1
            convolution = nn.Conv2d(before, after, 4, stride, padding=1)
            layers.append(nn.Sequential(convolution, norm_of(norm, after), nn.LeakyReLU(SLOPE)))
            before = after
        self.layers = nn.ModuleList(layers)
        self.head = nn.Conv2d(before, 1, 4, padding=1)
        self.apply(small_start)

    def forward_with_features(self, image: Tensor) -> tuple[list[Tensor], Tensor]:
        """Return the output of each layer for frames (B, C, S, S), and the answers (B, 1, s, s)."""
        outputs = []
        for layer in self.layers:
            image = layer(image)  # (B, W, S / 2, S / 2), (B, 2 W, S / 4, S / 4), ...
            outputs.append(image)
        return outputs, self.head(image)

    def forward(self, image: Tensor) -> Tensor:
        return self.forward_with_features(image)[1]


class ScaledCritics(nn.Module):
    """Critics of patches, each of which sees the frames at half the side of the one before.

    Parameters
    ----------
    scales : how many
    channels : C, of all frames that are shown together
    width : channels of each critic's first convolution
    halvings : convolutions with stride 2 in each critic
    norm : of all layers but the first and the last
    """

    def __init__(self, scales: int, channels: int, width: int = 64, halvings: int = 3, norm: Norm = "batch") -> None:
        super().__init__()
        self.critics = nn.ModuleList(PatchCritic(channels, width, halvings, norm) for _ in range(scales))

    def forward_with_features(self, image: Tensor) -> list[tuple[list[Tensor], Tensor]]:
        """Return the outputs of each critic's layers for frames (B, C, S, S), and its answers."""
        judged = []
        for k, critic in enumerate(self.critics):
            assert isinstance(critic, PatchCritic)
            image = F.avg_pool2d(image, 3, 2, padding=1, count_include_pad=False) if k else image  # half the side
            judged.append(critic.forward_with_features(image))
        return judged

    def forward(self, image: Tensor) -> list[Tensor]:
        return [answers for _, answers in self.forward_with_features(image)]
