"""How well scores tell abnormal frames from normal ones, and how sure that is.

Labels are 0 (normal) and 1 (abnormal); a higher score is more anomalous; a frame is called abnormal if its score exceeds a
threshold. Every statistic takes weights, (N,) or (D, N) for D weightings at once, so that a bootstrap is a reweighting; it is NaN
where one of the two classes has no weight.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medgen.errors import MedgenError
from medgen.metrics.intervals import BLOCK, Floats, Interval, percentiles


class Statistic(Protocol):
    """What `bootstrap` can be asked for: a function of labels, scores and weights."""

    def __call__(self, labels: ArrayLike, scores: ArrayLike, /, *, weights: ArrayLike | None = None) -> float | Floats: ...


def roc(labels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None) -> tuple[Floats, Floats]:
    """Return the points of the ROC curve, one for each distinct score and (0, 0) before them.

    Parameters
    ----------
    labels : (N,) int, 0 normal, 1 abnormal
    scores : (N,) float, higher is more anomalous
    weights : (N,) or (D, N), at least 0; 1 each if not given

    Returns
    -------
    False positive rate and true positive rate, (K + 1,) or (D, K + 1) each, rising from 0 to 1; NaN for a class without weight.

    Raises
    ------
    MedgenError : if lengths differ, a label is neither 0 nor 1, a score is NaN or a weight is negative.
    """
    false, true = _counts(labels, scores, weights)
    return ratio(false, false[..., -1:]), ratio(true, true[..., -1:])


def auroc(labels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None) -> float | Floats:
    """Return the area under the ROC curve: how often an abnormal frame scores above a normal one, ties counting half.

    Parameters
    ----------
    labels : (N,) int, 0 normal, 1 abnormal
    scores : (N,) float, higher is more anomalous
    weights : (N,) or (D, N), at least 0; 1 each if not given

    Returns
    -------
    In [0, 1], 0.5 is chance; () or (D,); NaN where a class has no weight.

    Raises
    ------
    MedgenError : if lengths differ, a label is neither 0 nor 1, a score is NaN or a weight is negative.
    """
    false, true = _counts(labels, scores, weights)
    return ratio(np.trapezoid(true, false, axis=-1), false[..., -1] * true[..., -1])


def average_precision(labels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None) -> float | Floats:
    """Return the average precision: the sum over thresholds of precision times the gain in recall, without interpolation.

    Parameters
    ----------
    labels : (N,) int, 0 normal, 1 abnormal
    scores : (N,) float, higher is more anomalous
    weights : (N,) or (D, N), at least 0; 1 each if not given

    Returns
    -------
    In [0, 1], the share of abnormal frames is chance; () or (D,); NaN where a class has no weight.

    Raises
    ------
    MedgenError : if lengths differ, a label is neither 0 nor 1, a score is NaN or a weight is negative.
    """
    false, true = _counts(labels, scores, weights)
    called = (false + true)[..., 1:]
    precision = np.divide(true[..., 1:], called, out=np.zeros_like(called), where=called > 0)
    area = (np.diff(true) * precision).sum(-1) / np.where(true[..., -1] > 0, true[..., -1], 1)
    return np.where(false[..., -1] * true[..., -1] > 0, area, np.nan)[()]


def sensitivity_at_specificity(
    labels: ArrayLike, scores: ArrayLike, specificity: float, weights: ArrayLike | None = None
) -> float | Floats:
    """Return the largest sensitivity among the thresholds whose specificity is at least the one asked for.

    Nothing is interpolated between thresholds, so the value is one that a threshold reaches on these frames. That threshold is
    chosen by the labels it is measured with; for one that is not, see `medgen.metrics.calibration`.

    Parameters
    ----------
    labels : (N,) int, 0 normal, 1 abnormal
    scores : (N,) float, higher is more anomalous
    specificity : in [0, 1]
    weights : (N,) or (D, N), at least 0; 1 each if not given

    Returns
    -------
    In [0, 1]; () or (D,); NaN where a class has no weight.

    Raises
    ------
    MedgenError : if the specificity is out of range, lengths differ, a label is neither 0 nor 1, a score is NaN or a weight is
        negative.
    """
    if not 0 <= specificity <= 1:
        raise MedgenError(f"specificity is {specificity}; expected a number from 0 to 1")
    false, true = _counts(labels, scores, weights)
    normals = false[..., -1:]
    enough = ratio(normals - false, normals) >= specificity - 1e-12  # NaN compares as False
    best = np.where(enough, true, 0).max(-1)
    return np.where(normals[..., 0] > 0, ratio(best, true[..., -1]), np.nan)[()]


def bootstrap(
    statistic: Statistic,
    labels: ArrayLike,
    scores: ArrayLike,
    groups: ArrayLike,
    n_bootstrap: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Return a statistic with its percentile interval from a bootstrap over groups (Efron and Tibshirani 1993, chapters 8, 13).

    Whole groups are drawn with replacement, because frames of one patient or video are no independent evidence. Groups with
    normals only, with abnormal frames only and with both are drawn apart, as many of each as there are, so that every draw holds
    both classes.

    Parameters
    ----------
    statistic : such as `auroc`; called with weights (D, N), it returns (D,)
    labels : (N,) int, 0 normal, 1 abnormal
    scores : (N,) float, higher is more anomalous
    groups : (N,), equal for frames that belong together (patient, video)
    n_bootstrap : number of resamples, at least 1
    level : coverage that the interval aims at, in (0, 1)
    seed : the same seed gives the same interval, in whatever order the frames come

    Returns
    -------
    Interval; its bounds are NaN where a class comes from fewer than two groups, all of it where a class is missing. Draws in
    which the statistic is undefined are left out.

    Raises
    ------
    MedgenError : if lengths differ, a label is neither 0 nor 1, a score is NaN, `n_bootstrap` is below 1 or the level is not in
        (0, 1).
    """
    values = replicates(statistic, labels, scores, groups, n_bootstrap, seed)
    return Interval(float(statistic(labels, scores)), *percentiles(values, level))


