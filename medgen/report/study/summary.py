"""From the runs of a comparison to every number of its page: computed once, written to ``metrics.json``, shown from there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medgen.errors import RunError
from medgen.files import json_values
from medgen.metrics.comparing.paired import compare_draws
from medgen.metrics.curves import ALARMS, RECALLS, Curves, measure, measure_draws
from medgen.metrics.detection import replicates
from medgen.metrics.intervals import Floats, Interval, percentiles
from medgen.metrics.units import statistical_units
from medgen.report.evaluate import LEVEL
from medgen.report.markup import distinct
from medgen.report.measures import Measure
from medgen.report.run_metrics import interval_values
from medgen.report.study.columns import common_extractor, describe, entry_cells, seed_spread, tested
from medgen.report.study.comparison import Comparison, Entry
from medgen.report.study.comparison_metrics import Cell, ComparisonMetrics, PairMetrics, Verdict
from medgen.report.study.entry_details import entry_details
from medgen.report.study.ranks import rank_entries
from medgen.types import LABELS

FORMAT = "medgen-comparison-1"
DRAWS = 2000
DRAWS_PER_PAIR = 80  # so that the smallest p of a bootstrap, times the number of pairs, is half of `ALPHA`
ALPHA = 0.05
FEWEST_GROUPS = 10  # of each class; resampling fewer makes intervals too narrow and tests too sure
AT_95 = 5  # index of 5 % false alarms in `ALARMS`
FROM_CURVES: Mapping[str, Callable[[Curves], Floats]] = {  # measures that the curves hold; others take a bootstrap of their own
    "auroc": lambda curves: curves.auroc,
    "average_precision": lambda curves: curves.average_precision,
    "sensitivity_at_95_specificity": lambda curves: curves.sensitivity[:, AT_95],
}


class ComparedFrames(NamedTuple):
    """The frames that all runs were scored on.

    Attributes
    ----------
    table : rows of the first run's scores
    scored : (N,) bool, whether a frame has a score from every run
    known : (N,) bool, whether a frame has a label and a score from every run
    labels : (M,) of the known ones, 0 normal and 1 abnormal
    units : (M,) statistical units of the known ones
    """

    table: pd.DataFrame
    scored: NDArray[np.bool_]
    known: NDArray[np.bool_]
    labels: NDArray[np.int64]
    units: NDArray[np.str_]


class Detected(NamedTuple):
    """How well an entry detects.

    Attributes
    ----------
    curves, drawn_curves : means over its runs, on the frames themselves (1, ...) and in each draw of the bootstrap (D, ...)
    by_run : key of a measure -> its value in each run
    values : key of a measure -> its mean over the runs
    drawn : key of a measure -> (D,) its mean over the runs in each draw
    """

    curves: Curves
    drawn_curves: Curves
    by_run: Mapping[str, Sequence[float]]
    values: Mapping[str, float]
    drawn: Mapping[str, Floats]


def study_metrics(comparison: Comparison, n_bootstrap: int = DRAWS, seed: int = 0) -> ComparisonMetrics:
    """Return every number of the page as plain values, as ``metrics.schema.json`` describes them.

    Parameters
    ----------
    comparison : what the page is about
    n_bootstrap : number of resamples of groups; more where there are so many pairs that none could be significant
    seed : of the bootstrap

    Raises
    ------
    RunError : if there is no entry, an entry has no run, or two runs were scored on different frames.
    """
    names, frames = entry_names(comparison), common_frames(comparison)
    n_bootstrap = max(n_bootstrap, DRAWS_PER_PAIR * len(names) * (len(names) - 1) // 2)
    detected = {name: _detect(entry, frames, n_bootstrap, seed) for name, entry in zip(names, comparison.entries, strict=True)}
    caution = _caution(frames)
    pairs = _pairs(detected, sure=not caution)
    extractor = common_extractor(comparison.entries)
    labelled = frames.table["label"].fillna("").astype(str)[frames.scored]
    return json_values(
        {
            "format": FORMAT,
            "purpose": "research only, never diagnosis or the care of a patient",
            "title": comparison.title,
            "frames": {label: int((labelled == label).sum()) for label in LABELS}
            | {"unlabelled": int((labelled == "").sum()), "compared": int(frames.known.sum()), "groups": len(set(frames.units))}
            | {"unscored": int((~frames.scored).sum())},
            "bootstrap": {"draws": n_bootstrap, "level": LEVEL, "by": "group", "seed": seed},
            "alpha": ALPHA,
            "caution": caution,
            "measures": describe(extractor),
            "entries": [
                {
                    "name": name,
                    "summary": _detection_cells(detected[name]) | entry_cells(entry, extractor, n_bootstrap, seed),
                    **_bands(detected[name]),
                    **entry_details(entry),
                }
                for name, entry in zip(names, comparison.entries, strict=True)
            ],
            "pairs": pairs,
            "verdicts": _verdicts(detected, pairs),
            "ranks": rank_entries({name: entry.drawn["auroc"] for name, entry in detected.items()}, pairs, ALPHA),
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


def common_frames(comparison: Comparison) -> ComparedFrames:
    """Return the frames that every run of every entry was scored on.

    Raises
    ------
    RunError : if there is no entry, an entry has no run, or two runs were scored on different frames.
    """
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
    scored = np.all([np.isfinite(table["score"]) for table in tables], axis=0)
    known = first["label"].isin(LABELS).to_numpy() & scored
    units = statistical_units(first["group"] if "group" in first else [""] * len(first))
    labels = first["label"][known].map(LABELS.index).to_numpy(dtype=np.int64)
    return ComparedFrames(first, scored, known, labels, units[known])


def _detect(entry: Entry, frames: ComparedFrames, n_bootstrap: int, seed: int) -> Detected:
    scores = [run.scores["score"].to_numpy(dtype=float)[frames.known] for run in entry.runs]
    measured = [measure(frames.labels, values) for values in scores]
    drawn = [measure_draws(frames.labels, values, frames.units, n_bootstrap, seed) for values in scores]
    curves, drawn_curves = (Curves(*(np.mean(part, axis=0) for part in zip(*runs, strict=True))) for runs in (measured, drawn))
    by_run: dict[str, list[float]] = {}
    values: dict[str, float] = {}
    in_draws: dict[str, Floats] = {}
    for column in tested():
        if read := FROM_CURVES.get(column.key):
            by_run[column.key] = [float(read(run)[0]) for run in measured]
            values[column.key], in_draws[column.key] = float(read(curves)[0]), read(drawn_curves)
        else:
            by_run[column.key], in_draws[column.key] = _bootstrapped(column, scores, frames, n_bootstrap, seed)
            values[column.key] = float(np.mean(by_run[column.key]))
    return Detected(curves, drawn_curves, by_run, values, in_draws)


def _bootstrapped(
    column: Measure, scores: Sequence[Floats], frames: ComparedFrames, n_bootstrap: int, seed: int
) -> tuple[list[float], Floats]:
    """Return a measure of each run, and its mean over the runs in each draw, by its own function."""
    assert column.statistic is not None  # every measure of detection has one
    values = [float(column.statistic(frames.labels, run)) for run in scores]
    drawn = [replicates(column.statistic, frames.labels, run, frames.units, n_bootstrap, seed) for run in scores]
    return values, np.mean(drawn, axis=0)


def _detection_cells(detected: Detected) -> dict[str, Cell]:
    """Return the cells of the measures of detection: mean over the runs, its interval over frames, and how the runs differ."""
    cells: dict[str, Cell] = {}
    for column in tested():
        value = interval_values(Interval(detected.values[column.key], *percentiles(detected.drawn[column.key], LEVEL)))
        seeds = seed_spread(detected.by_run[column.key])
        cells[column.column] = {"value": value["value"], "low": value["low"], "high": value["high"], "seeds": seeds}
    return cells


def _bands(detected: Detected) -> dict[str, dict[str, Floats]]:
    """Return both curves with pointwise bands: the percentiles of the draws at each point."""

    def band(curve: Floats, drawn: Floats) -> dict[str, Floats]:
        ends = (
            np.nanquantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0) if len(drawn) else np.full((2, curve.size), np.nan)
        )
        return {"value": curve, "low": ends[0], "high": ends[1]}

    roc = band(detected.curves.sensitivity[0], detected.drawn_curves.sensitivity)
    precision = band(detected.curves.precision[0], detected.drawn_curves.precision)
    return {"roc": {"false_alarms": ALARMS} | roc, "precision_recall": {"recall": RECALLS} | precision}


def _caution(frames: ComparedFrames) -> str:
    """Return why no difference can be called real, or ""."""
    few = few_groups(np.array(LABELS)[frames.labels], frames.units)
    return f"{few}, so no difference is called real and none is best." if few else ""


def few_groups(labels: NDArray[np.str_], units: NDArray[np.str_]) -> str:
    """Return, without a full stop, that intervals and tests rest on few groups; "" where they do not, or where a label lacks.

    Parameters
    ----------
    labels : (N,) "normal" or "abnormal" of each frame; others do not count
    units : (N,) the statistical unit of each frame
    """
    counts = [len(np.unique(units[labels == label])) for label in LABELS]
    few = [f"{count} of {label} frames" for label, count in zip(LABELS, counts, strict=True) if count < FEWEST_GROUPS]
    if not few or not all(counts):
        return ""
    return (
        f"The frames come from few groups (patients, videos, near-duplicates): {' and '.join(few)}. With fewer than "
        f"{FEWEST_GROUPS} intervals are too narrow and tests too sure"
    )


def _pairs(detected: Mapping[str, Detected], sure: bool) -> list[PairMetrics]:
    """Return the paired comparison of every two entries in each measure of detection, Holm-corrected within the measure."""
    pairs: list[PairMetrics] = []
    for column in tested():
        values = {name: entry.values[column.key] for name, entry in detected.items()}
        drawn = {name: entry.drawn[column.key] for name, entry in detected.items()}
        for pair in compare_draws(values, drawn, LEVEL):
            pairs.append(
                {
                    "measure": column.column,
                    "first": pair.first,
                    "second": pair.second,
                    "value": pair.value,
                    "error": pair.error,
                    "low": pair.low,
                    "high": pair.high,
                    "p": pair.p,
                    "p_holm": pair.p_holm,
                    "differ": bool(sure and pair.p_holm < ALPHA),
                }
            )
    return pairs


def _verdicts(detected: Mapping[str, Detected], pairs: Sequence[PairMetrics]) -> dict[str, Verdict]:
    return {
        column.column: verdict({name: entry.values[column.key] for name, entry in detected.items()}, pairs, column.column)
        for column in tested()
    }


def verdict(values: Mapping[str, float], pairs: Sequence[PairMetrics], column: str) -> Verdict:
    """Return which entry is best in a measure, if the paired test says so of it and every other one.

    Parameters
    ----------
    values : name of an entry -> its value, NaN where it has none; higher is better
    pairs : of all measures
    column : the measure's key in the summary

    Returns
    -------
    "best" (None where no entry beats every other one), "leader" (with the highest value) and "alike" (those that the test cannot
    tell from the leader)
    """
    known = {name: value for name, value in values.items() if not np.isnan(value)}
    if len(values) < 2 or not known:
        return {"best": None, "leader": next(iter(known), None), "alike": []}
    leader = max(known, key=lambda name: known[name])
    apart = {frozenset((pair["first"], pair["second"])) for pair in pairs if pair["measure"] == column and pair["differ"]}
    alike = [name for name in values if name != leader and frozenset((leader, name)) not in apart]
    return {"best": None if alike else leader, "leader": leader, "alike": alike}
