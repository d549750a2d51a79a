"""A few vectors that stand for many: the greedy coreset of a memory bank."""

from __future__ import annotations

import torch
from torch import Tensor


def greedy_coreset(vectors: Tensor, count: int, seed: int = 0, projected: int = 128) -> Tensor:
    """Return the rows (count,) that cover vectors (N, D) best: each the farthest from those before it.

    Sener and Savarese 2018, "Active Learning for Convolutional Neural Networks: A Core-Set Approach",
    https://arxiv.org/abs/1708.00489, Algorithm 1, on a random projection as in Roth et al. 2022.

    Parameters
    ----------
    count : rows to choose, at the most N
    seed : of the first row and of the projection
    projected : numbers of a vector after the random projection; vectors that have no more are taken as they are
    """
    generator = torch.Generator().manual_seed(seed)
    total, width = vectors.shape
    if width > projected:
        matrix = torch.randn(width, projected, generator=generator).to(vectors) / projected**0.5
        vectors = vectors @ matrix  # (N, projected)
    norms = vectors.square().sum(1)
    chosen = torch.empty(min(count, total), dtype=torch.long)
    nearest = torch.full((total,), torch.inf, dtype=vectors.dtype, device=vectors.device)
    row = int(torch.randint(total, (1,), generator=generator))
    for rank in range(len(chosen)):
        chosen[rank] = row
        squared = norms + norms[row] - 2 * (vectors @ vectors[row])  # (N,)
        nearest = torch.minimum(nearest, squared)
        nearest[row] = -torch.inf  # never twice, equal vectors or not
        row = int(nearest.argmax())
    return chosen
