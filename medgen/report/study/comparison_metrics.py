"""The numbers of a comparison as typed dictionaries: what its ``metrics.json`` holds and its page, tables and PDF read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict

from medgen.report.run_metrics import BootstrapSettings, FrameCounts, GroupMetrics, IntervalValues, PairValues, RunMetrics


class SeedSpread(TypedDict, total=False):
    """How the runs of an entry differ in a measure; {} for fewer than two."""

    n: int
    low: float
    high: float
    std: float


class Cell(TypedDict):
    """A measure of an entry: the mean over its runs, its interval over frames, and how the runs differ."""

    value: float | None
    low: float | None
    high: float | None
    seeds: SeedSpread


class _NetColumn(TypedDict, total=False):
    extractor: str | None  # of measures of samples: the net by whose features they were taken


class Column(_NetColumn):
    """A column of the summary; `tested` tells whether the paired test compares it."""

    key: str
    title: str
    unit: str
    better: str
    meaning: str
    tested: bool


class Histogram(TypedDict):
    """Raw scores of a run: edges of the bins, share of each label's frames in them in %, and the threshold."""

    edges: list[float]
    log: bool
    shares: dict[str, list[float]]
    threshold: float | None


class FindingShare(TypedDict):
    """A finding, its frames, and the share of them that is flagged, mean over the runs."""

    finding: str
    label: str
    frames: int
    flagged: IntervalValues


class EntryRun(TypedDict):
    """One run of an entry."""

    name: str
    seed: int | None
    cost: dict[str, float | None]
    dataset: dict[str, str | int]
    provenance: dict[str, str]
    settings: Mapping[str, Any]
    metrics: RunMetrics


class EntryDetails(TypedDict):
    """What is said of an entry besides its row and its curves."""

    backend: str
    about: str
    histogram: Histogram
    findings: list[FindingShare]
    groups: dict[str, list[GroupMetrics]]
    warnings: list[str]
    runs: list[EntryRun]


class EntryMetrics(EntryDetails):
    """Everything that is said of an entry; its curves have values, ends of the bands, and what they are drawn over."""

    name: str
    summary: dict[str, Cell]
    roc: dict[str, list[float | None]]
    precision_recall: dict[str, list[float | None]]


class PairMetrics(PairValues):
    """First minus second entry in one measure; `differ` says whether the difference is real."""

    measure: str
    differ: bool


class Verdict(TypedDict):
    """Which entry is best in a measure, if any, which one has the highest value, and which cannot be told from that one."""

    best: str | None
    leader: str | None
    alike: list[str]


class MeanRank(TypedDict):
    """The mean rank of an entry over the draws of the bootstrap, with its interval."""

    name: str
    mean: float
    low: float
    high: float


class _RanksAlpha(TypedDict, total=False):
    alpha: float


class Ranks(_RanksAlpha):
    """Mean ranks, best first, and the largest sets of entries without a difference; `reason` says why there are none."""

    reason: str
    ranks: list[MeanRank]
    cliques: list[list[str]]


class ComparisonMetrics(TypedDict):
    """Every number of a comparison."""

    format: str
    purpose: str
    title: str
    frames: FrameCounts
    bootstrap: BootstrapSettings
    alpha: float
    caution: str
    measures: list[Column]
    entries: list[EntryMetrics]
    pairs: list[PairMetrics]
    verdicts: dict[str, Verdict]
    ranks: Ranks
    failures: list[dict[str, str]]
    audit: Mapping[str, Any]
    duplicates: int
    rejected: int
    study: Mapping[str, Any]
    commands: list[str]
