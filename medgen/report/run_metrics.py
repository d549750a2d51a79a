"""The numbers of a run as typed dictionaries: what `evaluate` returns, what pages read, what ``metrics.json`` holds.

None is a number that is undefined or was not measured. A section is empty, or absent, where there is nothing to fill it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import numpy as np

from medgen.metrics.intervals import Interval


class IntervalValues(TypedDict, total=False):
    """A statistic and the interval that it lies in at the level of the bootstrap; {} where there is none."""

    value: float | None
    low: float | None
    high: float | None


class MeanValues(TypedDict):
    """Mean and standard deviation (n - 1) over n frames."""

    mean: float | None
    std: float | None
    n: int


class FlagCount(TypedDict, total=False):
    """How many frames are flagged, of how many."""

    count: int
    of: int


class FrameCounts(TypedDict, total=False):
    """How many frames there are of each label, of how many groups they are, and how many all runs of a study scored or not."""

    normal: int
    abnormal: int
    unlabelled: int
    compared: int
    unscored: int
    groups: int


class PairValues(TypedDict):
    """First minus second detector in one measure: standard error, interval, p-value, and that adjusted for all pairs."""

    first: str
    second: str
    value: float
    error: float
    low: float
    high: float
    p: float
    p_holm: float


class Promise(TypedDict):
    """The share of normal frames that is flagged, its exact interval, the promised rate, and whether it is kept."""

    value: float
    low: float
    high: float
    promised: float
    kept: bool


class Uniformity(TypedDict):
    """Distance of the distribution of p-values from the uniform one, and the p-value of that."""

    distance: float
    p: float


class Threshold(TypedDict, total=False):
    """The threshold of a run and what its promise rests on; {} where there is none."""

    value: float | None  # None where there are too few frames for the rate
    false_alarm_rate: float  # of normal frames, at the threshold
    normals: int  # normal frames that it comes from
    groups: int  # that those frames come from
    pixel_level: float  # raw score of a pixel that 99 % of the pixels of normal frames lie below, at which maps are cut
    method: str  # "cv+" or "jackknife+", where the frames were fitted to; "jackknife", where they moved the run; absent elsewhere
    folds: int  # of them, each of which was left out of a fit
    by_group: bool  # each group counts once


class ThresholdMetrics(Threshold, total=False):
    """The threshold with what it decides among the test frames."""

    flagged_normal: FlagCount
    flagged_abnormal: FlagCount
    decisions: dict[str, IntervalValues]
    promise: Promise
    uniformity: Uniformity


class FindingMetrics(TypedDict):
    """A finding of a label: its frames and how many of them are flagged."""

    finding: str
    label: str
    frames: int
    mean_score: float | None
    flagged: int | None
    share_flagged: IntervalValues


class GroupMetrics(TypedDict, total=False):
    """A group of frames: how well the score detects in it, against which normal frames, and what is flagged of it."""

    name: str
    normal: int
    abnormal: int
    against: str
    auroc: IntervalValues
    flagged_normal: IntervalValues
    flagged_abnormal: IntervalValues
    within: bool | None  # whether its false alarms are within the promise; None where nothing was promised


class ClassifierMetrics(TypedDict):
    """Accuracy of a classifier over so many frames whose finding is named."""

    accuracy: IntervalValues
    frames: int


class BootstrapSettings(TypedDict, total=False):
    """How intervals were made."""

    draws: int
    level: float
    by: str
    seed: int


class DistributionMetrics(TypedDict, total=False):
    """How far samples are from real frames by each net that measured them; `reason` says why none did."""

    measured: Sequence[Mapping[str, object]]
    reason: str


class PathLength(TypedDict, total=False):
    """Perceptual path length of a generator with styles."""

    value: float
    pairs: int
    extractor: str
    epsilon: float


class TransferMetrics(TypedDict, total=False):
    """What a classifier is worth in the second domain."""

    source: str
    frames: FrameCounts
    detection: dict[str, IntervalValues]
    components: dict[str, dict[str, IntervalValues]]
    classes: dict[str, ClassifierMetrics]


class ShiftedTrait(TypedDict):
    """A trait of frames, or their score, here and among the run's own test frames: medians of all, test of one of each group."""

    trait: str
    title: str
    frames: str  # of which label they are; "all" where none has one
    own_median: float | None
    median: float | None
    distance: float | None  # of Kolmogorov and Smirnov, in [0, 1]
    p: float | None
    p_holm: float | None  # adjusted for the number of rows
    own_groups: int
    groups: int
    shifted: bool


class OwnTestMeasure(TypedDict):
    """A measure on the run's own test frames, and how much more or less of it there is here."""

    section: str
    key: str
    title: str
    own: IntervalValues
    here: IntervalValues
    difference: IntervalValues


class SeenInTraining(TypedDict):
    """How many of the frames are nearly the same as frames that the run was trained or calibrated on."""

    frames: int
    exact: int  # whose files are the same, too
    reason: str  # why nobody looked, or ""


class ExternalMetrics(TypedDict, total=False):
    """What is said of frames that are not of the run's own data set, besides the measures of any frames."""

    verdict: str  # whether the false alarms are as many as the threshold promises, in words
    within: bool | None  # None where nothing was promised, or there is no normal frame
    own: str  # which frames these are compared with, in words
    own_frames: FrameCounts
    measures: list[OwnTestMeasure]
    shift: list[ShiftedTrait]
    seen: SeenInTraining
    warnings: list[str]  # what a reader has to know first, a sentence or two each


class RunMetrics(TypedDict, total=False):
    """Every number of a run. `evaluate` fills the sections up to `bootstrap`; those below it come with what a backend can do."""

    frames: FrameCounts  # that have a score, on which all else rests
    unscored: FrameCounts  # that show too little to have one
    detection: dict[str, IntervalValues]
    components: dict[str, dict[str, IntervalValues]]  # score component -> measure -> interval
    classes: dict[str, ClassifierMetrics]  # by classifier
    pixel: dict[str, float | None]
    localisation: Mapping[str, Any]  # beside "pixel", and the next two: see `localisation.local_metrics`
    group_scores: Mapping[str, Mapping[str, Any]]  # kind of group (patient, video, ...) -> how its groups are told apart
    lesions: Mapping[str, Any]
    quality: dict[str, dict[str, MeanValues]]  # label -> measure -> mean
    threshold: ThresholdMetrics
    findings: list[FindingMetrics]
    groups: dict[str, list[GroupMetrics]]  # kind of grouping -> its groups
    bootstrap: BootstrapSettings
    distribution: DistributionMetrics
    path_length: PathLength
    transfer: TransferMetrics
    control: Mapping[str, float | int | None]
    flagged: FlagCount  # this and the next two: of a ranking of new frames
    validation_frames: int
    expected_false_alarms: float | None
    external: ExternalMetrics  # of frames of another data set than the run's own


def interval_values(interval: Interval) -> IntervalValues:
    """Return an interval as plain numbers, None where one is not finite."""
    value, low, high = (float(number) if np.isfinite(number) else None for number in interval)
    return {"value": value, "low": low, "high": high}
