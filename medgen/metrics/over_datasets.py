"""Whether methods differ over several data sets: ranks, the tests of Friedman and Wilcoxon, the critical difference of Nemenyi.

Source: Demšar 2006, "Statistical comparisons of classifiers over multiple data sets", JMLR 7,
https://www.jmlr.org/papers/v7/demsar06a.html. A data set is one observation, however many frames it has.
"""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2, f, norm, rankdata, studentized_range

from medgen.metrics.intervals import Floats

EXACT = 14  # differences up to which Wilcoxon's distribution is enumerated, 2 ** 14 signs


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
    return np.asarray(rankdata(-values, axis=1), dtype=np.float64)


def friedman(values: Floats) -> Friedman:
    """Return Friedman's test of (N, K) values, N >= 2 data sets and K >= 3 methods; its p is 1 where all are equal."""
    ranks = ranks_in_datasets(values)
    n, k = ranks.shape
    spread = float(((ranks - (k + 1) / 2) ** 2).sum())  # what ties leave of n k (k^2 - 1) / 12
    if not spread:
        return Friedman(0.0, 1.0, 0.0, 1.0)
    statistic = float((k - 1) * n**2 * ((ranks.mean(axis=0) - (k + 1) / 2) ** 2).sum() / spread)
    value = iman_davenport(statistic, n, k)
    p_f = 0.0 if math.isinf(value) else float(f.sf(value, k - 1, (k - 1) * (n - 1)))
    return Friedman(statistic, float(chi2.sf(statistic, k - 1)), value, p_f)


def iman_davenport(statistic: float, n: int, k: int) -> float:
    """Return the F statistic of Friedman's, for `n` data sets and `k` methods."""
    rest = n * (k - 1) - statistic
    return math.inf if rest <= 1e-9 * n * k else (n - 1) * statistic / rest


def critical_difference(n: int, k: int, alpha: float) -> float:
    """Return by how much mean ranks over `n` data sets have to differ for two of `k` methods to differ, by Nemenyi 1963."""
    return float(studentized_range.ppf(1 - alpha, k, np.inf) / math.sqrt(2) * math.sqrt(k * (k + 1) / (6 * n)))


def wilcoxon(differences: Floats) -> float:
    """Return the two-sided p of Wilcoxon's signed ranks of (N,) differences, one for each data set; 1 where all are 0.

    Differences of 0 are left out. Up to `EXACT` others every pattern of signs is counted, ties too; above, the normal
    distribution with the variance of the ranks stands for them.
    """
    kept = differences[differences != 0]
    if not len(kept):
        return 1.0
    ranks = rankdata(np.abs(kept))
    off = abs(ranks[kept > 0].sum() - ranks.sum() / 2)
    if len(kept) > EXACT:
        return min(1.0, 2 * float(norm.sf(off / math.sqrt((ranks**2).sum() / 4))))
    signs = np.array([*itertools.product((0, 1), repeat=len(kept))])
    return float(np.mean(np.abs(signs @ ranks - ranks.sum() / 2) >= off - 1e-9))
