"""Detectors without a fold of their frames: equal to a fit to the rest, and scores placed as cross-conformal p-values say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.covariance import LedoitWolf
from tiny import batch

from medgen import registry
from medgen.backends._onepass import OnePass
from medgen.errors import BackendError
from medgen.metrics.calibration import group_shares, p_value
from medgen.metrics.cross_conformal import cross_p_value
from medgen.nn.features.gaussian import RIDGE, held_out, shrunk_covariance, whitening
from medgen.nn.features.gaussians_without import GaussiansWithout, held_out_without
from medgen.nn.features.placed import placed
from medgen.types import Batch

SIZE = 32
LAYERS = {"side": 64, "strides": (8, 16)}
FOLDS = torch.arange(18) // 2 % 3  # of the 18 frames that are fitted to
SETTINGS: dict[str, dict[str, Any]] = {
    "dfm": {"sides": (64,), "statistics": ("mean", "max")},
    "padim": {"width": 9},
    "patchcore": {"bank": 40},
}


def frames(number: int, count: int = 6) -> Batch:
    """Whole frames; all of a place counts."""
    drawn = batch(count, seed=number)
    return Batch(drawn.image, torch.ones_like(drawn.valid), torch.arange(number * count, (number + 1) * count))


def vectors(count: int, seed: int = 0, width: int = 12) -> torch.Tensor:
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(count, width, generator=draw) @ torch.randn(width, width, generator=draw) + 3


# Gaussians


@pytest.mark.parametrize("count", [10, 45])  # fewer than twelve numbers are shrunk far
def test_the_gaussian_without_a_fold_is_that_of_scikit_learn_of_the_rest(count: int) -> None:
    folds, new = torch.arange(count) % 5, vectors(7, seed=1)
    found = GaussiansWithout(vectors(count), folds, 5).distance(new)
    for fold in range(5):
        theirs = LedoitWolf().fit(vectors(count)[folds != fold].double().numpy())
        np.testing.assert_allclose(found[:, fold], theirs.mahalanobis(new.double().numpy()) / 12, rtol=1e-6)


@pytest.mark.parametrize("rest", [0, 1, 2, 3])
def test_few_vectors_beside_a_fold_have_the_gaussian_that_they_have_alone(rest: int) -> None:
    folds, new = (torch.arange(9) >= rest).long(), vectors(7, seed=1)
    found = GaussiansWithout(vectors(9), folds, 2).distance(new)[:, 1]
    covariance, _ = shrunk_covariance(vectors(9)[:rest])
    mean = vectors(9)[:rest].double().mean(0) if rest else vectors(9).double().mean(0)
    expected = (((new - mean) @ whitening(covariance + RIDGE * torch.eye(12))).square()).mean(1)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-8)
    assert found.max() < 1e6


def test_an_empty_fold_leaves_the_gaussian_of_all() -> None:
    found = GaussiansWithout(vectors(20), torch.arange(20) % 2, 3).distance(vectors(4, seed=1))[:, 2]
    theirs = LedoitWolf().fit(vectors(20).double().numpy()).mahalanobis(vectors(4, seed=1).double().numpy()) / 12
    np.testing.assert_allclose(found, theirs, rtol=1e-6)


def test_distances_of_held_out_frames_are_those_of_the_rest_alone() -> None:
    rows, folds = torch.arange(40) * 3, torch.arange(40) // 4 % 5
    others, other_rows = torch.cat([vectors(40), vectors(6, seed=1)]), torch.cat([rows, rows[:6]])
    found = held_out_without(vectors(40), rows, folds, 5, others, other_rows)
    for fold in range(5):
        rest = folds != fold
        expected = held_out(vectors(40)[rest], rows[rest], others, other_rows, of=rows)
        np.testing.assert_allclose(found[:, fold], expected, rtol=1e-6)


# detectors


def fitted(name: str, chosen: torch.Tensor, folds: int = 0) -> Any:
    """Return a detector of those of 18 frames (18,) bool that are chosen."""
    torch.manual_seed(0)
    model = registry.create(name, {"features": LAYERS, **SETTINGS[name], "folds": folds}, SIZE, 3)
    assert isinstance(model, OnePass)
    model.divide(FOLDS)
    for number in range(3):
        every = frames(number)
        kept = chosen[every.index]
        list(model.turns(Batch(every.image[kept], every.valid[kept], every.index[kept]), 0.0))
    model.finalise_fit()
    return model.eval()


@pytest.mark.parametrize("name", ["dfm", "padim", "patchcore"])
def test_a_detector_without_a_fold_is_one_that_never_saw_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = torch.arange(18)
    monkeypatch.setattr("medgen.backends.dfm.held_out", lambda *given: held_out(*given, of=rows))
    model = fitted(name, rows >= 0, folds=3)
    model.leave_out(1)
    expected = fitted(name, FOLDS != 1).score(frames(9))
    close = {"padim": 1e-4}.get(name, 1e-6)  # it sums in float32
    torch.testing.assert_close(model.score(frames(9)).score, expected.score, rtol=close, atol=1e-6)


@pytest.mark.parametrize("name", ["dfm", "padim", "patchcore"])
def test_folds_change_nothing_of_the_detector_of_all_frames(name: str) -> None:
    whole, divided = (fitted(name, torch.ones(18, dtype=torch.bool), folds) for folds in (0, 3))
    torch.testing.assert_close(divided.score(frames(9)).score, whole.score(frames(9)).score, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["dfm", "padim", "patchcore"])
def test_scores_are_placed_where_the_cross_conformal_p_value_puts_them(name: str) -> None:
    model = fitted(name, torch.ones(18, dtype=torch.bool), folds=3)
    own = torch.zeros(18)
    for number in range(3):
        every = frames(number)
        for fold in range(3):
            model.leave_out(fold)
            here = FOLDS[every.index] == fold
            own[every.index[here]] = model.score(every).score[here]
    new = Batch(torch.cat([frames(number).image for number in (7, 8, 9)]), torch.cat([frames(0).valid] * 3), torch.arange(18))
    others = []
    for fold in range(3):
        model.leave_out(fold)
        others.append(model.score(new).score.double().numpy())
    model.leave_out(None)
    model.keep_own(own, FOLDS, torch.ones(18))
    again = registry.create(name, {"features": LAYERS, **SETTINGS[name], "folds": 3}, SIZE, 3)
    again.load_state_dict(model.state_dict())
    found = p_value(own.double().numpy(), again.eval().score(new).score.double().numpy())
    np.testing.assert_allclose(found, cross_p_value(own.double().numpy(), FOLDS.numpy(), others))


def test_too_many_folds_for_a_bank_are_refused_with_a_way_out() -> None:
    with pytest.raises(BackendError, match=r'more than 1; take scoring.calibration = "cv\+" with fewer folds, or dfm'):
        registry.create("patchcore", {"features": LAYERS, "folds": 900}, SIZE, 3)


@pytest.mark.parametrize("name", ["dfm", "padim", "patchcore"])
def test_each_frame_of_a_batch_can_be_scored_and_drawn_without_its_own_fold(name: str) -> None:
    model, every = fitted(name, torch.ones(18, dtype=torch.bool), folds=3), frames(1)
    model.leave_out("own")
    found = model.score(every)
    for fold in range(3):
        model.leave_out(fold)
        alone, here = model.score(every), FOLDS[every.index] == fold
        assert torch.equal(found.score[here], alone.score[here]) and torch.equal(found.map[here], alone.map[here])


# places


def drawn(groups: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(groups)
    own, without = torch.randn(12, generator=draw), torch.randn(500, 4, generator=draw)
    return without.mean(1) + 0.3, without, own, torch.arange(12) % 4


def test_a_placed_score_has_the_cross_conformal_p_value() -> None:
    scores, without, own, folds = drawn(0)
    found = placed(scores, without, own, folds, torch.ones(12, dtype=torch.float64))
    expected = cross_p_value(own.double().numpy(), folds.numpy(), list(without.double().numpy().T))
    np.testing.assert_allclose(p_value(own.double().numpy(), found.double().numpy()), expected)


def test_where_groups_count_no_p_value_falls_and_none_rises_by_more_than_a_group() -> None:
    scores, without, own, folds = drawn(1)
    shares = group_shares(np.arange(12) % 5)
    found = placed(scores, without, own, folds, torch.from_numpy(shares))
    exact = cross_p_value(own.double().numpy(), folds.numpy(), list(without.double().numpy().T), shares)
    got = p_value(own.double().numpy(), found.double().numpy(), shares)
    assert (got >= exact - 1e-12).all() and (got < exact + shares.max() / 6 + 1e-12).all()


def test_a_score_that_is_in_its_place_stays() -> None:
    scores, _, own, folds = drawn(2)
    same = scores[:, None].expand(-1, 4)
    assert torch.equal(placed(scores, same, own, folds, torch.ones(12, dtype=torch.float64)), scores)
