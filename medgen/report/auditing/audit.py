"""The shortcut audit: how well trivial traits tell normal frames from abnormal ones, and what is left of a model without them.

It reads the labels of test frames, and nothing that it measures goes anywhere but into a report.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from medgen.data.shortcut_features import MEAN_DISTANCE, TRAITS
from medgen.metrics.detection import auroc, bootstrap
from medgen.metrics.intervals import Floats
from medgen.metrics.strata import comparable_pairs, matched, quarters, stratified_interval
from medgen.metrics.units import statistical_units
from medgen.report.audit_metrics import AuditMetrics, AurocOnFrames, MatchedFrames, ModelAudit, Separation, WithinTrait
from medgen.report.evaluate import LEVEL
from medgen.report.run_metrics import interval_values
from medgen.types import LABELS

WARN = 0.65  # a trait with a larger AUROC gets a warning, and models are looked at without it
EASY = 0.95  # a trait that reaches this AUROC makes the task too easy to say anything about a model
FEW = 3  # traits that models are looked at without, where none gets a warning


def measure_shortcuts(
    frames: pd.DataFrame,
    traits: pd.DataFrame,
    baseline: ArrayLike,
    scores: Mapping[str, ArrayLike],
    pairs: pd.DataFrame,
    n_bootstrap: int = 2000,
) -> AuditMetrics:
    """Return everything that the audit says, as plain values.

    Parameters
    ----------
    frames : one row per test frame: id, path, label ("normal", "abnormal" or ""), group ("" where it is a unit of its own)
    traits : their traits row by row, columns of `TRAITS`; NaN where a frame has none
    baseline : (N,) distance from the mean of the normal training frames, NaN where unknown; no trait, but a probe for "too easy"
    scores : name of a model -> (N,) raw scores
    pairs : near-duplicates across splits: kind, path, split, other, other_split
    n_bootstrap : number of resamples of groups

    Returns
    -------
    All of `AuditMetrics` but what only the data set knows ("left_out" and "looked"). Where a class lacks, "reason" says so and
    nothing is measured.
    """
    counts = {label: int((frames["label"] == label).sum()) for label in LABELS}
    audit: AuditMetrics = {
        "reason": "",
        "frames": {"normal": counts["normal"], "abnormal": counts["abnormal"]},
        "duplicates": [{str(key): value for key, value in pair.items()} for pair in pairs.to_dict("records")],
        "bootstrap": {"draws": n_bootstrap, "level": LEVEL, "by": "group"},
        "baseline": {},
        "warnings": [],
        "too_easy": [],
        "models": {},
    }
    names = [str(name) for name in traits]
    if not all(counts.values()):
        lacking = " and no ".join(label for label, count in counts.items() if not count)
        audit["reason"] = f"there are no {lacking} frames among them, so it cannot be measured how well traits tell them apart"
        audit["traits"] = [{"trait": name, "title": TRAITS[name]} for name in names]
        return audit
    labelled = frames["label"].isin(LABELS).to_numpy()
    frames, traits = frames[labelled].reset_index(drop=True), traits[labelled].reset_index(drop=True)
    labels = frames["label"].map(LABELS.index).to_numpy(dtype=int)
    units = statistical_units(frames["group"], frames["id"])
    leaked = frames["path"].isin({*pairs["path"], *pairs["other"]}).to_numpy()
    measured: list[Separation] = [
        {"trait": name, "title": TRAITS[name], **separation(labels, traits[name], units, n_bootstrap)} for name in names
    ]
    measured.sort(key=lambda trait: -_area(trait))
    distances = np.asarray(baseline, dtype=float)[labelled]
    probe: Separation = {"title": MEAN_DISTANCE, **separation(labels, distances, units, n_bootstrap)}
    strong = [trait["trait"] for trait in measured if _area(trait) > WARN]
    chosen = traits[strong or [trait["trait"] for trait in measured[:FEW]]]
    audit["traits"], audit["baseline"] = measured, probe
    audit["warnings"] = [_warn(trait) for trait in measured if trait["trait"] in strong]
    audit["too_easy"] = [_too_easy(trait) for trait in (*measured, probe) if _area(trait) >= EASY]
    audit["models"] = {
        name: examine(labels, np.asarray(score, dtype=float)[labelled], units, chosen, leaked, n_bootstrap)
        for name, score in scores.items()
    }
    return audit


def separation(labels: NDArray[np.int_], values: ArrayLike, groups: NDArray, n_bootstrap: int = 2000) -> Separation:
    """Return how well one trait alone tells the classes apart, whichever class has more of it.

    The AUROC is direction-free, the larger of AUROC and 1 - AUROC, so never below 0.5. Its interval is that of the direction so
    chosen: where it reaches below 0.5, the trait may as well tell nothing.

    Parameters
    ----------
    labels : (N,) 0 normal, 1 abnormal
    values : (N,); frames without the trait (NaN) are left out
    groups : (N,), equal for frames that belong together (patient, video)
    n_bootstrap : number of resamples of groups

    Returns
    -------
    "auroc" (value, low, high; None where a class has no frame with the trait), "more" (the class with larger values; ""
    for neither), "normal" and "abnormal" (frames that it rests on)
    """
    numbers = np.asarray(values, dtype=float)
    known = ~np.isnan(numbers)
    labels, numbers, groups = labels[known], numbers[known], groups[known]
    value = float(auroc(labels, numbers))
    sign = -1 if value < 0.5 else 1
    return {
        "auroc": interval_values(bootstrap(auroc, labels, sign * numbers, groups, n_bootstrap, LEVEL)),
        "more": "" if np.isnan(value) or value == 0.5 else LABELS[int(value > 0.5)],
        "normal": int((labels == 0).sum()),
        "abnormal": int((labels == 1).sum()),
    }


def examine(
    labels: NDArray[np.int_],
    scores: Floats,
    groups: NDArray,
    traits: pd.DataFrame,
    leaked: NDArray[np.bool_],
    n_bootstrap: int = 2000,
) -> ModelAudit:
    """Return a model's AUROC on all frames, and on comparisons that a trait cannot decide.

    Parameters
    ----------
    labels : (N,) 0 normal, 1 abnormal
    scores : (N,) raw scores; frames without one (NaN) are left out
    groups : (N,), equal for frames that belong together (patient, video)
    traits : the traits to look at, N rows
    leaked : (N,) bool, frames that have a near-duplicate in another split
    n_bootstrap : number of resamples of groups

    Returns
    -------
    "auroc" on all frames; "without_duplicates", the same on frames that are not leaked, {} where none is; "strata", for each
    trait: "auroc" within its strata, "pairs" (the share of all pairs of a normal and an abnormal frame that are compared there)
    and "matched" (AUROC on the frames that are alike in it, {} where these lack a class)
    """
    known = ~np.isnan(scores)
    labels, scores, groups, traits, leaked = labels[known], scores[known], groups[known], traits[known], leaked[known]
    if len(set(labels.tolist())) < len(LABELS):
        return {"auroc": {"value": None, "low": None, "high": None}, "without_duplicates": {}, "strata": []}

    def on_frames(rows: NDArray[np.bool_]) -> AurocOnFrames:
        interval = bootstrap(auroc, labels[rows], scores[rows], groups[rows], n_bootstrap, LEVEL)
        normal, abnormal = (int((labels[rows] == code).sum()) for code in (0, 1))
        return {"auroc": interval_values(interval), "normal": normal, "abnormal": abnormal}

    strata: list[WithinTrait] = []
    for name in map(str, traits):
        values = traits[name].to_numpy(dtype=float)
        alike, stratum = matched(labels, values), quarters(values)
        on_alike: MatchedFrames = {} if alike is None else {"where": alike[1], **on_frames(alike[0])}
        within = interval_values(stratified_interval(labels, scores, stratum, groups, n_bootstrap, LEVEL))
        pairs = comparable_pairs(labels, stratum)
        strata.append({"trait": name, "title": TRAITS[name], "auroc": within, "pairs": pairs, "matched": on_alike})
    return {
        "auroc": on_frames(np.ones(len(labels), dtype=bool))["auroc"],
        "without_duplicates": on_frames(~leaked) if leaked.any() else {},
        "strata": strata,
    }


def headlines(audit: AuditMetrics) -> list[str]:
    """Return what of an audit belongs on top of a report: every "too easy", and how many traits got a warning."""
    lines = list(audit.get("too_easy", ()))
    if count := len(audit.get("warnings", ())):
        first = audit["traits"][0]
        worst, them = f"{first['title']} ({first['auroc']['value']:.2f})", "it" if count == 1 else "them"
        whose = f"A trivial trait alone, the {worst}, tells" if count == 1 else f"{count} trivial traits, each alone, tell"
        most = f", most of all the {worst}" if count > 1 else ""
        lines.append(
            f"{whose} normal from abnormal test frames with an AUROC over {WARN}{most}; the shortcut audit below lists "
            f"{them} and what is left of the model without {them}."
        )
    return lines


def _area(trait: Separation) -> float:
    return trait["auroc"]["value"] or 0


def _warn(trait: Separation) -> str:
    area = trait["auroc"]
    sure = "" if area["low"] is None else f" ({area['low']:.2f} to {area['high']:.2f})"
    return (
        f"The {trait['title']} alone tells normal from abnormal test frames with an AUROC of {area['value']:.2f}{sure}; "
        f"{trait['more']} frames have more of it."
    )


def _too_easy(trait: Separation) -> str:
    return (
        f"Too easy: the {trait['title']} alone reaches an AUROC of {trait['auroc']['value']:.2f} on these test frames, so that a "
        "high AUROC here says little about a model."
    )
