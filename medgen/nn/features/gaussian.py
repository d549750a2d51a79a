"""Gaussians fitted to few vectors of many numbers: the covariance shrunk so that it can be inverted."""

from __future__ import annotations

from typing import Literal, NamedTuple, Self

import torch
from torch import Tensor

RIDGE = 1e-9  # of a variance: a number may be the same in every vector
FOLDS = 4
FEWEST = 3  # vectors that tell one direction from another
Statistic = Literal["mean", "std", "max"]


class Gaussian(NamedTuple):
    """A Gaussian, and how far from it vectors of the same kind are that it was not fitted to.

    Attributes
    ----------
    mean : (c,) float64
    root : (c, c) float64, whitening matrix
    usual : (2,) float64, mean and standard deviation of the held-out distances; saved weights have it under this name
    """

    mean: Tensor
    root: Tensor
    usual: Tensor

    @classmethod
    def fit(cls, vectors: Tensor, distances: Tensor) -> Self:
        """Fit to vectors (N, c), whose held-out distances (N,) are from `held_out`."""
        return cls(*_fit(vectors.double()), usual_of(distances))

    def distance(self, vectors: Tensor) -> Tensor:
        """Return how much farther vectors (B, c) are from the mean than is usual, in standard deviations, (B,) float64.

        The distance is the squared one of Mahalanobis, divided by c.
        """
        return (_distance(vectors.double(), self.mean, self.root) - self.usual[0]) / self.usual[1]


def held_out(vectors: Tensor, rows: Tensor, others: Tensor, other_rows: Tensor, of: Tensor | None = None) -> Tensor:
    """Return the distance (M,) of `others` (M, c) from Gaussians of those vectors (N, c) that are not of their own fold.

    The folds are those of `sub_folds` of the rows `of`; by default, of the vectors' own.
    """
    folds, other_folds = (sub_folds(rows if of is None else of, numbers) for numbers in (rows, other_rows))
    distances = torch.zeros(len(others), dtype=torch.float64)
    for fold in range(FOLDS):
        rest = vectors[folds != fold]
        distances[other_folds == fold] = _distance(
            others[other_folds == fold].double(), *_fit((rest if len(rest) else vectors).double())
        )
    return distances


def usual_of(distances: Tensor) -> Tensor:
    """Return mean and standard deviation (2,) of distances (N,); of a single one a deviation of 1."""
    deviation = distances.std().clamp_min(1e-12) if len(distances) > 1 else torch.ones_like(distances[0])
    return torch.stack([distances.mean(), deviation])


def sub_folds(rows: Tensor, numbers: Tensor) -> Tensor:
    """Return the fold (M,) int64 of numbers (M,) of rows, where rows (N,) of the data set are divided evenly.

    Folds are runs of rows, so that frames of one video are in one fold, but for those at its ends.
    """
    edges = torch.quantile(rows.unique().double(), torch.linspace(0, 1, FOLDS + 1, dtype=torch.float64)[1:-1])
    return torch.bucketize(numbers.double(), edges)


def pooled(maps: Tensor, counts: Tensor, statistic: Statistic) -> Tensor:
    """Return a statistic (B, c) of maps (B, c, h, w) over the cells (B, 1, h, w) bool that count; 0 where none does."""
    if statistic == "max":
        highest = maps.masked_fill(~counts, -torch.inf).amax((2, 3))
        return highest.masked_fill(highest.isinf(), 0)
    total = counts.sum((2, 3)).clamp_min(1)
    mean = (maps * counts).sum((2, 3)) / total
    if statistic == "mean":
        return mean
    return (((maps - mean[..., None, None]).square() * counts).sum((2, 3)) / total).sqrt()


def _fit(vectors: Tensor) -> tuple[Tensor, Tensor]:
    covariance, _ = shrunk_covariance(vectors)
    return vectors.mean(0), whitening(covariance + RIDGE * torch.eye(len(covariance), dtype=covariance.dtype))


def _distance(vectors: Tensor, mean: Tensor, root: Tensor) -> Tensor:
    return ((vectors - mean) @ root).square().mean(1)  # (B,)


def shrunk_covariance(vectors: Tensor) -> tuple[Tensor, float]:
    """Return the covariance of vectors (N, D), shrunk towards a multiple of the identity, and by how much, 0 to 1.

    The share is the one with the least expected squared error (Ledoit and Wolf 2004, "A well-conditioned estimator for
    large-dimensional covariance matrices", https://doi.org/10.1016/S0047-259X(03)00096-4). Two vectors lie alike on both sides of
    their mean: the estimate of that error is 0, and so would be the share, with no variance in any other direction.

    Returns
    -------
    (D, D) float64 and the share; of two vectors the multiple of the identity and 1, of fewer the identity and 1.
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
    share = float((noise / distance).clamp(0, 1)) if distance > 0 and count >= FEWEST else 1.0
    return (1 - share) * covariance + share * target, share


def whitening(covariance: Tensor) -> Tensor:
    """Return W (D, D) with W W^T the inverse of the covariance, so that |(x - mean) W| is the Mahalanobis distance."""
    root = torch.linalg.cholesky(covariance)
    return torch.linalg.solve_triangular(root, torch.eye(len(root), dtype=root.dtype, device=root.device), upper=False).T
