"""The score of a frame moved to where its cross-conformal p-value puts it among the frames that a detector was fitted to.

A frame that a detector was fitted to is scored by the detector without the frame's fold, its own score. A new frame is compared
with each own score by the detector that the own one is from (`medgen.metrics.cross_conformal`). So many comparisons have no one
threshold; a score that is moved into the gap of own scores that they say has one, and no more is read from it than they say.
"""

from __future__ import annotations

import torch
from torch import Tensor


def placed(scores: Tensor, without: Tensor, own: Tensor, folds: Tensor, shares: Tensor) -> Tensor:
    """Return scores (B,) float32, moved as little as it takes for as many own scores to be at or above each as the folds say.

    Where an own score counts for a share, as much may lie between two of them: it is rounded up, so that no p-value falls.

    Parameters
    ----------
    scores : (B,) by the detector of all frames
    without : (B, K) by the detector without each fold
    own : (n,) float32, score of each frame that was fitted to, by the detector without its fold
    folds : (n,) int64, 0 to K - 1, of these frames
    shares : (n,) float64, what each of them counts for
    """
    above = (own >= without.float()[:, folds]).double() @ shares  # (B,)
    values, order = own.sort()
    tails = torch.cat([torch.zeros(1, dtype=torch.float64), shares[order].flip(0).cumsum(0)])  # of the highest 0, 1, ..., n
    ends = torch.tensor([torch.inf])
    places = torch.searchsorted(tails, above - 1e-9)  # how many of the highest own scores are at or above
    highest = torch.cat([values, ends])[len(values) - places]  # no frame is put above it
    below = torch.cat([-ends, values])[torch.searchsorted(values, highest)]  # the next lower own score, above which it is put
    return torch.minimum(torch.maximum(scores.float(), torch.nextafter(below, ends)), highest)