def replicates(
    statistic: Statistic, labels: ArrayLike, scores: ArrayLike, groups: ArrayLike, n_bootstrap: int = 2000, seed: int = 0
) -> Floats:
    """Return the value of a statistic in each draw of `bootstrap`.

    With the same labels, groups and seed the same groups are drawn, whatever the scores: the values of two detectors are paired,
    draw by draw.

    Parameters
    ----------
    statistic : such as `auroc`; called with weights (D, N), it returns (D,)
    labels : (N,) int, 0 normal, 1 abnormal
    scores : (N,) float, higher is more anomalous
    groups : (N,), equal for frames that belong together (patient, video)
    n_bootstrap : number of resamples, at least 1
    seed : of the draws

    Returns
    -------
    (n_bootstrap,); NaN where a class comes from fewer than two groups.

    Raises
    ------
    MedgenError : if lengths differ, a label is neither 0 nor 1, a score is NaN or `n_bootstrap` is below 1.
    """
    if n_bootstrap < 1:
        raise MedgenError(f"a bootstrap got {n_bootstrap} draws; expected at least 1")
    truth, ranked, _ = checked(labels, scores)
    _, codes = np.unique(np.asarray(groups).astype(str), return_inverse=True)
    if codes.shape != truth.shape:
        raise MedgenError(f"got {codes.size} groups for {truth.size} frames; expected one group for each frame")
    order = np.argsort(-ranked, kind="stable")  # sorted once: each later sort finds its work done
    truth, ranked, codes = truth[order], ranked[order], codes[order]
    values = [statistic(truth, ranked, weights=counts[:, codes]) for counts in resamples(truth, codes, n_bootstrap, seed)]
    return np.concatenate(values) if values else np.full(n_bootstrap, np.nan)


