"""What a score is worth once a trait of the frames (brightness, size, ...) is held fixed: only frames alike in it compare."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medgen.metrics.detection import auroc, bootstrap
from medgen.metrics.intervals import Floats, Interval

BINS = 4  # strata of a trait with more values than that
TAIL = 0.05  # of each class that may lie on either side of the common support


def stratified_auroc(labels: ArrayLike, scores: ArrayLike, strata: ArrayLike, weights: ArrayLike | None = None) -> float | Floats:
    """Return the AUROC of comparisons within strata: the mean over strata, each weighted by its pairs of normal and abnormal.

    That is the share of such pairs in which the abnormal frame scores higher, ties counting half: van Elteren's rank sum (1960)
    on the scale of an AUROC. A score that sees nothing but the stratum is at 0.5.

    Parameters
    ----------
    labels : (N,) int, 0 normal, 1 abnormal
    scores : (N,) float, higher is more anomalous
    strata : (N,), equal for frames that may be compared
    weights : (N,) or (D, N), at least 0; 1 each if not given

    Returns
    -------
    In [0, 1]; () or (D,); NaN where no stratum holds both classes.
    """
    truth, values, groups = np.asarray(labels), np.asarray(scores, dtype=float), np.asarray(strata)
    weight = np.ones(truth.shape) if weights is None else np.asarray(weights, dtype=float)
    right, pairs = np.zeros(weight.shape[:-1]), np.zeros(weight.shape[:-1])
    for stratum in np.unique(groups):
        rows = groups == stratum
        normal, abnormal = (weight[..., rows & (truth == code)].sum(axis=-1) for code in (0, 1))
        area = np.nan_to_num(auroc(truth[rows], values[rows], weight[..., rows]))
        right, pairs = right + area * normal * abnormal, pairs + normal * abnormal
    return np.divide(right, pairs, out=np.full(np.shape(pairs), np.nan), where=pairs > 0)[()]


def stratified_interval(
    labels: NDArray[np.int_], scores: Floats, strata: NDArray[np.int64], groups: NDArray, n_bootstrap: int, level: float
) -> Interval:
    """Return the AUROC of comparisons within strata, in [0, 1], with its interval by a bootstrap over groups.

    Parameters
    ----------
    labels : (N,) int, 0 normal, 1 abnormal
    scores : (N,) float, higher is more anomalous
    strata : (N,), equal for frames that may be compared
    groups : (N,), equal for frames that belong together (patient, video)
    n_bootstrap : number of resamples
    level : coverage that the interval aims at, in (0, 1)
    """

    def statistic(labels: ArrayLike, scores_as_rows: ArrayLike, *, weights: ArrayLike | None = None) -> float | Floats:
        rows = np.asarray(scores_as_rows).astype(int)  # the bootstrap sorts frames by score, so it gets their rows as scores
        return stratified_auroc(labels, scores[rows], strata[rows], weights)

    return bootstrap(statistic, labels, np.arange(len(labels)), groups, n_bootstrap, level)


def comparable_pairs(labels: NDArray[np.int_], strata: NDArray[np.int64]) -> float:
    """Return the share of all pairs of a normal and an abnormal frame that lie in one stratum."""
    _, codes = np.unique(strata, return_inverse=True)
    normal, abnormal = (np.bincount(codes[labels == code], minlength=codes.max() + 1) for code in (0, 1))
    return float((normal * abnormal).sum() / (normal.sum() * abnormal.sum()))


def quarters(values: Floats) -> NDArray[np.int64]:
    """Return the stratum of each frame: of a trait with few values one for each, else one for each quarter of all frames.

    Frames without the trait (NaN) are a stratum of their own, -1. Equal values share a stratum.
    """
    known = values[~np.isnan(values)]
    distinct = np.unique(known)
    edges = distinct[1:] if len(distinct) <= BINS else np.unique(np.quantile(known, np.arange(1, BINS) / BINS))
    return np.where(np.isnan(values), -1, np.searchsorted(edges, values, side="right"))


def matched(labels: NDArray[np.int_], values: Floats) -> tuple[NDArray[np.bool_], str] | None:
    """Return the frames in which a trait is alike in both classes, (N,), and in words which; None where these do not hold both.

    Of a trait with few values: the frames with the one that allows most pairs of a normal and an abnormal frame. Of any other,
    those in common support: between the larger of the classes' 5th percentiles and the smaller of their 95th.

    Parameters
    ----------
    labels : (N,) 0 normal, 1 abnormal
    values : (N,) of the trait; NaN where a frame has none
    """
    normal, abnormal = (values[(labels == code) & ~np.isnan(values)] for code in (0, 1))
    if not normal.size or not abnormal.size:
        return None
    distinct = np.unique(values[~np.isnan(values)])
    if len(distinct) <= BINS:
        value = max(distinct, key=lambda value: (normal == value).sum() * (abnormal == value).sum())
        binary = len(distinct) == 2 and {*distinct} == {0, 1}
        rows, where = values == value, ("with it" if value else "without it") if binary else f"at {_short(value)}"
    else:
        low = max(np.quantile(part, TAIL) for part in (normal, abnormal))
        high = min(np.quantile(part, 1 - TAIL) for part in (normal, abnormal))
        rows, where = (values >= low) & (values <= high), f"from {_short(low)} to {_short(high)}"
    return (rows, where) if len(set(labels[rows])) == 2 else None


def _short(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"
