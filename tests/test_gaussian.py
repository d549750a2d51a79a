"""The shrunk covariance is that of scikit-learn, and whitening makes distances of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.distance import mahalanobis
from sklearn.covariance import LedoitWolf

from medgen.nn.features.gaussian import shrunk_covariance, whitening


def vectors(count: int, width: int = 12) -> torch.Tensor:
    torch.manual_seed(0)
    return torch.randn(count, width) @ torch.randn(width, width) + 3


@pytest.mark.parametrize("count", [3, 8, 13, 400])
def test_covariance_and_shrinkage_are_those_of_scikit_learn(count: int) -> None:
    covariance, share = shrunk_covariance(vectors(count))
    theirs = LedoitWolf().fit(vectors(count).double().numpy())
    np.testing.assert_allclose(covariance.numpy(), theirs.covariance_, rtol=1e-6, atol=1e-9)
    assert share == pytest.approx(theirs.shrinkage_, rel=1e-6)


def test_one_vector_has_the_identity() -> None:
    covariance, share = shrunk_covariance(vectors(1))
    assert torch.equal(covariance, torch.eye(12, dtype=torch.float64)) and share == 1


def test_two_vectors_have_as_much_variance_in_every_direction() -> None:
    covariance, share = shrunk_covariance(vectors(2))
    size = float(vectors(2).double().var(0, correction=0).mean())
    torch.testing.assert_close(covariance, size * torch.eye(12, dtype=torch.float64))
    assert share == 1


def test_equal_vectors_have_no_covariance() -> None:
    covariance, _ = shrunk_covariance(torch.ones(5, 3))
    assert (covariance == 0).all()


def test_whitened_lengths_are_mahalanobis_distances() -> None:
    covariance, _ = shrunk_covariance(vectors(40))
    point = torch.arange(12, dtype=torch.float64)
    expected = mahalanobis(point.numpy(), np.zeros(12), np.linalg.inv(covariance.numpy()))
    assert float((point @ whitening(covariance)).norm()) == pytest.approx(expected)
