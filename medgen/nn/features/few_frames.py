"""A Gaussian of many normal frames moved towards few of another place, as though they had been among them.

A Gaussian counts as k frames and the n few ones as themselves, so that their share in the result is w = n / (n + k): the mean is
(1 - w) m + w x and the covariance (1 - w) S + w C + w (1 - w) (x - m)(x - m)ᵀ, with x and C mean and covariance of the few. That
is the posterior mode under a normal-inverse-Wishart prior of k frames (Murphy 2007, "Conjugate Bayesian analysis of the Gaussian
distribution", section 9), up to counts of degrees of freedom. How many frames the Gaussian counts as is what makes each of the
few likeliest to a Gaussian that was moved by the others; to leave one out is a change of rank one, so it takes no second fit.

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

COUNTS_AS = (4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, inf)  # frames; inf: the few move nothing


class LeftOut(NamedTuple):
    """What Gaussians that were moved by all frames but one say of that one.

    Attributes
    ----------
    likelihoods : (P, n) log densities where the Gaussian that is moved is a standard one; 0 for a frame that does not count
    distances : (P, n) squared distances of Mahalanobis; 0 for a frame that does not count
    """

    likelihoods: Tensor
    distances: Tensor


def left_out(vectors: Tensor, counts: Tensor, own: float) -> LeftOut:
    """Return what is known of each frame without it.

    Parameters
    ----------
    vectors : (P, n, c) float64, whitened by the Gaussians
    counts : (P, n) bool, which frames count
    own : k, the frames that each Gaussian counts as, above 0; `inf` moves nothing
    """
    width = vectors.shape[2]
    if own == inf:
        distances = vectors.square().sum(2) * counts
        return LeftOut(-0.5 * (width * log(2 * pi) + distances) * counts, distances)
    centred, mean, number = _centred(vectors, counts)
    total = number + own  # (P, 1)
    between = (own * number / total).sqrt()[..., None] * mean  # (P, 1, c)
    root = torch.cat([centred, between], 1)  # (P, n + 1, c), a root of the scatter without the k I of the Gaussian
    gram = root @ root.transpose(1, 2) + own * torch.eye(root.shape[1], dtype=root.dtype)
    factor = torch.linalg.cholesky(gram)
    offsets = (vectors - (number / total)[..., None] * mean) * counts[..., None]  # (P, n, c) from the moved mean
    inner = torch.linalg.solve_triangular(factor, root @ offsets.transpose(1, 2), upper=False)  # (P, n + 1, n)
    leverage = (offsets.square().sum(2) - inner.square().sum(1)) / own  # (P, n), squared distances in the scatter
    rest = 1 - leverage * total / (total - 1)
    determinant = (width - root.shape[1]) * log(own) + 2 * factor.diagonal(dim1=1, dim2=2).log().sum(1, keepdim=True)
    distances = total**2 / (total - 1) * leverage / rest
    logs = width * log(2 * pi) + determinant + rest.log() - width * (total - 1).log() + distances
    return LeftOut(-0.5 * logs * counts, distances * counts)


def likeliest(blocks: Sequence[tuple[Tensor, Tensor]]) -> float:
    """Return which of `COUNTS_AS` makes the frames likeliest, each without its own help, over all blocks (vectors, counts)."""
    sums = [sum(float(left_out(vectors, counts, own).likelihoods.sum()) for vectors, counts in blocks) for own in COUNTS_AS]
    return max(zip(sums, COUNTS_AS, strict=True))[1]  # of equals the one that moves less


def moved(vectors: Tensor, counts: Tensor, own: float) -> tuple[Tensor, Tensor]:
    """Return mean (P, c) and whitening matrix (P, c, c) of the moved Gaussians, where those that are moved are standard ones."""
    width = vectors.shape[2]
    identity = torch.eye(width, dtype=vectors.dtype).expand(len(vectors), width, width)
    if own == inf:
        return torch.zeros(len(vectors), width, dtype=vectors.dtype), identity.clone()
    centred, mean, number = _centred(vectors, counts)
    share = (number / (number + own))[..., None]  # (P, 1, 1)
    local = centred.transpose(1, 2) @ centred / number.clamp_min(1)[..., None]
    covariance = (1 - share) * identity + share * local + share * (1 - share) * mean.transpose(1, 2) @ mean
    return (share * mean)[:, 0], torch.stack([whitening(matrix) for matrix in covariance])


def move_gaussians(gaussians: Sequence[Gaussian], blocks: Sequence[Tensor]) -> tuple[list[Gaussian], float]:
    """Return Gaussians moved towards few frames, all by one share, and that share, 0 to 1.

    What is usual moves with them: the distances of the few from a Gaussian that each of them had no part in are pooled with those
    that were usual before, in the same shares.

    Parameters
    ----------
    gaussians : as they are
    blocks : (n, c) of the few frames, for each Gaussian
    """
    everywhere = torch.ones(1, len(blocks[0]), dtype=torch.bool)
    whitened = [
        ((block.double().cpu() - gaussian.mean) @ gaussian.root)[None] for gaussian, block in zip(gaussians, blocks, strict=True)
    ]
    own = likeliest([(vectors, everywhere) for vectors in whitened])
    if own == inf:
        return [*gaussians], 0.0
    share = len(blocks[0]) / (len(blocks[0]) + own)
    results = []
    for gaussian, block, vectors in zip(gaussians, blocks, whitened, strict=True):
        _, root = moved(vectors, everywhere, own)
        mean = gaussian.mean + share * (block.double().cpu().mean(0) - gaussian.mean)
        distances = left_out(vectors, everywhere, own).distances[0] / block.shape[1]
        results.append(Gaussian(mean, gaussian.root @ root[0], _pooled_usual(gaussian.usual, distances, share)))
    return results, share


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
