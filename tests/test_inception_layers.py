"""Maps from the middle of inception-2015 lie where the net saw them, at any side."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from medgen.errors import MedgenError
from medgen.nn.features.extractors import Extractor
from medgen.nn.features.nets.inception import WIDTH, Inception, inception, prepare


@pytest.fixture(scope="module")
def net() -> Inception:
    with pytest.MonkeyPatch.context() as patch:  # drawn once, below: PyTorch's own draw takes seconds
        patch.setattr(nn.Conv2d, "reset_parameters", lambda layer: None)
        net = inception().eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weights in net.parameters():
            reach = (6 / weights[0].numel()) ** 0.5 if weights.ndim == 4 else 0.0
            weights.uniform_(-reach, reach, generator=generator)
    return net


@pytest.fixture(scope="module")
def extractor(net: Inception) -> Extractor:
    return Extractor("inception-2015", net, WIDTH, prepare)


IMAGE = torch.rand(1, 3, 96, 96, generator=torch.Generator().manual_seed(0))


def test_channels_are_those_of_the_published_net(extractor: Extractor) -> None:
    assert {stride: values.shape[1] for stride, values in extractor.layers(IMAGE, 96).items()} == {8: 288, 16: 768, 32: 2048}


def test_a_map_has_about_one_cell_for_each_stride_of_the_side(extractor: Extractor) -> None:
    assert {stride: values.shape[2:] for stride, values in extractor.layers(IMAGE, 224).items()} == {
        8: (27, 27),
        16: (14, 14),
        32: (7, 7),
    }


def test_the_coarsest_map_averages_to_the_features_of_the_net(net: Inception) -> None:
    image = net.prepared(IMAGE, 96)
    inner = net.layers(image)[32][:, :, 1:-1, 1:-1]
    torch.testing.assert_close(inner.mean((2, 3)), net(image), rtol=1e-4, atol=1e-5)
    assert inner.mean() > 1e-2


def test_layers_behind_the_coarsest_wanted_are_left_out(extractor: Extractor) -> None:
    assert list(extractor.layers(IMAGE, 96, coarsest=8)) == [8]


def test_a_cell_looks_at_the_pixels_below_it(extractor: Extractor) -> None:
    image = torch.rand(1, 3, 299, 299, generator=torch.Generator().manual_seed(1)).requires_grad_()
    values = extractor.layers(image, 299, gradient=True, coarsest=8)[8]
    (seen,) = torch.autograd.grad(values[0, :, 12, 24].sum(), image)
    weight = seen.square().sum((0, 1))
    places = torch.arange(299.0)
    row, column = ((weight.sum(dim) * places).sum() / weight.sum() for dim in (1, 0))
    cell = 299 / values.shape[2]
    assert abs(row - 12.5 * cell) < 4 and abs(column - 24.5 * cell) < 4


def test_input_is_scaled_as_the_published_net_expects() -> None:
    ends = Inception.prepared(torch.tensor([0.0, 1.0]).view(1, 1, 1, 2).expand(1, 3, 2, 2), 2)
    assert ends[0, 0, 0].tolist() == [-1.0, 127 / 128]


def test_a_side_with_no_cell_is_refused(extractor: Extractor) -> None:
    with pytest.raises(MedgenError, match="set side to 75 or more"):
        extractor.layers(IMAGE, 74)
