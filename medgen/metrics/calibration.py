"""From raw scores to decisions at a stated false-alarm rate, by normal validation frames alone (split conformal prediction).

With n normal validation scores, a frame's p-value is (1 + how many of them are at or above its score) / (n + 1). Its calibrated
score, the quantile, is 1 - p, that is (how many of them are below its score) / (n + 1). A frame is called abnormal exactly if its
score > threshold, which is the same as p <= false-alarm rate. A normal frame that is exchangeable with the validation frames is
called abnormal with at most that chance, whatever the model and the distribution of its scores. Frames of one video depend on one
another; with videos in the data the guarantee holds only roughly.

Vovk, Gammerman and Shafer 2005, Algorithmic Learning in a Random World; Laxhammar and Falkman 2010, Conformal Prediction for
Distribution-Independent Anomaly Detection.
"""

from __future__ import annotations

from math import ceil

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medgen.errors import MedgenError


def threshold(normal_scores: ArrayLike, false_alarm_rate: float) -> float:
    """Return the score above which a frame is called abnormal.

    It is the ceil((n + 1)(1 - a))-th smallest of the n scores at the false-alarm rate a.

    Parameters
    ----------
    normal_scores : (n,) raw scores of normal validation frames
    false_alarm_rate : in (0, 1)

    Raises
    ------
    MedgenError : if there are fewer than 1 / a - 1 scores, a score is NaN, or the rate is out of range.
    """
    scores = np.sort(_scores(normal_scores))
    if not 0 < false_alarm_rate < 1:
        raise MedgenError(f"false-alarm rate is {false_alarm_rate}; expected a number between 0 and 1, such as 0.05")
    possible = np.arange(1, scores.size + 2) / (scores.size + 1)  # the p-values there are; rounding can spoil (n + 1)(1 - a)
    alarms = np.count_nonzero(possible <= false_alarm_rate)
    if alarms < 1:
        needed = ceil(round(1 / false_alarm_rate, 9)) - 1
        raise MedgenError(
            f"a false-alarm rate of {false_alarm_rate} needs at least {needed} normal validation frames, got {scores.size}; "
            "add frames or allow more false alarms"
        )
    return float(scores[scores.size - alarms])


def p_value(normal_scores: ArrayLike, scores: ArrayLike) -> NDArray[np.float64]:
    """Return the conformal p-value of each score: small is anomalous.

    Parameters
    ----------
    normal_scores : (n,) raw scores of normal validation frames
    scores : (N,) raw scores

    Returns
    -------
    (N,) in [1 / (n + 1), 1].

    Raises
    ------
    MedgenError : if a score is NaN.
    """
    reference = np.sort(_scores(normal_scores))
    return (1 + reference.size - _below(reference, scores)) / (reference.size + 1)


def quantile(normal_scores: ArrayLike, scores: ArrayLike) -> NDArray[np.float64]:
    """Return the calibrated score: the share of normal validation scores below each score, counted as k / (n + 1).

    It is 1 less the conformal p-value.

    Parameters
    ----------
    normal_scores : (n,) raw scores of normal validation frames
    scores : (N,) raw scores

    Returns
    -------
    (N,) in [0, n / (n + 1)], rising with the score.

    Raises
    ------
    MedgenError : if a score is NaN.
    """
    reference = np.sort(_scores(normal_scores))
    return _below(reference, scores) / (reference.size + 1)


def _below(reference: NDArray[np.float64], scores: ArrayLike) -> NDArray[np.intp]:
    """Return how many of the sorted reference scores are strictly below each score."""
    return np.searchsorted(reference, _scores(scores), side="left")


def _scores(scores: ArrayLike) -> NDArray[np.float64]:
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 1:
        raise MedgenError(f"scores have shape {values.shape}; expected (N,)")
    if missing := int(np.isnan(values).sum()):
        raise MedgenError(f"{missing} of {values.size} scores are NaN; leave those frames out or find out why they have none")
    return values
