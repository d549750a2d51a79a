"""Which set of blocks of features a detector takes: by votes of held-out normal frames and of such with a foreign patch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def set_votes(sets: Sequence[tuple[int, ...]], normal: Sequence[Tensor], foreign: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Return the vote and its standard error of each set, by standardised distances of held-out frames, (N,) and (M,) a block."""
    sums = [[torch.stack([of[number] for number in chosen]).sum(0) for of in (normal, foreign)] for chosen in sets]
    votes, errors = zip(*(vote(*pair) for pair in sums), strict=True)
    return torch.stack(votes).float(), torch.stack(errors).float()


def vote(normal: Tensor, foreign: Tensor) -> tuple[Tensor, Tensor]:
    """Return how often a frame with a foreign patch (M,) is farther than a normal one (N,), and the standard error of that share.

    DeLong et al. 1988, https://doi.org/10.2307/2531595. Of fewer than two frames on a side the error may be any: it is infinite.
    """
    above = (foreign[:, None] > normal).double()  # (M, N)
    if min(above.shape) < 2:
        return above.sum() / max(1, above.numel()), above.new_tensor(torch.inf)
    return above.mean(), (above.mean(1).var() / len(foreign) + above.mean(0).var() / len(normal)).sqrt()


def chosen_set(sets: Sequence[tuple[int, ...]], votes: Tensor, errors: Tensor) -> int:
    """Return the index of the set to take: of those within a standard error of the best one, the one of the most blocks.

    So small a difference between votes is chance, and the mean over more blocks depends less on any one of them (the rule of one
    standard error: Breiman et al. 1984, "Classification and Regression Trees", section 3.4.3).
    """
    best = int(votes.argmax())
    near = [k for k in range(len(sets)) if votes[k] >= votes[best] - errors[best]]
    return max(near, key=lambda k: (len(sets[k]), float(votes[k])))
