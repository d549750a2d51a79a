"""Residuals to train by: the same as those to score by, with a gradient that makes them smaller."""

from __future__ import annotations

from typing import get_args

import pytest
import torch
from tiny import batch, tiny

from medgen.contract.backend import Backend
from medgen.nn.features.perceptual import perceptual_layers, perceptual_map
from medgen.nn.features.pixel_loss import PixelLoss, PixelResidual
from medgen.nn.features.residual import residual_maps

FRAMES = batch(2)
SIDE = FRAMES.image.shape[-1]
DRAWN = batch(2, seed=1).image
KINDS = get_args(PixelLoss)


@pytest.mark.parametrize("kind", ["squared_error", "absolute_error", "ssim"])
def test_a_residual_is_that_of_the_score(kind: PixelLoss) -> None:
    expected = residual_maps(FRAMES.image, DRAWN, FRAMES.valid)[kind] * FRAMES.valid
    torch.testing.assert_close(PixelResidual(kind, SIDE)(DRAWN, FRAMES.image, FRAMES.valid), expected, rtol=1e-4, atol=1e-5)


def test_the_perceptual_one_is_that_of_the_score_too() -> None:
    expected = perceptual_map(perceptual_layers(SIDE), FRAMES.image, DRAWN, FRAMES.valid)
    torch.testing.assert_close(PixelResidual("perceptual", SIDE)(DRAWN, FRAMES.image, FRAMES.valid), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_steps_along_the_gradient_make_it_smaller(kind: PixelLoss) -> None:
    drawn = DRAWN.clone().requires_grad_()
    residual, values = PixelResidual(kind, SIDE), []
    optimizer = torch.optim.Adam([drawn], 0.02)
    for _ in range(8):
        loss = residual(drawn, FRAMES.image, FRAMES.valid).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        values.append(loss.item())
    assert values[-1] < 0.9 * values[0]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_valid_has_neither_residual_nor_gradient(kind: PixelLoss) -> None:
    drawn = DRAWN.clone().requires_grad_()
    found = PixelResidual(kind, SIDE)(drawn, FRAMES.image, FRAMES.valid)
    found.sum().backward()
    hidden = ~FRAMES.valid.expand_as(drawn)
    assert drawn.grad is not None and not drawn.grad[hidden].any() and not found[~FRAMES.valid].any()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["vae", "vqvae"])
def test_autoencoders_are_trained_by_the_residual_that_is_chosen(name: str, kind: PixelLoss) -> None:
    model = tiny(name, loss=kind)
    ((_, losses),) = model.turns(FRAMES, 0.1)
    losses["reconstruction"].backward()
    weights = next(iter(model.players.values())).parameters()
    assert any(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in weights)
    assert isinstance(model, Backend) and losses["reconstruction"] > 0
