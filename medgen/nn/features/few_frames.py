"""A Gaussian of many normal frames moved towards few of another place, as though they had been among them.

The mean of a Gaussian counts as k frames, its covariance as v, and the n few ones count as themselves. With x and C mean and
covariance of the few, seen from the mean m of the Gaussian with covariance S, the moved mean is m + n / (n + k) x and the moved
covariance (v S + n C + k n / (n + k) x xᵀ) / (n + v). That is the posterior mode under a normal-inverse-Wishart prior of k and v
frames (Murphy 2007, "Conjugate Bayesian analysis of the Gaussian distribution", section 9), up to counts of degrees of freedom.
Another camera moves the mean of all its frames together, which few frames show well, while a covariance of many dimensions takes
many. What each counts as is what makes each of the few likeliest to a Gaussian that was moved by the others; to leave one out is
a change of rank one, so it takes no second fit.

All is computed where the Gaussian is a standard one, since its whitening matrix is known, and with matrices of n + 1 rows.
Shape letters: P Gaussians of one kind, n frames, c numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, log, pi
from typing import NamedTuple

import torch
from torch import Tensor

from medgen.nn.features.gaussian import Gaussian, whitening

COUNTS_AS = (4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0)  # frames


class CountsAs(NamedTuple):
    """As how many frames a Gaussian counts, above 0."""

    mean: float
    covariance: float

    def share(self, few: int) -> float:
        """Return the share of so many frames in the covariance, 0 to 1, which is what is told of a move."""
        return few / (few + self.covariance)


AS_IT_IS = CountsAs(inf, inf)  # the few move nothing


class LeftOut(NamedTuple):
    """What Gaussians that were moved by all frames but one say of that one.

    Attributes
    ----------
    likelihoods : (P, n) log densities where the Gaussian that is moved is a standard one; 0 for a frame that does not count
    distances : (P, n) squared distances of Mahalanobis; 0 for a frame that does not count
    """

    likelihoods: Tensor
    distances: Tensor


def left_out(vectors: Tensor, counts: Tensor, own: CountsAs) -> LeftOut:
    """Return what is known of each frame without it.

    Parameters
    ----------
    vectors : (P, n, c) float64, whitened by the Gaussians
    counts : (P, n) bool, which frames count
    own : as how many frames each Gaussian counts
    """
    width = vectors.shape[2]
    if own == AS_IT_IS:
        distances = vectors.square().sum(2) * counts
        return LeftOut(-0.5 * (width * log(2 * pi) + distances) * counts, distances)
    return _left_out(_products(vectors, counts), counts, width, own)


def _products(vectors: Tensor, counts: Tensor) -> Tensor:
    """Return the inner products (P, n + 1, n + 1) of the frames less their mean, and of that mean, which is the last one."""
    centred, mean, _ = _centred(vectors, counts)
    rows = torch.cat([centred, mean], 1)  # (P, n + 1, c)
    return rows @ rows.transpose(1, 2)


def _left_out(products: Tensor, counts: Tensor, width: int, own: CountsAs) -> LeftOut:
    """Return the same of `_products`, which serve all numbers that Gaussians of so many numbers may count as.

    The scatter of the moved Gaussian is v I + Rᵀ R, with the centred frames and a multiple of their mean as the rows of R, and N
    is what the mean counts with the frames, n + k. A frame less the moved mean is t R with a row t of |t|² = (N - 1) / N; without
    that frame the determinant of the scatter is N / (N - 1) v t (v I + R Rᵀ)⁻¹ tᵀ of what it was. Squares are added alone, so
    that a frame may be far away.
    """
    counted = counts.to(products)  # (P, n)
    number = counted.sum(1, keepdim=True)  # (P, 1)
    of_mean, of_covariance = number + own.mean, number + own.covariance
    scale = torch.cat([torch.ones_like(counted), (own.mean * number / of_mean).sqrt()], 1)  # (P, n + 1)
    identity = torch.eye(scale.shape[1], dtype=products.dtype)
    factor = torch.linalg.cholesky(products * scale[:, None] * scale[..., None] + own.covariance * identity)
    between = counted * (own.mean / (number.clamp_min(1) * of_mean)).sqrt()
    centring = identity[:-1, :-1] - counted[:, None] * counted[..., None] / number.clamp_min(1)[..., None]  # (P, n, n)
    inner = torch.linalg.solve_triangular(factor, torch.cat([centring, between[:, None]], 1), upper=False)  # (P, n + 1, n)
    farther = of_mean / (of_mean - 1)  # how much farther a frame is from the mean that it had no part in
    rest = farther * own.covariance * inner.square().sum(1)  # (P, n)
    distances = (of_covariance - 1) * farther * (1 / rest - 1)
    determinant = (width - scale.shape[1]) * log(own.covariance) + 2 * factor.diagonal(dim1=1, dim2=2).log().sum(1, keepdim=True)
    logs = width * log(2 * pi) + determinant + rest.log() - width * (of_covariance - 1).log() + distances
    return LeftOut(-0.5 * logs * counts, distances * counts)


def likeliest(blocks: Sequence[tuple[Tensor, Tensor]]) -> CountsAs:
    """Return what makes the frames likeliest, each without its own help, over all blocks (vectors, counts).

    Both counts are chosen as one, then that of the mean and that of the covariance alone: each look at many Gaussians takes time.
    """

    def best(*ways: CountsAs) -> CountsAs:
        sums = dict.fromkeys(ways, 0.0)
        for vectors, counts in blocks:
            products = _products(vectors, counts)
            for own in sums:
                found = left_out(vectors, counts, own) if own == AS_IT_IS else _left_out(products, counts, vectors.shape[2], own)
                sums[own] += float(found.likelihoods.sum())
        return max(sums, key=lambda own: sums[own])  # of equals the first

    own = best(*(CountsAs(count, count) for count in reversed(COUNTS_AS)))
    own = best(own, *(CountsAs(count, own.covariance) for count in COUNTS_AS))
    own = best(own, *(CountsAs(own.mean, count) for count in COUNTS_AS))
    return best(AS_IT_IS, own)  # at last: a mean may move where both together must not


def moved(vectors: Tensor, counts: Tensor, own: CountsAs) -> tuple[Tensor, Tensor]:
    """Return mean (P, c) and whitening matrix (P, c, c) of the moved Gaussians, where those that are moved are standard ones."""
    width = vectors.shape[2]
    identity = torch.eye(width, dtype=vectors.dtype).expand(len(vectors), width, width)
    if own == AS_IT_IS:
        return torch.zeros(len(vectors), width, dtype=vectors.dtype), identity.clone()
    centred, mean, number = _centred(vectors, counts)
    number = number[..., None]  # (P, 1, 1)
    share = number / (number + own.mean)
    scatter = centred.transpose(1, 2) @ centred + own.mean * share * mean.transpose(1, 2) @ mean
    covariance = (own.covariance * identity + scatter) / (own.covariance + number)
    return (share * mean)[:, 0], torch.stack([whitening(matrix) for matrix in covariance])


def move_gaussians(gaussians: Sequence[Gaussian], blocks: Sequence[Tensor]) -> tuple[list[Gaussian], float]:
    """Return Gaussians each moved towards few frames as far as these make likeliest, and the mean share of these in them, 0 to 1.

    What is usual moves with them: the distances of the few from a Gaussian that each of them had no part in are pooled with those
    that were usual before, in the shares of the covariance.

    Parameters
    ----------
    gaussians : as they are
    blocks : (n, c) of the few frames, for each Gaussian
    """
    everywhere = torch.ones(1, len(blocks[0]), dtype=torch.bool)
    results, shares = [], []
    for gaussian, block in zip(gaussians, blocks, strict=True):
        vectors = ((block.double().cpu() - gaussian.mean) @ gaussian.root)[None]
        own = likeliest([(vectors, everywhere)])
        shares.append(own.share(len(block)))
        if own == AS_IT_IS:
            results.append(gaussian)
            continue
        mean, root = moved(vectors, everywhere, own)
        distances = left_out(vectors, everywhere, own).distances[0] / block.shape[1]
        centre = gaussian.mean + torch.linalg.solve(gaussian.root.T, mean[0])
        results.append(Gaussian(centre, gaussian.root @ root[0], _pooled_usual(gaussian.usual, distances, shares[-1])))
    return results, sum(shares) / len(shares)


def _pooled_usual(usual: Tensor, distances: Tensor, share: float) -> Tensor:
    """Return mean and standard deviation (2,) of a mixture of what was usual (2,) and distances (n,), which have the share."""
    mean = (1 - share) * usual[0] + share * distances.mean()
    variance = (1 - share) * usual[1] ** 2 + share * distances.var() + share * (1 - share) * (usual[0] - distances.mean()) ** 2
    return torch.stack([mean, variance.sqrt()])


def _centred(vectors: Tensor, counts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return vectors less their mean (P, n, c), 0 where they do not count, the mean (P, 1, c), and how many count (P, 1)."""
    number = counts.sum(1, keepdim=True).to(vectors)
    mean = (vectors * counts[..., None]).sum(1, keepdim=True) / number.clamp_min(1)[..., None]
    return (vectors - mean) * counts[..., None], mean, number
