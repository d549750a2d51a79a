"""Gaussians without each fold of their vectors, in closed form: what a fit to the rest would give, without that fit.

To leave n vectors out takes n + 1 outer products from the scatter matrix: those of the vectors, and that of the step of the mean.
In the basis of its eigenvectors the scatter of all vectors is diagonal, and so it stays with the shrinkage that the rest asks
for (Ledoit and Wolf 2004, as in `gaussian.shrunk_covariance`). Woodbury's identity (Golub and Van Loan 2013, "Matrix
Computations", section 2.1.4) then gives distances by matrices of n + 1 rows: neither K fits are made nor K covariances kept.

Shape letters: N vectors, c numbers, K folds.
"""

from __future__ import annotations

import torch
from torch import Tensor

from medgen.nn.features.gaussian import FEWEST, RIDGE, sub_folds


class GaussiansWithout:
    """The Gaussians of vectors without each of K folds.

    Parameters
    ----------
    vectors : (N, c)
    folds : (N,) int64, 0 to K - 1; a fold may be empty
    count : K
    """

    def __init__(self, vectors: Tensor, folds: Tensor, count: int) -> None:
        self.mean = vectors.double().mean(0)
        centred = vectors.double() - self.mean
        scatter, self.basis = torch.linalg.eigh(centred.T @ centred)  # (c,), (c, c)
        self._scatter, self._own = scatter.clamp_min(0), centred @ self.basis
        self._parts = [self._without(folds == fold) for fold in range(count)]

    def distance(self, vectors: Tensor) -> Tensor:
        """Return the squared distance of Mahalanobis, divided by c, of vectors (B, c) from each Gaussian, (B, K) float64."""
        turned = (vectors.double() - self.mean) @ self.basis  # (B, c)
        distances = [self._distance(turned - offset, variances, rows) for offset, variances, rows in self._parts]
        return torch.stack(distances, 1)

    def _distance(self, vectors: Tensor, variances: Tensor, rows: Tensor) -> Tensor:
        return ((vectors.square() / variances).sum(1) + (vectors @ rows.T).square().sum(1)) / vectors.shape[1]

    def _without(self, out: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the step of the mean (c,), a diagonal (c,) and rows R (r, c): the inverse covariance is 1 / diagonal + RᵀR."""
        own, width, rest = self._own[out], self._own.shape[1], int((~out).sum())
        offset = self._own[~out].mean(0) if rest else torch.zeros(width, dtype=torch.float64)
        if rest < 2:  # as in `shrunk_covariance`
            return offset, torch.full_like(offset, 1 + RIDGE), self._own[:0]
        gone = torch.cat([own, rest**0.5 * offset[None]])  # (r, c): the rest has the scatter of all less goneᵀ gone
        total = self._scatter.sum() - gone.square().sum()
        gram = gone @ gone.T
        squares = self._scatter.square().sum() - 2 * (gone.square() @ self._scatter).sum() + gram.square().sum()
        size, squared = total / (rest * width), squares / rest**2
        fourth = (self._own[~out] - offset).square().sum(1).square().mean()
        distance = squared - width * size**2  # of the covariance from the multiple of the identity
        told = distance > 0 and rest >= FEWEST
        share = ((fourth - squared) / rest / distance).clamp(0, 1) if told else torch.ones_like(distance)
        variances = (1 - share) * self._scatter / rest + share * size + RIDGE
        scaled = ((1 - share) / rest).sqrt() * gone
        inner = torch.eye(len(scaled), dtype=torch.float64) - (scaled / variances) @ scaled.T
        return offset, variances, torch.linalg.solve_triangular(torch.linalg.cholesky(inner), scaled / variances, upper=False)


def held_out_without(vectors: Tensor, rows: Tensor, folds: Tensor, count: int, others: Tensor, other_rows: Tensor) -> Tensor:
    """Return what `gaussian.held_out` would of the vectors without each fold, its own folds being those of all vectors.

    Parameters
    ----------
    vectors : (N, c) of the data set's rows (N,)
    folds : (N,) int64, 0 to `count` - 1
    others : (M, c) of the data set's rows (M,)

    Returns
    -------
    (M, K) float64, the distance of each of `others` from the Gaussian of the vectors that are of neither fold.
    """
    own, of_others = sub_folds(rows, rows), sub_folds(rows, other_rows)
    distances = torch.zeros(len(others), count, dtype=torch.float64)
    everywhere = None
    for fold in of_others.unique().tolist():
        here, rest = of_others == fold, own != fold
        nothing = torch.tensor([not (folds[rest] != out).any() for out in range(count)])
        if nothing.any():
            everywhere = everywhere or GaussiansWithout(vectors, folds, count)
            distances[here] = everywhere.distance(others[here])
        if rest.any():
            distances[here] = torch.where(
                nothing, distances[here], GaussiansWithout(vectors[rest], folds[rest], count).distance(others[here])
            )
    return distances
