"""Layers of EfficientNet-Lite0 equal those of a frame that is padded beforehand, as its publisher's TensorFlow pads it."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from medgen.nn.features import efficientnet


def test_convolutions_pad_right_and_below_first() -> None:
    layer = efficientnet.Convolution(1, 1, 3, 2, clipped=False)
    nn.init.ones_(layer.weight)
    nn.init.zeros_(layer.bias)
    image = torch.zeros(1, 1, 4, 4)
    image[..., 0, 0] = 1
    assert layer(image).flatten().tolist() == [1, 0, 0, 0]
    assert layer(image.flip(2, 3)).flatten().tolist() == [0, 0, 0, 1]


@pytest.mark.parametrize("side", [16, 17])
@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (5, 1), (5, 2)])
def test_a_convolution_is_that_of_a_frame_padded_beforehand_and_clipped_behind_it(kernel: int, stride: int, side: int) -> None:
    layer, image = efficientnet.Convolution(4, 4, kernel, stride, groups=4), 10 * torch.randn(2, 4, side, side)
    lacking = (-(-side // stride) - 1) * stride + kernel - side
    padded = F.pad(image, (lacking // 2, lacking - lacking // 2) * 2)
    expected = F.conv2d(padded, layer.weight, layer.bias, stride, groups=4).clamp(0, 6)
    with torch.no_grad():
        torch.testing.assert_close(layer(image), expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(layer(image), expected, atol=1e-5, rtol=0)  # with a gradient: without the fused operator


def test_no_map_behind_the_coarsest_that_is_wanted_is_computed() -> None:
    net = efficientnet.EfficientNetLite0()
    assert list(net.layers(torch.zeros(1, 3, 32, 32), coarsest=8)) == [2, 4, 8]
