"""How well patients, videos and volumes are told apart by one score for each, and decided by a threshold of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medgen.errors import MedgenError
from medgen.metrics.aggregate import OF_P_VALUES, OF_SCORES, TITLES, by_unit
from medgen.metrics.calibration import fewest, p_value, threshold
from medgen.metrics.decisions import binomial
from medgen.metrics.detection import auroc, average_precision, bootstrap
from medgen.metrics.intervals import Floats
from medgen.report.evaluate import LEVEL
from medgen.report.localisation.local_metrics import GroupDecisions, GroupedScores, GroupWay
from medgen.report.run_metrics import IntervalValues, interval_values
from medgen.types import LABELS


class GroupedFrames(NamedTuple):
    """Frames with what they belong to.

    Attributes
    ----------
    scores : (N,) raw scores
    groups : (N,) the group of each
    """

    scores: Floats
    groups: NDArray[np.str_]


def group_labels(labels: NDArray[np.str_], groups: NDArray[np.str_]) -> pd.Series:
    """Return the label of each group by its name: abnormal where any frame is, normal where all are, else ""."""
    names, codes = np.unique(groups, return_inverse=True)
    frames, normal, abnormal = (np.bincount(codes, kind) for kind in (labels == labels, labels == "normal", labels == "abnormal"))
    return pd.Series(np.select([abnormal > 0, normal == frames], ["abnormal", "normal"], ""), index=names)


def score_groups(
    test: GroupedFrames,
    labels: NDArray[np.str_],
    normals: GroupedFrames | None,
    rate: float,
    reason: str = "",
    n_bootstrap: int = 2000,
    seed: int = 0,
) -> GroupedScores:
    """Return how groups are told apart by each way of making one score of their frames' scores.

    A group is a unit of its own in every interval. Thresholds are conformal at the level of groups: with G groups of normal
    validation frames, a further normal group that is like them is flagged with a chance of at most the rate. The noisy-or is made
    of p-values of frames, so that every second validation group tells these and the others alone the threshold.

    Parameters
    ----------
    test : the frames that are measured on
    labels : (N,) of theirs, "normal", "abnormal" or ""
    normals : normal validation frames; None where there are none to be had
    rate : of normal groups that may be flagged
    reason : why there can be no threshold, whatever the validation frames; "" where there can
    """
    of_group = group_labels(labels, test.groups)
    counts = of_group.value_counts()
    sizes = np.unique(test.groups, return_counts=True)[1]
    ways: list[GroupWay] = []
    for name, aggregate in {**OF_SCORES, **OF_P_VALUES}.items():
        apart = name in OF_P_VALUES
        scored, calibration = _aggregated(aggregate, test, normals, apart)
        if scored is None:
            continue
        names, values = scored
        known = of_group.reindex(names.tolist()).to_numpy()
        decided = _decide(values, known, calibration, rate, reason)
        area, precision = _detection(values, known, n_bootstrap, seed)
        way: GroupWay = {"name": name, "title": TITLES[name], "auroc": area, "average_precision": precision, "decisions": decided}
        ways.append(way)
    return {
        "groups": {"normal": int(counts.get("normal", 0)), "abnormal": int(counts.get("abnormal", 0))},
        "frames_in_a_group": {"fewest": int(sizes.min()), "median": float(np.median(sizes)), "most": int(sizes.max())},
        "ways": ways,
    }


def _aggregated(
    aggregate: Callable[[Floats], float], test: GroupedFrames, normals: GroupedFrames | None, by_p_values: bool
) -> tuple[tuple[NDArray[np.str_], Floats] | None, Floats]:
    """Return names and scores of the test groups, None where they cannot be had, and scores of the validation groups."""
    if not by_p_values:
        calibration = np.empty(0) if normals is None else by_unit(normals.scores, normals.groups, aggregate)[1]
        return by_unit(test.scores, test.groups, aggregate), calibration
    if normals is None or not normals.scores.size:
        return None, np.empty(0)
    first = np.isin(normals.groups, np.unique(normals.groups)[::2])
    reference = normals.scores[first]
    calibration = by_unit(p_value(reference, normals.scores[~first]), normals.groups[~first], aggregate)[1]
    return by_unit(p_value(reference, test.scores), test.groups, aggregate), calibration


def _detection(values: Floats, labels: NDArray[np.str_], n_bootstrap: int, seed: int) -> tuple[IntervalValues, IntervalValues]:
    """Return AUROC and average precision of groups; those without a label do not count."""
    known = labels != ""
    codes = (labels[known] == "abnormal").astype(int)
    units = np.arange(codes.size)
    area, precision = (
        interval_values(bootstrap(statistic, codes, values[known], units, n_bootstrap, LEVEL, seed))
        for statistic in (auroc, average_precision)
    )
    return area, precision


def _decide(values: Floats, labels: NDArray[np.str_], calibration: Floats, rate: float, reason: str) -> GroupDecisions:
    """Return the threshold, or why there is none, and what it flags of each label."""
    decided: GroupDecisions = {"value": None, "groups": int(calibration.size), "false_alarm_rate": rate, "reason": reason}
    if not reason:
        try:
            decided["value"] = threshold(calibration, rate)
        except MedgenError:
            decided["reason"] = (
                f"a false-alarm rate of {100 * rate:g} % takes {fewest(rate)} groups of normal validation frames, and there are "
                f"{calibration.size}"
            )
    if decided["value"] is not None:
        for label in LABELS:
            flagged = values[labels == label] > decided["value"]
            share = interval_values(binomial(int(flagged.sum()), flagged.size, LEVEL)) if flagged.size else {}
            entry = {"count": int(flagged.sum()), "of": int(flagged.size), **share}
            decided["flagged_normal" if label == "normal" else "flagged_abnormal"] = entry  # type: ignore[typeddict-item]
    return decided
