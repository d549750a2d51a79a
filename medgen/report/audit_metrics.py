"""The numbers of the shortcut audit as typed dictionaries: what `measure_shortcuts` returns, pages and the terminal read."""

from __future__ import annotations

from typing import TypedDict

from medgen.report.run_metrics import BootstrapSettings, FrameCounts, IntervalValues


class Separation(TypedDict, total=False):
    """How well a trait alone tells the classes apart; `more` is the class with larger values, "" for neither."""

    trait: str  # not of the baseline, which is no trait
    title: str
    auroc: IntervalValues
    more: str
    normal: int  # frames that it rests on
    abnormal: int


class AurocOnFrames(TypedDict, total=False):
    """A model's AUROC on so many frames; {} where these lack a class."""

    auroc: IntervalValues
    normal: int
    abnormal: int


class MatchedFrames(AurocOnFrames, total=False):
    """A model's AUROC on the frames that are alike in a trait, and in words which those are."""

    where: str


class WithinTrait(TypedDict):
    """A model's AUROC within the strata of a trait, the share of pairs compared there, and that on frames alike in the trait."""

    trait: str
    title: str
    auroc: IntervalValues
    pairs: float
    matched: MatchedFrames


class ModelAudit(TypedDict):
    """A model's AUROC on all frames, on those without a near-duplicate in another split, and without each trait."""

    auroc: IntervalValues
    without_duplicates: AurocOnFrames
    strata: list[WithinTrait]


class AuditMetrics(TypedDict, total=False):
    """Everything that the audit says; {} where none was made."""

    reason: str  # why nothing could be measured, or ""
    frames: FrameCounts
    bootstrap: BootstrapSettings
    traits: list[Separation]  # biggest first
    baseline: Separation
    warnings: list[str]  # a sentence for each strong trait
    too_easy: list[str]  # a sentence for each trait that makes the task too easy
    models: dict[str, ModelAudit]
    duplicates: list[dict[str, str]]  # kind, path, split, other, other_split
    unscored: int  # frames that show too little to be scored, and are left out of everything here
    left_out: str  # why there are no traits of some kind, or ""
    looked: bool  # whether the data set was searched for near-duplicates
