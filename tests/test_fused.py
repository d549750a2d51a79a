"""A convolution and the clipping behind it in one pass give what they give one behind the other."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from medgen.nn.features.nets.fused import KEPT, convolve


def layer_and_frames(side: int = 9, groups: int = 1) -> tuple[nn.Conv2d, Tensor]:
    torch.manual_seed(0)
    layer = nn.Conv2d(4, 8, 3, 2, groups=groups).requires_grad_(False)
    return layer, torch.randn(2, 4, side, side)


def plain(layer: nn.Conv2d, frames: Tensor) -> Tensor:
    return F.relu6(F.conv2d(frames, layer.weight, layer.bias, layer.stride, 1, groups=layer.groups))


@pytest.mark.parametrize("groups", [1, 4])
def test_frames_of_many_sizes_in_turn_see_the_same_weights(groups: int) -> None:
    layer, _ = layer_and_frames(groups=groups)
    for side in [*range(9, 10 + KEPT), 9]:
        _, frames = layer_and_frames(side)
        torch.testing.assert_close(convolve(layer, frames, (1, 1), True), plain(layer, frames))


def test_weights_that_were_written_to_are_seen() -> None:
    layer, frames = layer_and_frames()
    convolve(layer, frames, (1, 1), True)
    layer.weight.mul_(-2)
    torch.testing.assert_close(convolve(layer, frames, (1, 1), True), plain(layer, frames))


def test_other_weights_are_seen() -> None:
    layer, frames = layer_and_frames()
    convolve(layer, frames, (1, 1), True)
    layer.weight = nn.Parameter(torch.randn_like(layer.weight), requires_grad=False)
    torch.testing.assert_close(convolve(layer, frames, (1, 1), True), plain(layer, frames))


def test_weights_that_cannot_say_whether_they_were_written_to_are_taken_as_they_are() -> None:
    with torch.inference_mode():
        layer, frames = layer_and_frames()
        convolve(layer, frames, (1, 1), True)
        layer.weight.mul_(-2)
        torch.testing.assert_close(convolve(layer, frames, (1, 1), True), plain(layer, frames))
