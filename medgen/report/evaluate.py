"""From scored test frames to the numbers of one run's report.

Labels of test frames are read to measure, here and in the other files of this room, and to choose what a page shows. Nothing that
trains, calibrates or scores reads them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medgen.data.scorable import is_scored
from medgen.errors import MedgenError, number_of
from medgen.files import json_values
from medgen.metrics.decisions import binomial, false_alarms, measure_decisions, uniformity
from medgen.metrics.detection import Statistic, bootstrap
from medgen.metrics.intervals import mean_interval
from medgen.metrics.pixel import WITH_FINDING, PixelHistogram
from medgen.metrics.units import statistical_units
from medgen.report.groups import by_group
from medgen.report.measures import measures_of, statistics_of
from medgen.report.run_metrics import (
    ClassifierMetrics,
    FindingMetrics,
    IntervalValues,
    MeanValues,
    Promise,
    RunMetrics,
    Threshold,
    ThresholdMetrics,
    interval_values,
)
from medgen.types import LABELS

LEVEL = 0.95
COMPONENT = "component_"
CLASS = "class_"  # columns of what classifiers call a frame
PixelMaps = Iterable[tuple[NDArray, NDArray, NDArray]]


def evaluate(
    table: pd.DataFrame,
    pixel_maps: PixelMaps | None,
    threshold: Threshold | None,
    subgroups: Mapping[str, Sequence[str]] = MappingProxyType({}),
    n_bootstrap: int = 2000,
    seed: int = 0,
) -> RunMetrics:
    """Return every number of the report as plain values, None where one is undefined.

    Parameters
    ----------
    table : one row per scored test frame. Needed columns: id, label ("normal", "abnormal" or ""), finding, group ("" where the
        frame is a unit of its own), score. Used where present: abnormal (bool, the decision), quantile, component_<name>, the
        keys of the measures of quality (empty where undefined), class_<classifier> (what it calls a frame), status (frames that
        are not "scored" are counted as "unscored" and left out of everything else: they are neither found nor missed)
    pixel_maps : blocks of (maps (B, S, S), masks (B, S, S), valid (B, S, S)) of the frames with a known mask, empty for normal
        ones; read once
    threshold : "value", "false_alarm_rate" and "normals" (how many validation frames it comes from); without an abnormal column
        frames are decided by it. Its "pixel_level", where there is one, is that at which maps are cut for Dice
    subgroups : ways to group the frames (by folder, ...): name -> the group of each row, "" for none
    n_bootstrap : number of resamples of groups
    seed : of the bootstrap

    Returns
    -------
    The sections of `RunMetrics` from "frames" to "bootstrap", with the measures of `medgen.report.measures`. A section is empty
    where there is nothing to fill it: detection and components with one class only, classes without a classifier, pixel without
    an annotated pixel, threshold if none is given. The threshold has "decisions", "promise" (whether the false alarms among
    normal frames keep it) and "uniformity" (of their conformal p-values) besides what was given.

    Raises
    ------
    MedgenError : if a column is missing, a label is unknown, or a frame has no score though its status does not say so.
    """
    scored = is_scored(table)
    frames = _tidy(table[scored], threshold)
    labelled = frames[frames["label"] != ""]
    return json_values(
        {
            "frames": _count(frames) | {"groups": frames["group"].nunique()},
            "unscored": _count(table[~scored]),
            **_detect(labelled, n_bootstrap, seed),
            "classes": _classes(frames[frames["finding"] != ""], n_bootstrap, seed),
            "pixel": pixel_values(pixel_maps or (), (threshold or {}).get("pixel_level")),
            "quality": {label: _quality(frames[frames["label"] == label]) for label in LABELS},
            "threshold": _flag(frames, threshold, n_bootstrap, seed),
            "findings": _findings(frames),
            "groups": {
                name: by_group(
                    frames, np.array(values)[scored].tolist(), n_bootstrap, LEVEL, (threshold or {}).get("false_alarm_rate")
                )
                for name, values in subgroups.items()
            },
            "bootstrap": {"draws": n_bootstrap, "level": LEVEL, "by": "group"},
        }
    )


def _tidy(table: pd.DataFrame, threshold: Threshold | None) -> pd.DataFrame:
    """Check the table and fill what may be left out: empty texts, statistical units, decisions."""
    if missing := [name for name in ("id", "label", "finding", "group", "score") if name not in table]:
        raise MedgenError(f"the table of scores has no column {', '.join(missing)}; it has {', '.join(map(str, table.columns))}")
    frames = table.reset_index(drop=True)
    if "abnormal" in frames and frames["abnormal"].dtype == "boolean" and frames["abnormal"].notna().all():
        frames["abnormal"] = frames["abnormal"].astype(bool)  # those without a decision, left out by now, had made it nullable
    for name in ("label", "finding"):
        frames[name] = frames[name].astype(object).where(frames[name].notna(), "").astype(str)
    if unknown := sorted(set(frames["label"]) - {*LABELS, ""}):
        raise MedgenError(f"the table of scores holds the label '{unknown[0]}'; expected normal, abnormal or nothing")
    for name in ("score", *_components(frames)):
        if (empty := frames[name].isna()).any():
            first = frames.loc[empty, "id"].iloc[0]
            have = number_of(int(empty.sum()), "frame has", "frames have")
            raise MedgenError(f"{have} no {name}, the first is '{first}'; score them again or leave them out")
    frames["group"] = pd.Series(statistical_units(frames["group"]), index=frames.index, dtype=object)
    limit = (threshold or {}).get("value")
    if "abnormal" in frames and frames["abnormal"].notna().any():
        if not pd.api.types.is_bool_dtype(frames["abnormal"]):
            raise MedgenError(f"the column abnormal is {frames['abnormal'].dtype}; expected True or False for each frame")
    elif limit is not None:
        frames["abnormal"] = frames["score"] > limit
    else:
        frames = frames.drop(columns="abnormal", errors="ignore")
    return frames


def _components(frames: pd.DataFrame) -> list[str]:
    return [name for name in frames.columns if str(name).startswith(COMPONENT)]


def _count(frames: pd.DataFrame) -> dict[str, int]:
    names = {**{label: label for label in LABELS}, "unlabelled": ""}
    return {key: (frames["label"].fillna("") == label).sum() for key, label in names.items()}


def _detect(labelled: pd.DataFrame, n_bootstrap: int, seed: int) -> dict[str, dict]:
    """Return the sections detection and components."""
    if labelled["label"].nunique() < len(LABELS):
        return {"detection": {}, "components": {}}
    codes = labelled["label"].map(LABELS.index).to_numpy(dtype=int)
    units = labelled["group"].to_numpy(dtype=str)

    def intervals(statistics: Mapping[str, Statistic], column: str) -> dict[str, IntervalValues]:
        scores = labelled[column].to_numpy(dtype=float)
        return {
            key: interval_values(bootstrap(statistic, codes, scores, units, n_bootstrap, LEVEL, seed))
            for key, statistic in statistics.items()
        }

    components = {name.removeprefix(COMPONENT): intervals(statistics_of("components"), name) for name in _components(labelled)}
    return {"detection": intervals(statistics_of("detection"), "score"), "components": components}


def _classes(named: pd.DataFrame, n_bootstrap: int, seed: int) -> dict[str, ClassifierMetrics]:
    """Return the accuracy of each classifier over the frames whose finding is named."""
    units = named["group"].to_numpy(dtype=str)
    classifiers: dict[str, ClassifierMetrics] = {}
    for column in (str(name) for name in named.columns if str(name).startswith(CLASS)):
        right = (named[column].astype(str) == named["finding"]).to_numpy()
        accuracy = interval_values(mean_interval(right, units, n_bootstrap, LEVEL, seed))
        classifiers[column.removeprefix(CLASS)] = {"accuracy": accuracy, "frames": len(named)}
    return classifiers if len(named) else {}


def pixel_values(pixel_maps: PixelMaps, level: float | None) -> dict[str, float]:
    """Return the measures of maps over all frames, and over those with a finding alone; {} where no pixel is annotated.

    Parameters
    ----------
    pixel_maps : as in `evaluate`
    level : at which maps are cut for Dice; None for no Dice
    """
    over_all, with_finding = PixelHistogram(threshold=level), PixelHistogram(limits=(0.3,))
    for maps, masks, valid in pixel_maps:
        over_all.update(maps, masks, valid)
        rows = np.flatnonzero(np.asarray(masks).any(axis=(1, 2)))
        if len(rows):
            with_finding.update(*(np.asarray(part)[rows] for part in (maps, masks, valid)))
    if not over_all.regions:
        return {}
    keys = {measure.key for measure in measures_of("pixel")}
    alone = {f"{key}{WITH_FINDING}": value for key, value in with_finding.compute().items()}
    return over_all.compute() | {key: value for key, value in alone.items() if key in keys}


def _quality(frames: pd.DataFrame) -> dict[str, MeanValues]:
    """Return mean, standard deviation and number of each measure of reconstruction."""
    columns = {key: frames[key].astype(float) for key in statistics_of("quality") if key in frames}
    return {key: {"mean": values.mean(), "std": values.std(), "n": values.count()} for key, values in columns.items()}


def _flag(frames: pd.DataFrame, threshold: Threshold | None, n_bootstrap: int, seed: int) -> ThresholdMetrics:
    """Return the threshold with how many frames of each class lie above it, and how well it decides."""
    if threshold is None or threshold.get("value") is None:
        return {}
    normal, abnormal = (frames[frames["label"] == label] for label in LABELS)
    metrics = cast(ThresholdMetrics, {**threshold})
    metrics["flagged_normal"] = {"count": int(normal["abnormal"].sum()), "of": len(normal)}
    metrics["flagged_abnormal"] = {"count": int(abnormal["abnormal"].sum()), "of": len(abnormal)}
    metrics["decisions"] = _decisions(frames[frames["label"] != ""], n_bootstrap, seed)
    if len(normal) and "false_alarm_rate" in threshold:
        promise = false_alarms(normal["abnormal"].to_numpy(dtype=bool), threshold["false_alarm_rate"])
        metrics["promise"] = cast(Promise, promise._asdict())
        if "quantile" in normal:
            distance, p = uniformity(1 - normal["quantile"].to_numpy(dtype=float))
            metrics["uniformity"] = {"distance": distance, "p": p}
    return metrics


def _decisions(labelled: pd.DataFrame, n_bootstrap: int, seed: int) -> dict[str, IntervalValues]:
    if not len(labelled):
        return {}
    codes, units = labelled["label"].map(LABELS.index).to_numpy(dtype=int), labelled["group"].to_numpy(dtype=str)
    called, statistics = labelled["abnormal"].to_numpy(dtype=bool), statistics_of("decisions")
    measured = measure_decisions(codes, called, units, n_bootstrap, LEVEL, seed, statistics)
    return {key: interval_values(interval) for key, interval in measured.items()}


def _findings(frames: pd.DataFrame) -> list[FindingMetrics]:
    """Return one entry per finding: normal ones first, unlabelled last, each by name."""
    order = {label: position for position, label in enumerate((*LABELS, ""))}
    findings: list[FindingMetrics] = []
    for (label, finding), rows in frames.groupby(["label", "finding"]):
        flagged = int(rows["abnormal"].sum()) if "abnormal" in rows else None
        findings.append(
            {
                "finding": str(finding),
                "label": str(label),
                "frames": len(rows),
                "mean_score": float(rows["score"].mean()),
                "flagged": flagged,
                "share_flagged": {} if flagged is None else interval_values(binomial(flagged, len(rows), LEVEL)),
            }
        )
    return sorted(findings, key=lambda entry: (order[entry["label"]], entry["finding"]))
