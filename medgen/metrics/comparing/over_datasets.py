"""Whether methods differ over several data sets: ranks, the tests of Friedman and Wilcoxon, the critical difference of Nemenyi.

Source: Demšar 2006, "Statistical comparisons of classifiers over multiple data sets", JMLR 7,
https://www.jmlr.org/papers/v7/demsar06a.html. A data set is one observation, however many frames it has.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from medgen.metrics.intervals import Floats


class Friedman(NamedTuple):
    """The test that all methods are alike.

    Attributes
    ----------
    chi2, p : Friedman's statistic, corrected for ties, and its p by the chi-squared distribution
    f, p_f : that of Iman and Davenport 1980, less conservative, and its p by the F distribution; infinity and 0 where every data
        set ranks the methods alike
    """

    chi2: float
    p: float
    f: float
    p_f: float


def ranks_in_datasets(values: Floats) -> NDArray[np.float64]:
    """Return the rank of each method in each data set, 1 for the highest value; equal ones share the mean of their ranks.

    Parameters
    ----------
    values : (N, K) of N data sets and K methods
    """
    return np.asarray(stats.rankdata(-values, axis=1), dtype=np.float64)


def friedman(values: Floats) -> Friedman:
    """Return Friedman's test of (N, K) values, N >= 2 data sets and K >= 3 methods; its p is 1 where all are equal."""
    n, k = values.shape
    if (values == values[:, :1]).all():
        return Friedman(0.0, 1.0, 0.0, 1.0)
    statistic, p = map(float, stats.friedmanchisquare(*values.T))
    value = iman_davenport(statistic, n, k)
    return Friedman(statistic, p, value, 0.0 if math.isinf(value) else float(stats.f.sf(value, k - 1, (k - 1) * (n - 1))))


def iman_davenport(statistic: float, n: int, k: int) -> float:
    """Return the F statistic of Friedman's, for `n` data sets and `k` methods."""
    rest = n * (k - 1) - statistic
    return math.inf if rest <= 1e-9 * n * k else (n - 1) * statistic / rest


def critical_difference(n: int, k: int, alpha: float) -> float:
    """Return by how much mean ranks over `n` data sets have to differ for two of `k` methods to differ, by Nemenyi 1963."""
    return float(stats.studentized_range.ppf(1 - alpha, k, np.inf) / math.sqrt(2) * math.sqrt(k * (k + 1) / (6 * n)))


def wilcoxon(differences: Floats) -> float:
    """Return the two-sided p of Wilcoxon's signed ranks of (N,) differences, one for each data set; 1 where all are 0.

    Differences of 0 are left out. It is exact for up to 50 others, or 13 where some are equal; above, it is the normal one.
    """
    kept = differences[differences != 0]
    return float(stats.wilcoxon(kept).pvalue) if len(kept) else 1.0
