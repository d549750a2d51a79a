"""Gaussians moved towards few frames: what comes out is what pooled frames give, and what leaving each out gives."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.distributions import MultivariateNormal

from medgen.nn.features.few_frames import left_out, likeliest, move_gaussians, moved
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
    mean, root = moved(FEW[None], ALL, 16.0)
    np.testing.assert_allclose(mean[0], together.mean(0))
    np.testing.assert_allclose(torch.linalg.inv(root[0] @ root[0].T), np.cov(together.T, bias=True))


@pytest.mark.parametrize("own", [8, 64])
def test_what_is_known_of_a_frame_without_it_is_what_a_fit_without_it_says(own: int) -> None:
    found = left_out(FEW[None], ALL, own)
    for k in range(len(FEW)):
        rest = np.concatenate([standard_frames(own, 5), np.delete(FEW.numpy(), k, 0)])
        fitted = MultivariateNormal(torch.from_numpy(rest.mean(0)), torch.from_numpy(np.cov(rest.T, bias=True)))
        torch.testing.assert_close(found.likelihoods[0, k], fitted.log_prob(FEW[k]))
        offset = FEW[k].numpy() - rest.mean(0)
        assert float(found.distances[0, k]) == pytest.approx(offset @ np.linalg.solve(np.cov(rest.T, bias=True), offset))


def test_a_frame_that_does_not_count_is_as_if_it_were_not_there() -> None:
    counts = ALL.clone()
    counts[0, 2] = False
    rest = FEW[[k for k in range(9) if k != 2]][None]
    torch.testing.assert_close(moved(FEW[None], counts, 8.0)[1], moved(rest, ALL[:, 1:], 8.0)[1])
    assert left_out(FEW[None], counts, 8.0).likelihoods[0, 2] == 0


def test_frames_like_its_own_move_a_gaussian_least_and_others_most() -> None:
    random = np.random.default_rng(5)
    like, unlike = (torch.from_numpy(random.normal(shift, 1, (1, 40, 6))) for shift in (0, 3))
    counts = torch.ones(1, 40, dtype=torch.bool)
    assert likeliest([(like, counts)]) > 200 > 20 > likeliest([(unlike, counts)])


def test_a_gaussian_is_moved_in_its_own_coordinates() -> None:
    covariance = torch.from_numpy(np.cov(np.random.default_rng(7).normal(size=(40, 5)).T @ np.diag(np.ones(40))))
    centre = torch.arange(5.0).double()
    gaussian = Gaussian(centre, whitening(covariance), torch.tensor([1.0, 0.5]).double())
    few = FEW * 2 + 5
    (after,), share = move_gaussians([gaussian], [few])
    offset = few.mean(0) - centre
    local = torch.from_numpy(np.cov(few.numpy().T, bias=True))
    expected = (1 - share) * covariance + share * local + share * (1 - share) * torch.outer(offset, offset)
    assert 0 < share < 1
    torch.testing.assert_close(after.mean, centre + share * offset)
    torch.testing.assert_close(torch.linalg.inv(after.root @ after.root.T), expected)
