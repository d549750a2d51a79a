"""Numbers on places, findings and groups as typed dictionaries: what this room returns, pages read and ``metrics.json`` holds."""

from __future__ import annotations

from typing import TypedDict

from medgen.report.run_metrics import BootstrapSettings, FrameCounts, IntervalValues


class MapRow(TypedDict):
    """Maps that no model made, and how well they find pixels: key of a measure -> interval."""

    name: str
    title: str
    measures: dict[str, IntervalValues]


class AgainstBest(TypedDict):
    """The model minus the best maps that no model made, paired draw by draw; `above` where the interval lies above 0."""

    best: str  # title of those maps
    value: float | None
    low: float | None
    high: float | None
    above: bool


class LocalisationMetrics(TypedDict, total=False):
    """Intervals of the pixel measures, and the same measures of maps that no model made; {} where there are no maps or masks."""

    bootstrap: BootstrapSettings
    model: dict[str, IntervalValues]
    baselines: list[MapRow]
    against: dict[str, AgainstBest]  # by measure
    warning: str  # a sentence where the model is not above the best of them, or ""
    left_out: str  # which of them lack and why, or ""


class GroupFlags(IntervalValues, total=False):
    """How many groups are flagged, of how many, and that share with its exact interval."""

    count: int
    of: int


class GroupDecisions(TypedDict, total=False):
    """A threshold at the level of groups, what it rests on, and what it flags; `reason` says why there is none."""

    value: float | None
    groups: int  # of normal validation frames
    false_alarm_rate: float
    reason: str
    flagged_normal: GroupFlags
    flagged_abnormal: GroupFlags


class GroupWay(TypedDict, total=False):
    """A way to make one score of the scores of a group, and how well it tells groups apart."""

    name: str
    title: str
    auroc: IntervalValues
    average_precision: IntervalValues
    decisions: GroupDecisions


class GroupedScores(TypedDict):
    """Groups of one kind: how many of each label, how many frames they have, and each way to score them."""

    groups: FrameCounts
    frames_in_a_group: dict[str, float]
    ways: list[GroupWay]


class LesionSize(TypedDict):
    """How many findings of a size are marked."""

    size: str
    found: int
    of: int
    share: IntervalValues


class FalseMarks(TypedDict):
    """The share of findings that is hit at so many false marks per frame."""

    false_marks: float
    sensitivity: IntervalValues


class LesionMetrics(TypedDict, total=False):
    """Which findings maps mark: at so many false marks per frame each; {} where there are no maps or findings."""

    lesions: int
    frames: int
    level: float
    froc: list[FalseMarks]
    all_marks: FalseMarks
    sizes: list[LesionSize]  # [] where no pixel spacing is known