def resamples(labels: NDArray[np.bool_], codes: NDArray[np.intp], n_bootstrap: int, seed: int) -> Iterator[Floats]:
    """Yield how often each group stands in each draw of `bootstrap`, (D, G) at a time, `n_bootstrap` in all.

    Parameters
    ----------
    labels : (N,) True for abnormal
    codes : (N,) the group of each frame, from 0 to G - 1; the order of the frames does not matter
    n_bootstrap : number of draws
    seed : of the draws

    Nothing comes where a class comes from fewer than two groups.
    """
    subgroups = _strata(labels, codes)
    if subgroups is None:
        return
    generator = np.random.default_rng(seed)
    size = max(1, BLOCK // labels.size)
    for start in range(0, n_bootstrap, size):
        yield _resample(generator, subgroups, min(size, n_bootstrap - start))


def _strata(labels: NDArray[np.bool_], codes: NDArray[np.intp]) -> list[NDArray[np.intp]] | None:
    """Return the groups with normals only, abnormals only and both; None where a class has fewer than two groups."""
    normal = np.bincount(codes[~labels], minlength=codes.max(initial=-1) + 1) > 0
    abnormal = np.bincount(codes[labels], minlength=normal.size) > 0
    if normal.sum() < 2 or abnormal.sum() < 2:
        return None
    return [np.flatnonzero(kind) for kind in (normal & ~abnormal, abnormal & ~normal, normal & abnormal) if kind.any()]


def _resample(generator: np.random.Generator, subgroups: list[NDArray[np.intp]], n_bootstrap: int) -> Floats:
    """Return how often each group was drawn, (D, G)."""
    counts = np.zeros((n_bootstrap, sum(len(stratum) for stratum in subgroups)))
    for stratum in subgroups:
        picks = generator.integers(len(stratum), size=(n_bootstrap, len(stratum)))
        picks += np.arange(n_bootstrap)[:, None] * len(stratum)
        counts[:, stratum] = np.bincount(picks.ravel(), minlength=picks.size).reshape(picks.shape)
    return counts


def _counts(labels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None) -> tuple[Floats, Floats]:
    """Return the weight of normal and of abnormal frames at or above each distinct score, falling, 0 first: (..., K + 1) each."""
    abnormal, values, weight = checked(labels, scores, weights)
    order = np.argsort(-values, kind="stable")
    values, abnormal, weight = values[order], abnormal[order], weight[..., order]
    last = np.ones(values.size, dtype=bool)  # last frame of each run of equal scores
    last[:-1] = values[1:] != values[:-1]
    start = np.zeros((*weight.shape[:-1], 1))
    false, true = (np.cumsum(np.where(kind, weight, 0), axis=-1)[..., last] for kind in (~abnormal, abnormal))  # (..., K)
    return np.concatenate([start, false], axis=-1), np.concatenate([start, true], axis=-1)


def checked(labels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None) -> tuple[NDArray[np.bool_], Floats, Floats]:
    """Return labels (N,) as bool, scores (N,) and weights (N,) or (D, N) as float64; 1 each if not given.

    Raises
    ------
    MedgenError : if lengths differ, a label is neither 0 nor 1, a score is NaN or a weight is negative.
    """
    truth, values = np.asarray(labels), np.asarray(scores, dtype=np.float64)
    weight = np.ones(values.shape) if weights is None else np.asarray(weights, dtype=np.float64)
    if truth.ndim != 1 or truth.shape != values.shape or weight.shape[-1:] != truth.shape:
        raise MedgenError(
            f"labels {truth.shape}, scores {values.shape} and weights {weight.shape} do not fit; expected (N,) each"
        )
    if not np.isin(truth, (0, 1)).all():
        raise MedgenError("labels must be 0 (normal) or 1 (abnormal); leave out frames whose label is unknown")
    if missing := int(np.isnan(values).sum()):
        raise MedgenError(f"{missing} of {values.size} scores are NaN; leave those frames out or find out why they have none")
    if weight.min(initial=0) < 0:
        raise MedgenError(f"weights must not be negative; the smallest is {weight.min()}")
    return truth == 1, values, weight


def ratio(part: Floats | np.float64, whole: Floats | np.float64) -> Floats:
    """Return part / whole, NaN where whole is 0."""
    parts, wholes = np.broadcast_arrays(part, whole)
    return np.divide(parts, wholes, out=np.full(parts.shape, np.nan), where=wholes > 0)[()]
