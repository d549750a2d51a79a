"""From the runs of a comparison to every number of its page: computed once, written to ``metrics.json``, shown from there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medgen.errors import RunError
from medgen.files import json_values
from medgen.metrics.curves import ALARMS, RECALLS, Curves, measure, measure_draws
from medgen.metrics.detection import Floats, Interval, percentiles
from medgen.metrics.paired import pair_up
from medgen.report.evaluate import LEVEL
from medgen.report.markup import distinct
from medgen.report.study.columns import DETECTION, common_extractor, describe, entry_measures, spread
from medgen.report.study.comparison import Comparison, Entry
from medgen.report.study.entry_details import sections
from medgen.report.study.ranks import rank_entries
from medgen.types import LABELS

FORMAT = "medgen-comparison-1"
DRAWS = 2000
DRAWS_PER_PAIR = 80  # so that the smallest p of a bootstrap, times the number of pairs, is half of `ALPHA`
ALPHA = 0.05
FEWEST_GROUPS = 10  # of each class; resampling fewer makes intervals too narrow and tests too sure
AT_95 = 5  # place of 5 % false alarms in `ALARMS`


class Frames(NamedTuple):
    """The frames that all runs were scored on.

    Attributes
    ----------
    table : rows of the first run's scores
    known : (N,) bool, whether a frame has a label and a score from every run
    labels, groups : (M,) of the known ones, 0 normal and 1 abnormal; groups as in `medgen.report.evaluate`
    """

    table: pd.DataFrame
    known: NDArray[np.bool_]
    labels: NDArray[np.int64]
    groups: NDArray[np.str_]


class Detected(NamedTuple):
    """Curves of an entry, averaged over its runs: on the frames themselves (1, ...), and in each draw (D, ...)."""

    found: Curves
    drawn: Curves


def study_metrics(comparison: Comparison, n_bootstrap: int = DRAWS, seed: int = 0) -> dict[str, Any]:
    """Return every number of the page as plain values, as ``metrics.schema.json`` describes them.

    Parameters
    ----------
    n_bootstrap : of the bootstrap over groups; more where there are so many pairs that none could be significant
    seed : of the bootstrap

    Raises
    ------
    RunError : if there is no entry, an entry has no run, or two runs were scored on different frames.
    """
    names = entry_names(comparison)
    frames = common_frames(comparison)
    n_bootstrap = max(n_bootstrap, DRAWS_PER_PAIR * len(names) * (len(names) - 1) // 2)
    detected = {name: _detect(entry, frames, n_bootstrap, seed) for name, entry in zip(names, comparison.entries, strict=True)}
    caution = _caution(frames)
    pairs = _pairs(detected, sure=not caution)
    extractor = common_extractor(comparison.entries)
    labelled = frames.table["label"].fillna("").astype(str)
    return json_values(
        {
            "format": FORMAT,
            "purpose": "research only, never diagnosis or the care of a patient",
            "title": comparison.title,
            "frames": {label: int((labelled == label).sum()) for label in LABELS}
            | {"unlabelled": int((labelled == "").sum()), "compared": int(frames.known.sum()), "groups": len(set(frames.groups))},
            "bootstrap": {"draws": n_bootstrap, "level": LEVEL, "by": "group", "seed": seed},
            "alpha": ALPHA,
            "caution": caution,
            "measures": describe(extractor),
            "entries": [
                {
                    "name": name,
                    "summary": _detection(detected[name], entry, frames) | entry_measures(entry, extractor, n_bootstrap, seed),
                    **_curves(detected[name]),
                    **sections(entry),
                }
                for name, entry in zip(names, comparison.entries, strict=True)
            ],
            "pairs": pairs,
            "verdicts": {key: verdict(names, detected, pairs, key) for key in DETECTION},
            "ranks": rank_entries({name: each.drawn.auroc for name, each in detected.items()}, pairs, ALPHA),
            "failures": [failure._asdict() for failure in comparison.failures],
            "audit": comparison.audit,
            "duplicates": len(comparison.duplicates),
            "rejected": len(comparison.rejected),
            "study": comparison.study,
            "commands": list(comparison.commands),
        }
    )


def entry_names(comparison: Comparison) -> list[str]:
    """Return the names of the entries; those that share one are numbered."""
    return distinct([entry.name for entry in comparison.entries])


def common_frames(comparison: Comparison) -> Frames:
    """Return the frames that every run of every entry was scored on; errors as in `study_metrics`."""
    if not comparison.entries:
        raise RunError("there is no run to compare: none was given, or all of them failed")
    for entry in comparison.entries:
        if not entry.runs:
            raise RunError(f"'{entry.name}' has no run; leave it out, or name it among the failures")
    tables = [run.scores.reset_index(drop=True) for entry in comparison.entries for run in entry.runs]
    first, names = tables[0], [run.name for entry in comparison.entries for run in entry.runs]
    for name, table in zip(names, tables, strict=True):
        if not table[["path", "label"]].equals(first[["path", "label"]]):
            raise RunError(
                f"'{name}' was not scored on the frames of '{names[0]}', or not with the same labels; score them alike"
            )
    known = first["label"].isin(LABELS).to_numpy() & np.all([np.isfinite(table["score"]) for table in tables], axis=0)
    own = pd.Series([f"frame {row}" for row in first.index], index=first.index, dtype=object)
    given = first["group"].fillna("").astype(str) if "group" in first else pd.Series("", index=first.index)
    groups = ("group " + given).where(given != "", own)
    labels = first["label"][known].map(LABELS.index).to_numpy(dtype=np.int64)
    return Frames(first, known, labels, groups[known].to_numpy(dtype=str))


def _detect(entry: Entry, frames: Frames, n_bootstrap: int, seed: int) -> Detected:
    scores = [run.scores["score"].to_numpy(dtype=float)[frames.known] for run in entry.runs]
    found = [measure(frames.labels, values) for values in scores]
    drawn = [measure_draws(frames.labels, values, frames.groups, n_bootstrap, seed) for values in scores]
    return Detected(*(Curves(*(np.mean(parts, axis=0) for parts in zip(*each, strict=True))) for each in (found, drawn)))


def _detection(detected: Detected, entry: Entry, frames: Frames) -> dict[str, Any]:
    """Return the measures of detection: mean over the runs, its interval over frames, and how the runs differ."""
    each = [
        measure(frames.labels, run.scores["score"].to_numpy(dtype=float)[frames.known])
        for run in (entry.runs if len(entry.runs) > 1 else ())
    ]
    return {
        key: Interval(_column(detected.found, key)[0], *percentiles(_column(detected.drawn, key), LEVEL))._asdict()
        | {"seeds": spread([_column(curves, key)[0] for curves in each])}
        for key in DETECTION
    }


def _column(curves: Curves, key: str) -> Floats:
    return curves.sensitivity[:, AT_95] if key == "sensitivity_at_95_specificity" else getattr(curves, key)


def _curves(detected: Detected) -> dict[str, Any]:
    """Return both curves with pointwise bands: the percentiles of the draws at each place."""

    def band(found: Floats, drawn: Floats) -> dict[str, Any]:
        ends = (
            np.nanquantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0) if len(drawn) else np.full((2, found.size), np.nan)
        )
        return {"value": found, "low": ends[0], "high": ends[1]}

    roc = band(detected.found.sensitivity[0], detected.drawn.sensitivity)
    precision = band(detected.found.precision[0], detected.drawn.precision)
    return {"roc": {"false_alarms": ALARMS} | roc, "precision_recall": {"recall": RECALLS} | precision}


def _caution(frames: Frames) -> str:
    """Return why no difference can be called real, or ""."""
    few = few_groups(np.array(LABELS)[frames.labels], frames.groups)
    return f"{few}, so no difference is called real and none is best." if few else ""


def few_groups(labels: NDArray[Any], groups: NDArray[Any]) -> str:
    """Return, without a full stop, that intervals and tests rest on few groups; "" where they do not, or where a label lacks.

    Parameters
    ----------
    labels, groups : (N,) "normal" or "abnormal" of each frame, and the group that it belongs to
    """
    counts = [len(np.unique(groups[labels == label])) for label in LABELS]
    few = [f"{count} of {label} frames" for label, count in zip(LABELS, counts, strict=True) if count < FEWEST_GROUPS]
    if not few or not all(counts):
        return ""
    return (
        f"The frames come from few groups (patients, videos, near-duplicates): {' and '.join(few)}. With fewer than "
        f"{FEWEST_GROUPS} intervals are too narrow and tests too sure"
    )


def _pairs(detected: Mapping[str, Detected], sure: bool) -> list[dict[str, Any]]:
    """Return the paired comparison of every two entries in each measure of detection, Holm-corrected within the measure."""
    kept = ("first", "second", "value", "error", "low", "high", "p", "p_holm")
    found = []
    for key in DETECTION:
        values = {name: float(_column(each.found, key)[0]) for name, each in detected.items()}
        drawn = {name: _column(each.drawn, key) for name, each in detected.items()}
        found += [
            {"measure": key} | {field: getattr(pair, field) for field in kept} | {"differ": bool(sure and pair.p_holm < ALPHA)}
            for pair in pair_up(values, drawn, LEVEL)
        ]
    return found


def verdict(
    names: Sequence[str], detected: Mapping[str, Detected], pairs: Sequence[Mapping[str, Any]], key: str
) -> dict[str, Any]:
    """Return which entry is best in a measure, if the paired test says so of it and every other one.

    Returns
    -------
    "best" (None where no entry beats every other one), "leader" (with the highest value) and "alike" (those that the test cannot
    tell from the leader)
    """
    values = {name: float(_column(detected[name].found, key)[0]) for name in names}
    known = {name: value for name, value in values.items() if not np.isnan(value)}
    if len(names) < 2 or not known:
        return {"best": None, "leader": next(iter(known), None), "alike": []}
    leader = max(known, key=lambda name: known[name])
    told = {frozenset((pair["first"], pair["second"])) for pair in pairs if pair["measure"] == key and pair["differ"]}
    alike = [name for name in names if name != leader and frozenset((leader, name)) not in told]
    return {"best": None if alike else leader, "leader": leader, "alike": alike}
