"""What one bootstrap tells of a detector: its ROC curve, its precision-recall curve and the areas under both, draw by draw.

Every draw of `medgen.metrics.detection.bootstrap` is a reweighting of the frames. Here each is accumulated once, and all that a
comparison needs is read from these sums, so that many detectors on many frames take seconds.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medgen.metrics.detection import checked, ratio, resamples
from medgen.metrics.intervals import Floats

STEPS = 100
ALARMS = np.arange(STEPS + 1) / STEPS  # shares of normal frames that are flagged
RECALLS = np.arange(1, STEPS + 1) / STEPS  # shares of abnormal frames that are found
ROUNDING = 1e-9  # of sums of weights


class Curves(NamedTuple):
    """One row for each draw; the shapes leave out that first axis."""

    auroc: Floats  # ()
    average_precision: Floats  # ()
    sensitivity: Floats  # (101,) the largest at which no more than `ALARMS` of the normal frames are flagged
    precision: Floats  # (100,) at the highest threshold that finds `RECALLS` of the abnormal frames


class _Order(NamedTuple):
    """Frames by falling score, and how many of each class stand above each; equal scores stand together."""

    normals: NDArray[np.intp]  # positions in the labels
    abnormals: NDArray[np.intp]
    above: NDArray[np.intp]  # normal frames that score higher than each abnormal one
    alarms: NDArray[np.intp]  # normal frames that score at least as high
    hits: NDArray[np.intp]  # abnormal frames that score at least as high as each abnormal one
    ahead: NDArray[np.intp]  # abnormal frames that score higher than each normal one, and all of them


def measure(labels: ArrayLike, scores: ArrayLike) -> Curves:
    """Return areas and curves of a detector on the frames as they are, (1,) and (1, K).

    Parameters
    ----------
    labels : (N,) int, 0 normal, 1 abnormal
    scores : (N,) float, higher is more anomalous

    Returns
    -------
    NaN where a class is missing.

    Raises
    ------
    MedgenError : if lengths differ, a label is neither 0 nor 1 or a score is NaN.
    """
    truth, values, _ = checked(labels, scores)
    return _measure(_order(truth, values), np.ones((1, truth.size)))


def measure_draws(labels: ArrayLike, scores: ArrayLike, groups: ArrayLike, n_bootstrap: int = 2000, seed: int = 0) -> Curves:
    """Return areas and curves of a detector in each draw of a bootstrap over groups, (D,) and (D, K).

    Parameters
    ----------
    labels : (N,) int, 0 normal, 1 abnormal
    scores : (N,) float, higher is more anomalous
    groups : (N,), equal for frames that belong together (patient, video)
    n_bootstrap : number of resamples, D
    seed : of the draws, which are those of `medgen.metrics.detection.replicates`: detectors on the same frames are paired

    Returns
    -------
    (0,) and (0, K) where a class comes from fewer than two groups.

    Raises
    ------
    MedgenError : if lengths differ, a label is neither 0 nor 1 or a score is NaN.
    """
    truth, values, _ = checked(labels, scores)
    _, codes = np.unique(np.asarray(groups).astype(str), return_inverse=True)
    order = _order(truth, values)
    blocks = [_measure(order, counts[:, codes]) for counts in resamples(truth, codes, n_bootstrap, seed)]
    if not blocks:
        return Curves(np.empty(0), np.empty(0), np.empty((0, ALARMS.size)), np.empty((0, RECALLS.size)))
    return Curves(*(np.concatenate(parts) for parts in zip(*blocks, strict=True)))


def _order(truth: NDArray[np.bool_], values: Floats) -> _Order:
    normals, abnormals = (np.flatnonzero(kind)[np.argsort(-values[kind], kind="stable")] for kind in (~truth, truth))
    fall, rise = -values[normals], -values[abnormals]  # both rising
    return _Order(
        normals,
        abnormals,
        np.searchsorted(fall, rise, side="left"),
        np.searchsorted(fall, rise, side="right"),
        np.searchsorted(rise, rise, side="right"),
        np.append(np.searchsorted(rise, fall, side="left"), abnormals.size),
    )


def _measure(order: _Order, weights: Floats) -> Curves:
    """Return the curves for each row of weights (D, N)."""
    false, true = _sums(weights[:, order.normals]), _sums(weights[:, order.abnormals])  # (D, N0 + 1), (D, N1 + 1)
    normals, abnormals = false[:, -1:], true[:, -1:]
    weight, alarms, hits = weights[:, order.abnormals], false[:, order.alarms], true[:, order.hits]  # (D, N1)
    lost = (weight * (false[:, order.above] + alarms)).sum(1) / 2
    precise = np.divide(hits, hits + alarms, out=np.zeros_like(hits), where=hits > 0)
    area = 1 - ratio(lost, (normals * abnormals)[:, 0])
    average = np.where(normals[:, 0] > 0, ratio((weight * precise).sum(1), abnormals[:, 0]), np.nan)
    sensitivity = np.full((len(weights), ALARMS.size), np.nan)
    precision = np.full((len(weights), RECALLS.size), np.nan)
    for row in np.flatnonzero((normals * abnormals)[:, 0] > 0):
        passed = np.searchsorted(false[row, 1:], ALARMS * normals[row] + ROUNDING, side="right")
        sensitivity[row] = true[row, order.ahead[passed]] / abnormals[row]
        precision[row] = precise[row, np.searchsorted(true[row, 1:], RECALLS * abnormals[row] - ROUNDING)]
    return Curves(area, average, sensitivity, precision)


def _sums(weights: Floats) -> Floats:
    """Return running sums of each row behind a 0, (D, N) to (D, N + 1)."""
    sums = np.zeros((len(weights), weights.shape[1] + 1))
    np.cumsum(weights, axis=1, out=sums[:, 1:])
    return sums
