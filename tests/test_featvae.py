"""FeatVAE: an autoencoder of features, whose score is how far they are from their reconstruction."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tiny import batch

from medgen import registry
from medgen.backends.featvae import Model
from medgen.errors import BackendError, ConfigError
from medgen.types import Batch

LAYERS = {"side": 64, "strides": (8, 16)}


def small(**settings: Any) -> Model:
    torch.manual_seed(0)
    model = registry.create("featvae", {"features": LAYERS, "width": 8, "latents": 4, **settings}, 32, 3)
    assert isinstance(model, Model)
    return model


def learnt(frames: Batch, steps: int, **settings: Any) -> tuple[Model, list[float]]:
    model = small(**settings)
    optimizer, losses = torch.optim.Adam(model.players["vae"].parameters(), 5e-3), []
    looked = model._features(frames)
    model._features = lambda _: looked  # the net that only looks sees the same frames in each step
    for _ in range(steps):
        ((_, found),) = model.turns(frames, 0.5)
        optimizer.zero_grad()
        torch.stack(list(found.values())).sum().backward()
        optimizer.step()
        losses.append(found["reconstruction"].item())
    del model._features
    return model.eval(), losses


@pytest.mark.parametrize("loss", ["ssim", "squared_error"])
def test_features_of_a_few_frames_are_learnt(loss: str) -> None:
    _, losses = learnt(batch(4), 60, loss=loss)
    assert losses[-1] < 0.7 * losses[0]


def test_other_frames_score_higher_than_those_it_learnt() -> None:
    model, _ = learnt(batch(4), 80, kl_weight=0.0)
    other = batch(4, seed=5)
    noisy = Batch(torch.rand_like(other.image) * other.valid, other.valid, other.index)
    with torch.inference_mode():
        assert model.score(noisy).score.min() > model.score(batch(4)).score.max()


def test_without_a_divergence_there_is_no_noise() -> None:
    model = small(kl_weight=0.0)
    first, second = (next(iter(model.turns(batch(4), 0.5)))[1] for _ in range(2))
    assert [*first] == ["reconstruction"] and first["reconstruction"] == second["reconstruction"]


def test_the_map_is_zero_where_nothing_is_valid_and_not_elsewhere() -> None:
    frames = batch(2)
    valid = torch.ones_like(frames.valid)
    valid[..., :8] = False
    with torch.inference_mode():
        scores = small().eval().score(Batch(frames.image * valid, valid, frames.index))
    assert scores.map is not None and not scores.map[..., :8].any() and scores.map[..., 16:].all()


def test_weights_made_with_another_net_are_refused() -> None:
    model = small().eval()
    model.fingerprint[0] += 1
    with pytest.raises(BackendError, match="are not those that the run was trained with"):
        model.score(batch(2))


def test_maps_too_small_for_structural_similarity_are_refused_before_a_training() -> None:
    with pytest.raises(ConfigError, match=r"6 x 6 cells or more, not 5 x 5; set .* to 48 or more"):
        small(features={"side": 40, "strides": (8, 16)})
    with torch.inference_mode():
        assert small(features={"side": 48, "strides": (8, 16)}).eval().score(batch(2)).score.isfinite().all()
