"""Whether two samples of a number are drawn alike: the two-sample Kolmogorov-Smirnov test."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

LEAST = 5  # values on each side below which no test is made: it could not tell anything


class Shift(NamedTuple):
    """How far apart two distributions are: the largest distance of their cumulative shares, in [0, 1], and its p-value."""

    distance: float
    p: float


def kolmogorov_smirnov(first: ArrayLike, second: ArrayLike) -> Shift:
    """Compare two samples (Kolmogorov 1933, Smirnov 1939; computed by scipy, exactly where neither has more than 10,000 values).

    Of values with ties, such as 0 and 1, the p-value is larger than need be: the test is careful there.

    Parameters
    ----------
    first, second : (N,) and (M,) independent values; NaN are left out

    Returns
    -------
    Shift, all NaN where a sample has fewer than `LEAST` values.
    """
    a, b = (values[~np.isnan(values)] for values in (np.asarray(first, dtype=float), np.asarray(second, dtype=float)))
    if min(len(a), len(b)) < LEAST:
        return Shift(np.nan, np.nan)
    from scipy.stats import ks_2samp  # a second to import, and who only scores frames needs none of it

    with warnings.catch_warnings():  # where the exact sum overflows, scipy takes the limit for many values and says so
        warnings.simplefilter("ignore", RuntimeWarning)
        result = ks_2samp(a, b)
    return Shift(float(result.statistic), float(result.pvalue))


def one_of_each(units: ArrayLike, seed: int = 0) -> NDArray[np.int64]:
    """Return the row of one frame of each unit, drawn by chance: values of these are independent, as tests take them to be.

    Parameters
    ----------
    units : (N,) name of the unit of each frame (`medgen.metrics.units.statistical_units`)
    seed : of the draw
    """
    names = np.asarray(units)
    order = np.random.default_rng(seed).permutation(len(names))
    _, first = np.unique(names[order], return_index=True)
    return np.sort(order[first]).astype(np.int64)
