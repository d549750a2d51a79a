"""Maps of a fixed net: the net's own, with holes filled and places counted."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from medgen.errors import BackendError
from medgen.nn.features.extractors import load_extractor
from medgen.nn.features.feature_maps import LayerSettings, MidLayers
from medgen.trust import trust_code

SETTINGS = LayerSettings(side=96, strides=(8, 16))
IMAGE = torch.rand(2, 3, 48, 48, generator=torch.Generator().manual_seed(0))
VALID = torch.ones(2, 1, 48, 48, dtype=torch.bool)


def test_maps_are_those_of_the_net_at_the_stated_side() -> None:
    layers = MidLayers(SETTINGS)
    expected = load_extractor("efficientnet-lite0").layers(IMAGE, 96)
    for stride, (found, counts) in zip((8, 16), layers.maps(IMAGE, VALID), strict=True):
        assert torch.equal(found, expected[stride]) and counts.all() and found.shape[2] == 96 // stride


def test_widths_and_grid_are_those_of_the_maps() -> None:
    layers = MidLayers(SETTINGS)
    assert layers.widths == (40, 112) and layers.grid == (12, 12)


def test_what_is_not_valid_is_not_seen() -> None:
    layers, valid = MidLayers(SETTINGS), VALID.clone()
    valid[:, :, 20:30, 20:30] = False
    other = torch.where(valid, IMAGE, 1 - IMAGE)
    for (some, _), (same, _) in zip(layers.maps(IMAGE, valid), layers.maps(other, valid), strict=True):
        assert torch.equal(some, same)


def test_a_place_counts_where_half_of_its_pixels_are_valid() -> None:
    valid = VALID.clone()
    valid[:, :, :, :24] = False
    _, counts = MidLayers(SETTINGS).maps(IMAGE, valid)[0]
    assert not counts[..., :6].any() and counts[..., 6:].all()


def test_of_a_frame_without_such_a_place_those_count_that_show_most() -> None:
    valid = VALID & False
    valid[0, :, 8, 8:12] = True  # 4 of the 16 pixels of a cell
    valid[0, :, 40, 40:44] = True  # as many of another one
    valid[0, :, 20, 20:23] = True  # and 3 of a third
    _, counts = MidLayers(SETTINGS).maps(IMAGE, valid)[0]
    assert counts[0].nonzero().tolist() == [[0, 2, 2], [0, 10, 10]] and not counts[1].any()


def test_joined_maps_stand_on_the_finest_grid_averaged_over_their_surroundings() -> None:
    layers = MidLayers(SETTINGS)
    joined, _ = layers.joined(IMAGE, VALID, window=3)
    fine = layers.maps(IMAGE, VALID)[0][0]
    assert joined.shape == (2, 152, 12, 12)
    torch.testing.assert_close(joined[:, :40, 5, 7], fine[:, :, 4:7, 6:9].mean((2, 3)))


def test_a_stride_that_the_net_does_not_have_is_refused() -> None:
    with pytest.raises(BackendError, match="no map of stride 7 at side 96; set strides to some of 2, 4, 8, 16, 32"):
        MidLayers(LayerSettings(side=96, strides=(7,)))


class Pooled(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.avg_pool2d(x, 16)


@pytest.mark.filterwarnings("ignore:.*torch.jit")
def test_a_net_of_ones_own_has_the_map_that_it_returns(tmp_path: Path) -> None:
    torch.jit.script(Pooled()).save(str(tmp_path / "net.pt"))
    trust_code(sha256((tmp_path / "net.pt").read_bytes()).hexdigest())
    layers = MidLayers(LayerSettings(extractor=f"file:{tmp_path / 'net.pt'}", side=48, strides=(16,)))
    ((found, _),) = layers.maps(IMAGE, VALID)
    torch.testing.assert_close(found, F.avg_pool2d(IMAGE, 16))
