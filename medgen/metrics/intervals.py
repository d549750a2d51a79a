"""Intervals from a bootstrap over groups: their form, their bounds, and that of a mean."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medgen.errors import MedgenError

Floats = NDArray[np.float64]
BLOCK = 2_000_000  # weights of a bootstrap held at once, 16 MB


class Interval(NamedTuple):
    """A statistic and the interval that it lies in at the stated level."""

    value: float
    low: float
    high: float


def difference(first: Interval, second: Interval) -> Interval:
    """Return `first` minus `second`, two statistics of independent frames, with the interval that theirs give for it.

    Each bound lies as far from the difference as the two bounds that make it lie from their statistics, squared and added
    (Zou and Donner 2008, https://doi.org/10.1002/sim.3095). NaN where one of the numbers is.
    """
    value = first.value - second.value
    low = value - np.hypot(first.value - first.low, second.high - second.value)
    high = value + np.hypot(first.high - first.value, second.value - second.low)
    return Interval(value, float(low), float(high))


def check_level(level: float) -> None:
    """Raise MedgenError unless the level of an interval lies between 0 and 1."""
    if not 0 < level < 1:
        raise MedgenError(f"an interval got level {level}; expected a number between 0 and 1, such as 0.95")


def percentiles(values: Floats, level: float) -> tuple[float, float]:
    """Return between which bounds the middle share `level`, in (0, 1), of the defined values lies; NaN if there are none."""
    check_level(level)
    defined = values[~np.isnan(values)]
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2]) if defined.size else (np.nan, np.nan)
    return float(low), float(high)


def mean_interval(values: ArrayLike, groups: ArrayLike, n_bootstrap: int = 2000, level: float = 0.95, seed: int = 0) -> Interval:
    """Return the mean of (N,) values with its percentile interval from a bootstrap over groups.

    Whole groups are drawn with replacement, all alike, whichever class they are of.

    Parameters
    ----------
    values : (N,)
    groups : (N,), equal for values that belong together (patient, video)
    n_bootstrap : number of resamples
    level : coverage that the interval aims at, in (0, 1)
    seed : the same seed gives the same interval

    Returns
    -------
    Interval; its bounds are NaN where all values come from one group, all of it where there is none.
    """
    numbers = np.asarray(values, dtype=float)
    _, codes = np.unique(np.asarray(groups).astype(str), return_inverse=True)
    count = int(codes.max(initial=-1)) + 1
    mean = float(numbers.mean()) if numbers.size else np.nan
    if count < 2:
        return Interval(mean, np.nan, np.nan)
    sums, sizes = np.bincount(codes, numbers), np.bincount(codes)
    generator, means, block = np.random.default_rng(seed), [], max(1, BLOCK // count)
    for start in range(0, n_bootstrap, block):
        drawn = generator.integers(count, size=(min(block, n_bootstrap - start), count))  # (D, G)
        means.append(sums[drawn].sum(1) / sizes[drawn].sum(1))
    return Interval(mean, *percentiles(np.concatenate(means), level))
