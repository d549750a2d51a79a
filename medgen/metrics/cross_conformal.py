"""Conformal p-values by frames that a detector is fitted to as well, so that a small set is not divided in two.

The normal frames are divided into K folds, and K detectors are fitted, each without one fold. A frame of the set is scored by the
one detector that it had no part in, a new frame by all of them: its p-value is (1 + how many frames of the set have a score at or
above that of the new frame by the same detector) / (n + 1), the cross-conformal p-value of Vovk 2015, "Cross-conformal
predictors", Ann. Math. Artif. Intell. 74, 9 to 28; for anomaly scores: Hennhöfer and Preisach 2024, "Leave-One-Out-, Bootstrap-
and Cross-Conformal Anomaly Detectors", https://arxiv.org/abs/2402.16388.

What holds, whatever the detector: with a fold for each frame this is the one-sided jackknife+ (Barber, Candès, Ramdas and
Tibshirani 2021, "Predictive inference with the jackknife+", https://doi.org/10.1214/20-AOS1965), and a normal frame that is
exchangeable with those of the set has p <= a with a chance of at most 2 a, not a. For fewer folds (CV+) the bound there is a
little larger (`most_false_alarms`). Where a fold changes the detectors little, the chance is about a. Split conformal prediction
(`calibration`) has a itself, and fits to fewer frames.

Frames of a patient belong in one fold. Where groups are exchangeable and frames are not, each group counts once, by the shares of
`calibration.group_shares`: Lee, Barber and Willett 2023, "Distribution-free inference with hierarchical data",
https://arxiv.org/abs/2306.06342, have the jackknife+ for that case.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medgen.errors import MedgenError
from medgen.metrics.calibration import at_or_above


def group_folds(groups: ArrayLike, count: int, seed: int = 0) -> NDArray[np.int64]:
    """Return the fold (n,) of each frame, 0 to `count` - 1: whole groups, drawn at random, in folds of as many groups.

    Parameters
    ----------
    groups : (n,) names
    count : of the folds; where there are fewer groups, each is one

    Raises
    ------
    MedgenError : if there are fewer than two groups, or folds.
    """
    names, codes = np.unique(np.asarray(groups).astype(str), return_inverse=True)
    if min(len(names), count) < 2:
        raise MedgenError(f"{len(names)} groups in {count} folds; expected two or more of each")
    places = np.random.default_rng(seed).permutation(len(names))
    return (places % min(count, len(names)))[codes]


def most_false_alarms(rate: float, count: int, folds: int) -> float:
    """Return the bound of the chance, 0 to 1, that a cross-conformal p-value of a normal frame is at most `rate`.

    It is twice the rate, and for K folds of n frames min(2 (1 - 1 / K) / (n / K + 1), (1 - K / n) / (K + 1)) more (Barber et al.
    2021, theorem 4), which is nothing for a fold of each frame.

    Parameters
    ----------
    rate : in (0, 1)
    count : n, frames, or groups where these count
    folds : K, 1 to n, of as many frames each
    """
    extra = min(2 * (1 - 1 / folds) / (count / folds + 1), (1 - folds / count) / (folds + 1))
    return min(1.0, 2 * rate + extra)


def cross_p_value(
    own_scores: ArrayLike, folds: ArrayLike, scores: Sequence[ArrayLike], shares: ArrayLike | None = None
) -> NDArray[np.float64]:
    """Return the cross-conformal p-value of each new frame: small is anomalous.

    Parameters
    ----------
    own_scores : (n,) raw score of each frame of the set by the detector without its fold
    folds : (n,) int, 0 to K - 1
    scores : K of (N,), raw scores of the new frames by the detector without each fold
    shares : (n,) as from `calibration.group_shares`, where groups count once each; None where frames do

    Returns
    -------
    (N,) in [1 / (n + 1), 1], with G + 1 for n + 1 where G groups count.

    Raises
    ------
    MedgenError : if a score is NaN, or there are not as many detectors as folds.
    """
    own, parts = np.asarray(own_scores, dtype=np.float64), np.asarray(folds)
    if len(scores) != len(np.unique(parts)):
        raise MedgenError(f"{len(np.unique(parts))} folds and the scores of {len(scores)} detectors; expected one for each")
    each = np.ones(len(own)) if shares is None else np.asarray(shares, dtype=np.float64)
    above = sum(at_or_above(own[parts == fold], by, each[parts == fold]) for fold, by in enumerate(scores))
    return np.asarray((1 + above) / (round(float(each.sum()), 9) + 1))
