"""One score for a patient, a video or a volume, from the scores of its frames."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medgen.metrics.intervals import Floats

TOP = 0.1  # share of a group's frames, the highest, whose mean is taken


def highest(scores: Floats) -> float:
    """Return the highest score of a group (n,): one frame is enough to tell."""
    return float(scores.max())


def top_mean(scores: Floats) -> float:
    """Return the mean of the highest tenth of a group's scores (n,), of one frame at least: a single odd frame tells less."""
    count = int(np.ceil(TOP * scores.size - 1e-9))
    return float(np.sort(scores)[-count:].mean())


def noisy_or(p_values: Floats) -> float:
    """Return minus the logarithm of the complement of a noisy-or (Pearl 1988, Probabilistic Reasoning in Intelligent Systems).

    Each frame of a group makes the group abnormal with chance 1 - p, independently of the others: the chance that any does is
    1 - prod(p). Returned is -sum(log(p)), which rises with it and does not run into 1 (half of Fisher's statistic for the same
    p-values). It grows with the number of frames.

    Parameters
    ----------
    p_values : (n,) conformal p-values of the frames, in (0, 1]
    """
    return float(-np.log(p_values).sum())


OF_SCORES: Mapping[str, Callable[[Floats], float]] = MappingProxyType({"max": highest, "top_mean": top_mean})
OF_P_VALUES: Mapping[str, Callable[[Floats], float]] = MappingProxyType({"noisy_or": noisy_or})
TITLES: Mapping[str, str] = MappingProxyType(
    {"max": "highest frame", "top_mean": "mean of the highest tenth", "noisy_or": "noisy-or of all frames"}
)


def by_unit(values: ArrayLike, groups: ArrayLike, aggregate: Callable[[Floats], float]) -> tuple[NDArray[np.str_], Floats]:
    """Return the names of groups, (G,) sorted, and what the values of each become, (G,).

    Parameters
    ----------
    values : (N,) a number for each frame
    groups : (N,) the group of each
    aggregate : (n,) numbers of one group to its number
    """
    numbers, names = np.asarray(values, dtype=np.float64), np.asarray(groups).astype(str)
    units, codes = np.unique(names, return_inverse=True)
    order = np.argsort(codes, kind="stable")
    parts = np.split(numbers[order], np.cumsum(np.bincount(codes, minlength=units.size))[:-1]) if units.size else []
    return units, np.array([aggregate(part) for part in parts], dtype=np.float64)
