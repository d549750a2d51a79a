"""Paired tests: whether one detector tells abnormal frames from normal ones better than another, on the same frames.

Labels and the scores of two or more detectors come in; differences with intervals and p-values go out.

Frames that are hard for one detector tend to be hard for the other. A paired comparison makes use of that, so it can show a
difference where the intervals of the two detectors overlap. DeLong's test takes frames as independent. Frames of one patient or
video are not: for them the bootstrap over groups is the one to trust.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm, rankdata

from medgen.errors import MedgenError
from medgen.metrics.detection import Statistic, auroc, checked, replicates
from medgen.metrics.intervals import Floats, check_level, percentiles


class Difference(NamedTuple):
    """First detector's statistic minus the second's: standard error, interval, two-sided p-value (null: no difference)."""

    value: float
    error: float
    low: float
    high: float
    p: float


class Pair(NamedTuple):
    """One row of a comparison: the difference by the group bootstrap, then, for the AUROC alone, the same by DeLong's test.

    `p_holm` and `delong_p_holm` are adjusted for the number of pairs in the comparison.
    """

    first: str
    second: str
    value: float
    error: float
    low: float
    high: float
    p: float
    p_holm: float
    delong_error: float
    delong_low: float
    delong_high: float
    delong_p: float
    delong_p_holm: float


def delong(labels: ArrayLike, first: ArrayLike, second: ArrayLike, level: float = 0.95) -> Difference:
    """Compare the AUROC of two detectors by the test of DeLong, DeLong and Clarke-Pearson 1988, from midranks.

    Parameters
    ----------
    labels : (N,) int, 0 normal, 1 abnormal
    first, second : (N,) scores of the same frames, higher is more anomalous; ties count half
    level : coverage that the interval aims at, in (0, 1)

    Returns
    -------
    Difference; value in [-1, 1]. p is 1 where the two rank all frames alike. All but the value is NaN where a class has fewer
    than two frames, or where the difference has no variance (one detector always right, the other always wrong).

    Raises
    ------
    MedgenError : if lengths differ, a label is neither 0 nor 1, a score is NaN or the level makes no sense.

    Notes
    -----
    The midranks are those of Sun and Xu 2014, https://doi.org/10.1109/LSP.2014.2337313.
    """
    check_level(level)
    abnormal, normal = (a - b for a, b in zip(_components(labels, first), _components(labels, second), strict=True))
    value = float(abnormal.mean()) if abnormal.size and normal.size else np.nan
    if min(abnormal.size, normal.size) < 2:
        return Difference(value, *[np.nan] * 4)
    error = float(np.sqrt(abnormal.var(ddof=1) / abnormal.size + normal.var(ddof=1) / normal.size))
    if error < 1e-12:  # rounding
        return Difference(value, 0.0, 0.0, 0.0, 1.0) if value == 0 else Difference(value, *[np.nan] * 4)
    half = float(norm.ppf((1 + level) / 2)) * error
    return Difference(value, error, value - half, value + half, float(2 * norm.sf(abs(value) / error)))


def paired_bootstrap(
    statistic: Statistic,
    labels: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    groups: ArrayLike,
    n_bootstrap: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Difference:
    """Compare any statistic of two detectors by a bootstrap over groups; both are measured on the same groups in each draw.

    Parameters
    ----------
    statistic : function of labels and scores, such as `auroc`
    labels : (N,) int, 0 normal, 1 abnormal
    first, second : (N,) scores (decisions, for a statistic of decisions) of the same frames
    groups : (N,) names, equal for frames that belong together (patient, video)
    n_bootstrap : number of resamples, at least 1
    level : coverage that the interval aims at, in (0, 1)
    seed : of the draws

    Returns
    -------
    Difference; error is the standard deviation over the draws, low and high are their percentiles, and p is twice the smaller
    share of draws on one side of 0, where draws at 0 count on both sides and one more draw is added. So p is never under
    2 / (n_bootstrap + 1), and a comparison of many pairs needs more draws. All but the value is NaN where a class comes from
    fewer than two groups.

    Raises
    ------
    MedgenError : if lengths differ, a label is neither 0 nor 1, a score is NaN, or `n_bootstrap` or the level makes no sense.
    """
    values = [float(statistic(labels, scores)) for scores in (first, second)]
    drawn = [replicates(statistic, labels, scores, groups, n_bootstrap, seed) for scores in (first, second)]
    return _from_draws(values[0] - values[1], drawn[0] - drawn[1], level)


def holm(p: ArrayLike) -> Floats:
    """Return p-values adjusted for their number (Holm 1979), so that the chance of any false positive stays under the level.

    Parameters
    ----------
    p : (M,) in [0, 1]; a NaN stays NaN and does not count

    Returns
    -------
    (M,), each at least the p-value it adjusts.
    """
    values = np.asarray(p, dtype=np.float64)
    order = np.argsort(values)[: np.count_nonzero(~np.isnan(values))]  # (M',), NaN sort last
    adjusted = np.full(values.shape, np.nan)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(values[order] * np.arange(order.size, 0, -1)))
    return adjusted


def compare_pairs(
    labels: ArrayLike,
    scores: Mapping[str, ArrayLike],
    groups: ArrayLike,
    statistic: Statistic = auroc,
    n_bootstrap: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> list[Pair]:
    """Compare every pair of detectors, in the order of `scores`, with p-values adjusted over all pairs.

    Parameters
    ----------
    labels : (N,) int, 0 normal, 1 abnormal
    scores : detector name -> (N,) scores of the same frames, higher is more anomalous
    groups : (N,) names, equal for frames that belong together (patient, video)
    statistic : function of labels and scores, such as `auroc`
    n_bootstrap : number of resamples, at least 1
    level : coverage that the intervals aim at, in (0, 1)
    seed : of the draws

    Returns
    -------
    One row per pair. The fields of DeLong's test are NaN unless the statistic is `auroc`.

    Raises
    ------
    MedgenError : if there are fewer than two detectors, lengths differ, a label is neither 0 nor 1, a score is NaN, or
        `n_bootstrap` or the level makes no sense.
    """
    if len(scores) < 2:
        raise MedgenError(f"a comparison got the scores of {len(scores)} detectors; expected at least 2")
    values = {name: float(statistic(labels, values)) for name, values in scores.items()}
    drawn = {name: replicates(statistic, labels, values, groups, n_bootstrap, seed) for name, values in scores.items()}
    tested = combinations(scores, 2) if statistic is auroc else ()
    return compare_draws(values, drawn, level, {(a, b): delong(labels, scores[a], scores[b], level) for a, b in tested})


def compare_draws(
    values: Mapping[str, float],
    drawn: Mapping[str, Floats],
    level: float = 0.95,
    tests: Mapping[tuple[str, str], Difference] = MappingProxyType({}),
) -> list[Pair]:
    """Compare every pair of detectors from bootstrap draws that were made before.

    Parameters
    ----------
    values : detector name -> its statistic
    drawn : detector name -> (D,) its statistic in each draw; draw d has the same groups for all detectors
    level : coverage that the intervals aim at, in (0, 1)
    tests : pair of names -> its result by DeLong's test; the fields of pairs that are not in it are NaN

    Returns
    -------
    One row per pair, with p-values adjusted over all pairs.
    """
    missing = Difference(*[np.nan] * 5)
    pairs = list(combinations(values, 2))
    bootstraps = [_from_draws(values[a] - values[b], drawn[a] - drawn[b], level) for a, b in pairs]
    delong_tests = [tests.get(pair, missing) for pair in pairs]
    adjusted = [holm([difference.p for difference in tested]) for tested in (bootstraps, delong_tests)]
    rows = zip(pairs, bootstraps, adjusted[0].tolist(), delong_tests, adjusted[1].tolist(), strict=True)
    return [Pair(*pair, *difference, p_holm, *test[1:], delong_holm) for pair, difference, p_holm, test, delong_holm in rows]


def _components(labels: ArrayLike, scores: ArrayLike) -> tuple[Floats, Floats]:
    """Return how often each abnormal frame scores above normal ones (M,), and each normal one below abnormal ones (N - M,)."""
    truth, values, _ = checked(labels, scores)
    ranks: NDArray[np.float64] = rankdata(values)  # midranks
    abnormal, normal = values[truth], values[~truth]
    above = (ranks[truth] - rankdata(abnormal)) / max(1, normal.size)
    below = 1 - (ranks[~truth] - rankdata(normal)) / max(1, abnormal.size)
    return above, below


def _from_draws(value: float, differences: Floats, level: float) -> Difference:
    """Return the difference with the error, interval and p-value that its draws (D,) give."""
    low, high = percentiles(differences, level)
    defined = differences[~np.isnan(differences)]
    if not defined.size:
        return Difference(value, *[np.nan] * 4)
    side = min(np.count_nonzero(defined <= 0), np.count_nonzero(defined >= 0))
    return Difference(value, float(defined.std()), low, high, min(1.0, 2 * (side + 1) / (defined.size + 1)))
