"""Gaussians fitted to few vectors of many numbers: the covariance shrunk so that it can be inverted."""

from __future__ import annotations

import torch
from torch import Tensor


def shrunk_covariance(vectors: Tensor) -> tuple[Tensor, float]:
    """Return the covariance of vectors (N, D), shrunk towards a multiple of the identity, and by how much, 0 to 1.

    The share is the one with the least expected squared error (Ledoit and Wolf 2004, "A well-conditioned estimator for
    large-dimensional covariance matrices", https://doi.org/10.1016/S0047-259X(03)00096-4).

    Returns
    -------
    (D, D) float64 and the share; of fewer than two vectors the identity and 1.
    """
    count, width = vectors.shape
    if count < 2:
        return torch.eye(width, dtype=torch.float64, device=vectors.device), 1.0
    centred = vectors.double() - vectors.double().mean(0)
    covariance = centred.T @ centred / count  # (D, D)
    size = covariance.diagonal().mean()
    target = size * torch.eye(width, dtype=torch.float64, device=vectors.device)
    distance = (covariance - target).square().sum()
    fourth = (centred.square().T @ centred.square()).sum() / count  # sum over entries of E[(x_i x_j)^2]
    noise = (fourth - covariance.square().sum()) / count
    share = float((noise / distance).clamp(0, 1)) if distance > 0 else 1.0
    return (1 - share) * covariance + share * target, share


def whitening(covariance: Tensor) -> Tensor:
    """Return W (D, D) with W W^T the inverse of the covariance, so that |(x - mean) W| is the Mahalanobis distance."""
    root = torch.linalg.cholesky(covariance)
    return torch.linalg.solve_triangular(root, torch.eye(len(root), dtype=root.dtype, device=root.device), upper=False).T
