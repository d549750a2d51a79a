"""One score from several components that have nothing in common but their order: by how rare each is among normal frames.

A component becomes -log10 p, p being how often a normal frame has a value as high: 0 for the most ordinary frame, 1 for one frame
in ten. Up to the median the normal frames are counted; above it an exponential tail takes over, fitted to them (its mean excess,
the most likely one), because beyond the highest of n frames a count says no more than 1 / n. The components are averaged. The
mean of -log p is Fisher's way of joining p-values (1925), up to a factor; here the components depend on one another, so the
result is a score and no p-value: the threshold comes from other normal frames.

A component may be unusual below what is usual, too: where the code of a frame diverges less from the prior (KL) than those of
normal frames do, the encoder may see nothing in it that it knows. To either side p is twice the smaller one of how often a normal
frame is as high, and how often as low.
"""

from __future__ import annotations

from collections.abc import Container, Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medgen.errors import MedgenError

LOG2 = float(np.log10(2))  # -log10 p of the median
FEWEST = 8  # normal frames that a tail can be fitted to


def neg_log10_p(normal_scores: ArrayLike, scores: ArrayLike) -> NDArray[np.float64]:
    """Return -log10 of how often a normal frame scores as high as each score.

    Parameters
    ----------
    normal_scores : (n,) of normal frames, n at least `FEWEST`
    scores : (N,)

    Returns
    -------
    (N,), at least 0, rising with the score.

    Raises
    ------
    MedgenError : if there are too few normal scores or one is not finite.
    """
    reference, values = np.sort(np.asarray(normal_scores, dtype=np.float64)), np.asarray(scores, dtype=np.float64)
    if reference.size < FEWEST:
        raise MedgenError(
            f"fusing components needs at least {FEWEST} normal validation frames to weigh them by, got {reference.size}"
        )
    if not np.isfinite(reference).all() or not np.isfinite(values).all():
        raise MedgenError("a component of a score is NaN or infinite; expected finite numbers: leave it out of scoring.fuse")
    middle = float(np.median(reference))
    ranks = np.interp(values, reference, np.arange(1, reference.size + 1) / (reference.size + 1), left=0.0)
    counted = -np.log10(1 - np.minimum(ranks, 0.5))  # 0 to log 2, at the median
    excess = float((reference[reference > middle] - middle).mean()) if (reference > middle).any() else 0.0
    tail = LOG2 + np.maximum(values - middle, 0) / (excess or 1.0) / np.log(10)
    return np.where(values > middle, tail, counted)


def neg_log10_p_to_either_side(normal_scores: ArrayLike, scores: ArrayLike) -> NDArray[np.float64]:
    """Return what `neg_log10_p` does of the share of normal frames to the same side of the median: 0 there, rising away."""
    reference, values = np.asarray(normal_scores, dtype=np.float64), np.asarray(scores, dtype=np.float64)
    return np.maximum(0, np.maximum(neg_log10_p(reference, values), neg_log10_p(-reference, -values)) - LOG2)


def fuse(
    normal_components: Mapping[str, ArrayLike], components: Mapping[str, ArrayLike], to_either_side: Container[str] = ()
) -> NDArray[np.float64]:
    """Return the mean of -log10 p, (N,), over some components.

    Parameters
    ----------
    normal_components : (n,) of normal frames, of each component that counts
    components : (N,) of each
    to_either_side : components that are unusual where they are low, too
    """
    measured = [
        (neg_log10_p_to_either_side if name in to_either_side else neg_log10_p)(reference, components[name])
        for name, reference in normal_components.items()
    ]
    total = np.zeros_like(measured[0])  # np.mean adds eight or more of a single frame in another order than of several
    for part in measured:
        total += part
    return total / len(measured)
