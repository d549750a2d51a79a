"""Reverse distillation: a student that restores the features of normal frames, whose score is where it does not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from tiny import batch
from torch.nn import functional as F

from medgen import registry
from medgen.backends.rd import Model
from medgen.types import Batch

LAYERS = {"side": 64, "strides": (8, 16, 32)}


def small(**settings: Any) -> Model:
    torch.manual_seed(0)
    model = registry.create("rd", {"features": LAYERS, "width": 8, "latents": 4, **settings}, 32, 3)
    assert isinstance(model, Model)
    return model


@pytest.fixture(scope="module")
def learnt() -> tuple[Model, list[float]]:
    """A student of four frames, and its loss at each step."""
    small()  # what loads the fixed net the first time draws random numbers
    model = small()
    optimizer, losses = torch.optim.Adam(model.players["student"].parameters(), 2e-2), []
    for _ in range(15):
        ((_, found),) = model.turns(batch(4), 0.5)
        total = torch.stack(list(found.values())).sum()
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        losses.append(total.item())
    return model.eval(), losses


def test_features_of_a_few_frames_are_learnt(learnt: tuple[Model, list[float]]) -> None:
    _, losses = learnt
    assert losses[-1] < 0.7 * losses[0]


def test_other_frames_score_higher_than_those_it_learnt(learnt: tuple[Model, list[float]]) -> None:
    model, _ = learnt
    other = batch(4, seed=5)
    noisy = replace(other, image=torch.rand(other.image.shape, generator=torch.Generator().manual_seed(0)) * other.valid)
    with torch.inference_mode():
        assert model.score(noisy).score.mean() > model.score(batch(4)).score.max()


def test_each_stride_has_a_loss_of_its_own() -> None:
    ((_, losses),) = small(features={"side": 64, "strides": (16, 8)}).turns(batch(2), 0.0)
    assert [*losses] == ["stride_16", "stride_8"]


def test_without_smoothing_the_map_is_the_sum_of_the_cosine_distances() -> None:
    model, frames = small(sigma=0.0).eval(), batch(2)
    whole = replace(frames, valid=torch.ones_like(frames.valid))
    with torch.inference_mode():
        expected = torch.zeros(2, 1, 32, 32)
        for real, own, _ in model._pairs(whole):
            cosine = (real * own).sum(1, keepdim=True) / (real.norm(dim=1, keepdim=True) * own.norm(dim=1, keepdim=True))
            expected += F.interpolate(1 - cosine, (32, 32), mode="bilinear")
        scores = model.score(whole)
    torch.testing.assert_close(scores.map, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(scores.components["mean"], expected.mean((1, 2, 3)))
    torch.testing.assert_close(scores.score, expected.flatten(1).amax(1))


def test_cells_that_do_not_count_have_no_part_in_the_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    model, frames = small(), batch(2)
    features = torch.rand(2, 40, 4, 4)
    drawn, counts = features.clone(), torch.ones(2, 1, 4, 4, dtype=torch.bool)
    drawn[:, :, :2], counts[:, :, :2] = -drawn[:, :, :2], False
    monkeypatch.setattr(model, "_pairs", lambda batch: [(features, drawn, counts)] * 3)
    ((_, losses),) = model.turns(frames, 0.5)
    assert all(abs(loss.item()) < 1e-6 for loss in losses.values())


def test_the_fixed_network_is_no_part_of_the_weights() -> None:
    names = {name.partition(".")[0] for name in small().state_dict()}
    assert names == {"bottleneck", "student", "standard", "fingerprint"}


def test_a_net_whose_grids_do_not_halve_is_restored_too() -> None:
    model = small()
    maps = [torch.rand(2, width, side, side) for width, side in zip(model.layers.widths, (27, 14, 7), strict=True)]
    drawn = model.student(model.bottleneck(maps), [values.shape[2:] for values in maps])
    assert [values.shape for values in drawn] == [values.shape for values in maps]


def test_a_residual_of_features_is_left_for_components() -> None:
    frames = batch(2)
    with torch.inference_mode():
        maps = small().eval().feature_residual(Batch(frames.image, frames.valid, frames.index))
    assert [residual.values.shape[1:] for residual in maps] == [(40, 8, 8), (112, 4, 4), (320, 2, 2)]
