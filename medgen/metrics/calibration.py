"""From raw scores to decisions at a stated false-alarm rate, by normal validation frames alone (split conformal prediction).

With n normal validation scores, a frame's p-value is (1 + how many of them are at or above its score) / (n + 1). Its calibrated
score, the quantile, is 1 - p, that is (how many of them are below its score) / (n + 1). A frame is called abnormal exactly if its
score > threshold, which is the same as p <= false-alarm rate. A normal frame that is exchangeable with the validation frames is
called abnormal with at most that chance, whatever the model and the distribution of its scores. Frames of one video depend on one
another; with videos in the data the guarantee holds only roughly.

Where groups (patients, videos) are exchangeable and frames are not, each of G groups counts once: a frame of a group of m frames
has the share 1 / m, n + 1 becomes G + 1, and the guarantee holds for a frame of a new group (Lee, Barber and Willett 2023,
Distribution-free inference with hierarchical data, https://arxiv.org/abs/2306.06342).

Vovk, Gammerman and Shafer 2005, Algorithmic Learning in a Random World; Laxhammar and Falkman 2010, Conformal Prediction for
Distribution-Independent Anomaly Detection.
"""

from __future__ import annotations

from math import ceil
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medgen.errors import MedgenError


def threshold(normal_scores: ArrayLike, false_alarm_rate: float, shares: ArrayLike | None = None) -> float:
    """Return the score above which a frame is called abnormal.

    It is the ceil((n + 1)(1 - a))-th smallest of the n scores at the false-alarm rate a.

    Parameters
    ----------
    normal_scores : (n,) raw scores of normal validation frames
    false_alarm_rate : in (0, 1)
    shares : (n,) as from `group_shares`, where groups count once each; None where frames do

    Raises
    ------
    MedgenError : if there are fewer than 1 / a - 1 scores (or groups), a score is NaN, or the rate is out of range.
    """
    reference = _Reference.of(normal_scores, shares)
    if not 0 < false_alarm_rate < 1:
        raise MedgenError(f"false-alarm rate is {false_alarm_rate}; expected a number between 0 and 1, such as 0.05")
    above = reference.tails[np.searchsorted(reference.scores, reference.scores, side="right")]  # shares above each score
    allowed = (1 + above) / (reference.total + 1) <= false_alarm_rate  # p-value of a frame that is just above it
    if not allowed.any():
        what = "normal frames" if shares is None else "groups of normal frames"
        raise MedgenError(
            f"a false-alarm rate of {false_alarm_rate} needs at least {fewest(false_alarm_rate)} {what}, "
            f"got {round(reference.total)}; add frames or allow more false alarms"
        )
    return float(reference.scores[allowed.argmax()])


def fewest(false_alarm_rate: float) -> int:
    """Return how many normal frames, or groups of them, a threshold for a false-alarm rate needs: 19 for 0.05."""
    return ceil(round(1 / false_alarm_rate, 9)) - 1


def group_shares(groups: ArrayLike) -> NDArray[np.float64]:
    """Return the share (n,) of each frame in its group, 1 / m in a group of m frames; `groups` (n,) names them."""
    _, codes, counts = np.unique(np.asarray(groups).astype(str), return_inverse=True, return_counts=True)
    return 1 / counts[codes]


def p_value(normal_scores: ArrayLike, scores: ArrayLike, shares: ArrayLike | None = None) -> NDArray[np.float64]:
    """Return the conformal p-value of each score: small is anomalous.

    Parameters
    ----------
    normal_scores : (n,) raw scores of normal validation frames
    scores : (N,) raw scores
    shares : (n,) as for `threshold`

    Returns
    -------
    (N,) in [1 / (n + 1), 1].

    Raises
    ------
    MedgenError : if a score is NaN.
    """
    reference = _Reference.of(normal_scores, shares)
    return (1 + reference.at_or_above(scores)) / (reference.total + 1)


def quantile(normal_scores: ArrayLike, scores: ArrayLike, shares: ArrayLike | None = None) -> NDArray[np.float64]:
    """Return the calibrated score: the share of normal validation scores below each score, counted as k / (n + 1).

    It is 1 less the conformal p-value.

    Parameters
    ----------
    normal_scores : (n,) raw scores of normal validation frames
    scores : (N,) raw scores
    shares : (n,) as for `threshold`

    Returns
    -------
    (N,) in [0, n / (n + 1)], rising with the score.

    Raises
    ------
    MedgenError : if a score is NaN.
    """
    reference = _Reference.of(normal_scores, shares)
    return (reference.total - reference.at_or_above(scores)) / (reference.total + 1)


def at_or_above(normal_scores: ArrayLike, scores: ArrayLike, shares: ArrayLike | None = None) -> NDArray[np.float64]:
    """Return how many of some normal scores (n,), or which shares of them, are at or above each score (N,)."""
    return _Reference.of(normal_scores, shares).at_or_above(scores)


class _Reference(NamedTuple):
    """Normal scores in rising order, and how much counts from each on: `tails` (n + 1,), sums of shares; `total` in all."""

    scores: NDArray[np.float64]
    tails: NDArray[np.float64]
    total: float

    @classmethod
    def of(cls, normal_scores: ArrayLike, shares: ArrayLike | None) -> _Reference:
        scores = _scores(normal_scores)
        order = np.argsort(scores, kind="stable")
        each = np.ones(scores.size) if shares is None else np.asarray(shares, dtype=np.float64)[order]
        tails = np.append(np.cumsum(each[::-1])[::-1], 0.0).round(9)  # thirds add up to one
        return cls(scores[order], tails, float(tails[0]))

    def at_or_above(self, scores: ArrayLike) -> NDArray[np.float64]:
        return self.tails[np.searchsorted(self.scores, _scores(scores), side="left")]


def _scores(scores: ArrayLike) -> NDArray[np.float64]:
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 1:
        raise MedgenError(f"scores have shape {values.shape}; expected (N,)")
    if missing := int(np.isnan(values).sum()):
        raise MedgenError(f"{missing} of {values.size} scores are NaN; leave those frames out or find out why they have none")
    return values
