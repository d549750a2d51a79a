"""Gaussians moved towards few frames: what comes out is what pooled frames give, and what leaving each out gives."""

from __future__ import annotations

from math import inf

import numpy as np
import pytest
import torch
from torch.distributions import MultivariateNormal

from medgen.nn.features.few_frames import AS_IT_IS, CountsAs, left_out, likeliest, move_gaussians, moved
from medgen.nn.features.gaussian import Gaussian, whitening

FEW = torch.from_numpy(np.random.default_rng(3).normal(0.7, 1.3, (9, 5)))
ALL = torch.ones(1, 9, dtype=torch.bool)


def standard_frames(count: int, width: int) -> np.ndarray:
    """Return frames (count, width) whose mean is 0 and whose covariance, of divisor count, is the identity."""
    values = np.random.default_rng(4).normal(size=(count, width))
    values -= values.mean(0)
    return values @ np.linalg.inv(np.linalg.cholesky(np.cov(values.T, bias=True))).T


def test_a_moved_gaussian_is_that_of_its_own_frames_and_the_few_together() -> None:
    own = standard_frames(16, 5)
    together = np.concatenate([own, FEW.numpy()])
    mean, root = moved(FEW[None], ALL, CountsAs(16, 16))
    np.testing.assert_allclose(mean[0], together.mean(0))
    np.testing.assert_allclose(torch.linalg.inv(root[0] @ root[0].T), np.cov(together.T, bias=True))


@pytest.mark.parametrize("own", [8, 64])
def test_what_is_known_of_a_frame_without_it_is_what_a_fit_without_it_says(own: int) -> None:
    found = left_out(FEW[None], ALL, CountsAs(own, own))
    for k in range(len(FEW)):
        rest = np.concatenate([standard_frames(own, 5), np.delete(FEW.numpy(), k, 0)])
        fitted = MultivariateNormal(torch.from_numpy(rest.mean(0)), torch.from_numpy(np.cov(rest.T, bias=True)))
        torch.testing.assert_close(found.likelihoods[0, k], fitted.log_prob(FEW[k]))
        offset = FEW[k].numpy() - rest.mean(0)
        assert float(found.distances[0, k]) == pytest.approx(offset @ np.linalg.solve(np.cov(rest.T, bias=True), offset))


def test_a_mean_and_a_covariance_that_count_as_different_numbers_are_those_of_the_posterior() -> None:
    """Murphy 2007, equations 250 to 254, its prior scatter that of 64 frames and its mean that of 8."""
    frames, mean, count = FEW.numpy(), FEW.numpy().mean(0), len(FEW)
    found, root = moved(FEW[None], ALL, CountsAs(8, 64))
    scatter = 64 * np.eye(5) + (frames - mean).T @ (frames - mean) + 8 * count / (8 + count) * np.outer(mean, mean)
    np.testing.assert_allclose(found[0], count * mean / (8 + count))
    np.testing.assert_allclose(torch.linalg.inv(root[0] @ root[0].T), scatter / (64 + count))


@pytest.mark.parametrize("few", [FEW, FEW + 1e4, FEW + 1e4 * torch.eye(9, 5)], ids=["near", "all far away", "some far away"])
def test_what_is_known_of_a_frame_without_it_is_what_the_others_alone_make_of_a_gaussian(few: torch.Tensor) -> None:
    own = CountsAs(8, 64)
    found = left_out(few[None], ALL, own)
    for k in range(len(few)):
        mean, root = moved(few[None, [row for row in range(9) if row != k]], ALL[:, 1:], own)
        fitted = MultivariateNormal(mean[0], torch.linalg.inv(root[0] @ root[0].T))
        torch.testing.assert_close(found.likelihoods[0, k], fitted.log_prob(few[k]))
        torch.testing.assert_close(found.distances[0, k], ((few[k] - mean[0]) @ root[0]).square().sum())


def test_a_frame_that_does_not_count_is_as_if_it_were_not_there() -> None:
    counts, own = ALL.clone(), CountsAs(4, 8)
    counts[0, 2] = False
    rest = FEW[[k for k in range(9) if k != 2]][None]
    torch.testing.assert_close(moved(FEW[None], counts, own)[1], moved(rest, ALL[:, 1:], own)[1])
    assert left_out(FEW[None], counts, own).likelihoods[0, 2] == 0


@pytest.mark.parametrize(
    ("shift", "spread", "mean", "covariance"),
    [(0, 1, (200, inf), (200, inf)), (3, 1, (4, 8), (500, inf)), (0, 4, (4, inf), (4, 16))],
    ids=["frames like its own", "another mean", "another spread"],
)
def test_frames_move_what_differs(
    shift: float, spread: float, mean: tuple[float, float], covariance: tuple[float, float]
) -> None:
    few = torch.from_numpy(np.random.default_rng(5).normal(shift, spread, (1, 40, 6)))
    own = likeliest([(few, torch.ones(1, 40, dtype=torch.bool))])
    assert mean[0] <= own.mean <= mean[1] and covariance[0] <= own.covariance <= covariance[1]


def test_a_gaussian_is_moved_in_its_own_coordinates() -> None:
    covariance = torch.from_numpy(np.cov(np.random.default_rng(7).normal(size=(40, 5)).T @ np.diag(np.ones(40))))
    centre = torch.arange(5.0).double()
    gaussian = Gaussian(centre, whitening(covariance), torch.tensor([1.0, 0.5]).double())
    few = FEW * 2 + 5
    (after,), share = move_gaussians([gaussian], [few])
    own = likeliest([(((few - centre) @ gaussian.root)[None], ALL)])
    centred, offset = few - few.mean(0), few.mean(0) - centre
    between = own.mean * len(few) / (own.mean + len(few)) * torch.outer(offset, offset)
    expected = (own.covariance * covariance + centred.T @ centred + between) / (own.covariance + len(few))
    assert 0 < share < 1
    torch.testing.assert_close(after.mean, centre + len(few) / (len(few) + own.mean) * offset)
    torch.testing.assert_close(torch.linalg.inv(after.root @ after.root.T), expected)


def test_a_mean_moves_where_a_covariance_must_not() -> None:
    few = torch.from_numpy(np.random.default_rng(4).normal(0.15, 1, (1, 40, 1280)))
    everywhere = torch.ones(1, 40, dtype=torch.bool)
    own = likeliest([(few, everywhere)])
    likelihoods = [float(left_out(few, everywhere, way).likelihoods.sum()) for way in (own, AS_IT_IS, CountsAs(1024, 1024))]
    assert own.mean < 100 and own.covariance > 500 and likelihoods == sorted(likelihoods, reverse=True)
