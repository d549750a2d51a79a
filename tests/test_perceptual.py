"""The perceptual residual: nothing for equal frames, more for a change of what is seen, and where it is."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from medgen.nn.features import feature_maps
from medgen.nn.features.feature_maps import LayerSettings, MidLayers
from medgen.nn.features.perceptual import perceptual_layers, perceptual_map

LAYERS = MidLayers(LayerSettings(side=64, strides=(8, 16)))
IMAGE = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
VALID = torch.ones(2, 1, 64, 64, dtype=torch.bool)


def test_equal_frames_differ_in_nothing() -> None:
    assert perceptual_map(LAYERS, IMAGE, IMAGE.clone(), VALID).max() < 1e-6


def test_it_is_the_squared_distance_of_normalised_features() -> None:
    layers = MidLayers(LayerSettings(side=64, strides=(8,)))
    other = IMAGE.flip(0)
    (real, _), (fake, _) = layers.maps(IMAGE, VALID)[0], layers.maps(other, VALID)[0]
    expected = 2 - 2 * F.cosine_similarity(real, fake)[:, None]
    found = perceptual_map(layers, IMAGE, other, VALID)
    torch.testing.assert_close(found, F.interpolate(expected, (64, 64), mode="bilinear"), atol=1e-5, rtol=1e-4)


def test_a_local_change_shows_where_it_is() -> None:
    drawn = IMAGE.clone()
    drawn[:, :, 40:56, 8:24] = 0.5
    found = perceptual_map(LAYERS, IMAGE, drawn, VALID)
    assert found[:, :, 40:56, 8:24].mean() > 5 * found[:, :, :24, 40:].mean()


def test_what_is_not_valid_is_not_compared() -> None:
    valid = VALID.clone()
    valid[:, :, 20:40] = False
    other = torch.where(valid, IMAGE, 1 - IMAGE)
    found = perceptual_map(LAYERS, IMAGE, other, valid)
    assert found.max() < 1e-6 and not found[:, :, 20:40].any()


def test_frames_are_compared_at_their_own_resolution_and_small_ones_enlarged() -> None:
    assert [perceptual_layers(size).settings.side for size in (28, 128, 320)] == [128, 128, 320]


def test_a_net_that_was_first_used_without_gradients_gives_one_later() -> None:
    feature_maps._net.cache_clear()
    with torch.inference_mode():
        layers = perceptual_layers(32)
    frames = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    drawn = frames.flip(3).requires_grad_()
    perceptual_map(layers, frames, drawn, torch.ones(1, 1, 32, 32, dtype=torch.bool), gradient=True).sum().backward()
    assert drawn.grad is not None and drawn.grad.abs().max() > 0
