"""What is said of a run on frames of another data set than its own: is the promise kept, and do these frames differ?

It reads the labels of the frames, to compare normal with normal and abnormal with abnormal, and nothing that it measures goes
anywhere but into a report.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from medgen.data.scorable import is_scored
from medgen.data.shortcut_features import MEAN_DISTANCE, TRAITS
from medgen.metrics.comparing.paired import holm
from medgen.metrics.comparing.shift import kolmogorov_smirnov, one_of_each
from medgen.metrics.intervals import Interval, difference
from medgen.metrics.units import statistical_units
from medgen.report.guarantee import promised
from medgen.report.measures import measured_values
from medgen.report.run_metrics import (
    IntervalValues,
    OwnTestMeasure,
    RunMetrics,
    ShiftedTrait,
    ThresholdMetrics,
    interval_values,
)
from medgen.types import LABELS

LEVEL = 0.05  # adjusted p-value below which a trait is called shifted
COMPARED = ("detection", "decisions")  # sections of measures that both sets have in the same form
BY_SHARE = ("average_precision", "precision", "f1")  # of those, what depends on how many frames are abnormal
TITLES = {"score": "anomaly score", "mean_distance": MEAN_DISTANCE, **TRAITS}


class LookedAt(NamedTuple):
    """Scored frames with their traits.

    Attributes
    ----------
    scores : N rows with label, group, id, status and score
    traits : N rows, columns of `TRAITS` and "mean_distance", NaN where a frame has none; without columns where none are known
    """

    scores: pd.DataFrame
    traits: pd.DataFrame


def verdict(threshold: ThresholdMetrics, normals: int) -> tuple[bool | None, str]:
    """Return whether the false alarms are within what the threshold promises, and that in plain words.

    Within is an outcome that chance explains: whose exact binomial interval reaches down to the promised rate or below it.

    Parameters
    ----------
    threshold : as `medgen.report.evaluate.evaluate` returns it; {} where there is none
    normals : how many normal frames were scored
    """
    if not threshold:
        return None, "Nothing was promised: this run has no threshold."
    rate = promised(threshold)
    if not normals:
        return (
            None,
            f"Promised are {rate} false alarms; without normal frames nobody can tell whether that holds here.",
        )
    outcome, count = threshold["promise"], threshold["flagged_normal"]
    rates = f"{100 * outcome['value']:.1f} % ({100 * outcome['low']:.1f} to {100 * outcome['high']:.1f} %)"
    found = f"{count['count']} of {count['of']} normal frames are flagged, {rates}; promised are {rate}."
    if not outcome["kept"]:
        return False, f"NOT within the promise: {found} The threshold does not hold for these frames."
    if outcome["high"] > outcome["promised"]:
        return True, f"Within the promise: {found} So few frames cannot rule out a rate of up to {100 * outcome['high']:.1f} %."
    return True, f"Within the promise: {found}"


def compare_measures(here: RunMetrics, own: RunMetrics) -> list[OwnTestMeasure]:
    """Return each measure of detection and decision that has a value on both sets of frames, with the difference (here - own).

    The frames are not the same, so the interval is that of two independent statistics. Measures that depend on the share of
    abnormal frames are left out: they differ between sets of another mixture, whatever the run does.
    """
    of_own = {(value.measure.section, value.measure.key): value for value in measured_values(own)}
    entries: list[OwnTestMeasure] = []
    for value in measured_values(here):
        measure = value.measure
        other = of_own.get((measure.section, measure.key))
        if measure.section not in COMPARED or measure.key in BY_SHARE or other is None:
            continue
        if value.value is not None and other.value is not None:
            first, second = (_interval(one.value, one.low, one.high) for one in (value, other))
            entries.append(
                {
                    "section": measure.section,
                    "key": measure.key,
                    "title": measure.title,
                    "own": interval_values(second),
                    "here": interval_values(first),
                    "difference": interval_values(difference(first, second)),
                }
            )
    return entries


def measure_shift(here: LookedAt, own: LookedAt) -> list[ShiftedTrait]:
    """Return how the score and each trait that both sets have differ between them, the largest distances first.

    Normal frames are compared with normal ones and abnormal with abnormal ones, where both sets have them; else all with all. The
    test is that of Kolmogorov and Smirnov on one frame of each group, since frames of a group resemble each other, with Holm's
    correction over all rows.
    """
    entries = [entry for label in _labels(here, own) for entry in _compare(_frames(here, label), _frames(own, label), label)]
    adjusted = holm([np.nan if entry["p"] is None else entry["p"] for entry in entries])
    for entry, p in zip(entries, adjusted.tolist(), strict=True):
        entry["p_holm"] = None if np.isnan(p) else p
        entry["shifted"] = p < LEVEL
    return sorted(entries, key=lambda entry: (entry["trait"] != "score", entry["p_holm"] is None, -(entry["distance"] or 0)))


def shift_in_words(shift: list[ShiftedTrait]) -> str:
    """Return what of the frames differs, a sentence; "" where nothing does."""
    differing = [f"{entry['title']} of {entry['frames']} frames" for entry in shift if entry["shifted"]]
    if not differing:
        return ""
    most, more = ", ".join(differing[:4]), len(differing) - 4
    return f"These frames differ from the run's own test frames: {most}{f' and {more} more' if more > 0 else ''}."


def _labels(here: LookedAt, own: LookedAt) -> list[str]:
    both = [label for label in LABELS if all((frames.scores["label"] == label).any() for frames in (here, own))]
    return both or ["all"]


def _frames(frames: LookedAt, label: str) -> pd.DataFrame:
    """Return score and traits of the scored frames of a label, with the unit of each."""
    chosen = is_scored(frames.scores) & ((frames.scores["label"] == label) | (label == "all")).to_numpy()
    scores = frames.scores[["score"]].astype(float)
    table = pd.concat([scores.reset_index(drop=True), frames.traits.reset_index(drop=True)], axis=1)[chosen]
    units = statistical_units(frames.scores["group"][chosen], frames.scores["id"][chosen])
    return table.reset_index(drop=True).assign(unit=units)


def _compare(here: pd.DataFrame, own: pd.DataFrame, label: str) -> Iterator[ShiftedTrait]:
    for name in (str(name) for name in here if name in own and name in TITLES):
        known = [frames.loc[frames[name].notna(), [name, "unit"]].reset_index(drop=True) for frames in (here, own)]
        drawn = [frames[name].iloc[one_of_each(frames["unit"])] for frames in known]
        result = kolmogorov_smirnov(*drawn)
        medians = [float(frames[name].median()) if len(frames) else None for frames in known]
        yield {
            "trait": name,
            "title": TITLES[name],
            "frames": label,
            "own_median": medians[1],
            "median": medians[0],
            "distance": None if np.isnan(result.distance) else result.distance,
            "p": None if np.isnan(result.p) else result.p,
            "p_holm": None,
            "own_groups": len(drawn[1]),
            "groups": len(drawn[0]),
            "shifted": False,
        }


def _interval(value: float | None, low: float | None, high: float | None) -> Interval:
    return Interval(*(np.nan if number is None else number for number in (value, low, high)))


def values_of(interval: IntervalValues) -> tuple[float | None, float | None, float | None]:
    """Return value, low and high of an interval as a row of a table has them."""
    return interval.get("value"), interval.get("low"), interval.get("high")
