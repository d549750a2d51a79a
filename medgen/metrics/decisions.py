"""How good the decisions at a threshold are, and whether the threshold keeps its promise.

A decision is True where a frame is called abnormal. The measures take decisions in the place of scores and are statistics as
`medgen.metrics.detection` knows them: with weights, (N,) or (D, N), and NaN where they are undefined; so two thresholds, or two
models at theirs, can be compared by `medgen.metrics.comparing.paired.paired_bootstrap`. Precision and F1 depend on the share of
abnormal frames and hold for data with the same share alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medgen.errors import MedgenError
from medgen.metrics.detection import Statistic, bootstrap, checked, ratio
from medgen.metrics.intervals import Floats, Interval, check_level, mean_interval


class FalseAlarms(NamedTuple):
    """The share of normal frames called abnormal, its interval, and whether that does not lie above the promised rate."""

    value: float
    low: float
    high: float
    promised: float
    kept: bool


class Uniformity(NamedTuple):
    """Largest distance of the distribution of p-values from the uniform one, in [0, 1], and the p-value of that."""

    distance: float
    p: float


def sensitivity(labels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None) -> float | Floats:
    """Return the share of abnormal frames that are called abnormal; NaN without abnormal frames.

    Parameters
    ----------
    labels : (N,) int, 0 normal, 1 abnormal
    scores : (N,) the decisions, bool
    weights : (N,) or (D, N), at least 0; 1 each if not given

    Returns
    -------
    In [0, 1]; () or (D,).

    Raises
    ------
    MedgenError : if lengths differ, a label or decision is neither 0 nor 1, or a weight is negative.
    """
    hit, _, missed, _ = _confusion(labels, scores, weights)
    return ratio(hit, hit + missed)


def specificity(labels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None) -> float | Floats:
    """Return the share of normal frames that are called normal; NaN without normal frames.

    Parameters
    ----------
    labels : (N,) int, 0 normal, 1 abnormal
    scores : (N,) the decisions, bool
    weights : (N,) or (D, N), at least 0; 1 each if not given

    Returns
    -------
    In [0, 1]; () or (D,).

    Raises
    ------
    MedgenError : if lengths differ, a label or decision is neither 0 nor 1, or a weight is negative.
    """
    _, alarms, _, passed = _confusion(labels, scores, weights)
    return ratio(passed, passed + alarms)


def precision(labels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None) -> float | Floats:
    """Return the share of frames called abnormal that are; NaN where none is called so.

    Parameters
    ----------
    labels : (N,) int, 0 normal, 1 abnormal
    scores : (N,) the decisions, bool
    weights : (N,) or (D, N), at least 0; 1 each if not given

    Returns
    -------
    In [0, 1]; () or (D,).

    Raises
    ------
    MedgenError : if lengths differ, a label or decision is neither 0 nor 1, or a weight is negative.
    """
    hit, alarms, _, _ = _confusion(labels, scores, weights)
    return ratio(hit, hit + alarms)


def f1(labels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None) -> float | Floats:
    """Return the harmonic mean of precision and sensitivity, 0 where no abnormal frame is found; NaN without abnormal frames.

    Parameters
    ----------
    labels : (N,) int, 0 normal, 1 abnormal
    scores : (N,) the decisions, bool
    weights : (N,) or (D, N), at least 0; 1 each if not given

    Returns
    -------
    In [0, 1]; () or (D,).

    Raises
    ------
    MedgenError : if lengths differ, a label or decision is neither 0 nor 1, or a weight is negative.
    """
    hit, alarms, missed, _ = _confusion(labels, scores, weights)
    return np.where(hit + missed > 0, ratio(2 * hit, 2 * hit + alarms + missed), np.nan)[()]


def balanced_accuracy(labels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None) -> float | Floats:
    """Return the mean of sensitivity and specificity; NaN where one of them is.

    Parameters
    ----------
    labels : (N,) int, 0 normal, 1 abnormal
    scores : (N,) the decisions, bool
    weights : (N,) or (D, N), at least 0; 1 each if not given

    Returns
    -------
    In [0, 1]; () or (D,).

    Raises
    ------
    MedgenError : if lengths differ, a label or decision is neither 0 nor 1, or a weight is negative.
    """
    hit, alarms, missed, passed = _confusion(labels, scores, weights)
    return (ratio(hit, hit + missed) + ratio(passed, passed + alarms)) / 2


DECISIONS: Mapping[str, Statistic] = MappingProxyType(
    {
        "sensitivity": sensitivity,
        "specificity": specificity,
        "precision": precision,
        "f1": f1,
        "balanced_accuracy": balanced_accuracy,
    }
)


def measure_decisions(
    labels: ArrayLike,
    decisions: ArrayLike,
    groups: ArrayLike | None = None,
    n_bootstrap: int = 2000,
    level: float = 0.95,
    seed: int = 0,
    statistics: Mapping[str, Statistic] = DECISIONS,
) -> dict[str, Interval]:
    """Return measures of the decisions, each with its interval.

    Sensitivity and specificity are shares of one class, and need no frames of the other. Their interval is that of `binomial`
    where each frame of the class is a group of its own, else from `mean_interval` over the groups: that has no width where all
    frames of a class are decided alike, which few frames can be by chance. The interval of the others is from `bootstrap`, groups
    with normals, abnormal frames and both drawn apart.

    Parameters
    ----------
    labels : (N,) int, 0 normal, 1 abnormal
    decisions : (N,) bool, True where called abnormal
    groups : (N,), equal for frames that belong together (patient, video); None: each frame is a group of its own
    n_bootstrap : number of resamples of groups
    level : coverage that the intervals aim at, in (0, 1)
    seed : of the bootstrap
    statistics : name -> function of labels, decisions and weights

    Returns
    -------
    The names of `statistics`, each with its interval. What is undefined is NaN, and so are the bounds where there are too few
    groups.

    Raises
    ------
    MedgenError : if lengths differ, a label or decision is neither 0 nor 1, or `n_bootstrap` or the level makes no sense.
    """
    truth, called, _ = _checked(labels, decisions)
    by = np.arange(truth.size) if groups is None else np.asarray(groups)
    if by.shape != truth.shape:
        raise MedgenError(f"got {by.size} groups for {truth.size} decisions; expected one group for each")
    of_one_class = {sensitivity: (called, truth), specificity: (~called, ~truth)}  # which decisions are right, of which frames

    def interval(statistic: Statistic) -> Interval:
        if statistic not in of_one_class:
            return bootstrap(statistic, truth, called, by, n_bootstrap, level, seed)
        right, frames = of_one_class[statistic]
        return _share(right[frames], by[frames], n_bootstrap, level, seed)

    return {name: interval(statistic) for name, statistic in statistics.items()}


def binomial(count: int, of: int, level: float = 0.95) -> Interval:
    """Return a share of independent frames with its exact interval (Clopper and Pearson 1934), which covers at least the level.

    All of it is NaN where there are no frames.
    """
    check_level(level)
    if not 0 <= count <= of:
        raise MedgenError(f"a share got {count} of {of} frames; expected from 0 to all of them")
    if of == 0:
        return Interval(np.nan, np.nan, np.nan)
    from scipy.special import betaincinv  # who only scores frames needs none of it

    tail = (1 - level) / 2
    low = betaincinv(count, of - count + 1, tail) if count else 0.0
    high = betaincinv(count + 1, of - count, 1 - tail) if count < of else 1.0
    return Interval(count / of, float(low), float(high))


def false_alarms(decisions: ArrayLike, promised: float, level: float = 0.95) -> FalseAlarms:
    """Tell whether the decisions on normal frames keep the promised false-alarm rate, by the exact interval of `binomial`.

    The promise is a limit: fewer alarms keep it, too. A conformal threshold from few frames is bound to be careful: from 34 the
    lowest rate above 0 that it can have is 1 in 35.

    The interval knows of the chance that lies in these frames and not of that in the frames the threshold comes from: with n of
    those, the rate that a conformal threshold at a will have varies by about sqrt(a (1 - a) / n) around the promise.

    Parameters
    ----------
    decisions : (N,) bool of normal frames that had no part in the threshold and do not depend on one another; True is an alarm
    promised : false-alarm rate, in (0, 1)
    level : of the interval, in (0, 1)

    Raises
    ------
    MedgenError : if there is no frame, a decision is neither True nor False, or a number is out of range.
    """
    if not 0 < promised < 1:
        raise MedgenError(f"the promised false-alarm rate is {promised}; expected a number between 0 and 1, such as 0.05")
    called = _checked(np.zeros(np.shape(decisions), dtype=int), decisions)[1]
    if not called.size:
        raise MedgenError("a false-alarm rate cannot be tested without normal frames; add some that had no part in the threshold")
    share = binomial(int(called.sum()), called.size, level)
    return FalseAlarms(*share, promised, share.low <= promised)


def uniformity(p_values: ArrayLike) -> Uniformity:
    """Tell how far the p-values of held-out normal frames are from uniform, as calibrated ones are (Kolmogorov and Smirnov).

    Conformal p-values from n frames come in steps of 1 / (n + 1), which adds up to that much to the distance, and share those n
    frames. The returned p takes them for independent: with n far from large against N, it is too small.

    Parameters
    ----------
    p_values : (N,) in [0, 1], at least one

    Raises
    ------
    MedgenError : if there are none, or one lies elsewhere or is NaN.
    """
    values = np.asarray(p_values, dtype=np.float64)
    if values.ndim != 1 or not values.size or not ((values >= 0) & (values <= 1)).all():
        raise MedgenError(f"p-values have shape {values.shape}; expected (N,), at least one, each from 0 to 1 and none NaN")
    from scipy.stats import kstest

    result = kstest(values, "uniform")
    return Uniformity(float(result.statistic), float(result.pvalue))


def _share(right: NDArray[np.bool_], groups: NDArray, n_bootstrap: int, level: float, seed: int) -> Interval:
    """Return the share of the decisions (N,) of one class that are right."""
    if np.unique(groups).size == groups.size:
        return binomial(int(right.sum()), right.size, level)
    return mean_interval(right, groups, n_bootstrap, level, seed)


def _confusion(labels: ArrayLike, decisions: ArrayLike, weights: ArrayLike | None) -> tuple[Floats, ...]:
    """Return the weight of abnormal and of normal frames called abnormal, then of those called normal: () or (D,) each."""
    truth, called, weight = _checked(labels, decisions, weights)
    kinds = np.stack([truth & called, ~truth & called, truth & ~called, ~truth & ~called], axis=-1)  # (N, 4)
    return tuple(np.moveaxis(weight @ kinds.astype(np.float64), -1, 0))  # (4, ...)


def _checked(
    labels: ArrayLike, decisions: ArrayLike, weights: ArrayLike | None = None
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], Floats]:
    """Return labels and decisions as bool, weights as float64."""
    truth, values, weight = checked(labels, decisions, weights)
    if not np.isin(values, (0, 1)).all():
        raise MedgenError("decisions must be True (called abnormal) or False; scores become decisions at a threshold")
    return truth, values == 1, weight
