"""From scored test frames to the numbers of the report: the only place where test labels are read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medgen.errors import MedgenError
from medgen.files import json_values
from medgen.metrics.decisions import binomial, false_alarms, measure_decisions, uniformity
from medgen.metrics.detection import (
    Statistic,
    auroc,
    average_precision,
    bootstrap,
    mean_interval,
    sensitivity_at_specificity,
)
from medgen.metrics.pixel import PixelHistogram
from medgen.report.groups import by_group
from medgen.types import LABELS

LEVEL = 0.95
QUALITY = ("psnr", "ssim", "psnr_valid", "ssim_valid")
ALONE = "_with_finding"
COMPONENT = "component_"
CLASS = "class_"  # columns of what classifiers call a frame
DETECTION: Mapping[str, Statistic] = {
    "auroc": auroc,
    "average_precision": average_precision,
    "sensitivity_at_90_specificity": partial(sensitivity_at_specificity, specificity=0.9),
    "sensitivity_at_95_specificity": partial(sensitivity_at_specificity, specificity=0.95),
}
PixelMaps = Iterable[tuple[NDArray, NDArray, NDArray]]


def evaluate(
    table: pd.DataFrame,
    pixel_maps: PixelMaps | None,
    threshold: Mapping[str, Any] | None,
    subgroups: Mapping[str, Sequence[str]] = MappingProxyType({}),
    n_bootstrap: int = 2000,
    seed: int = 0,
) -> dict[str, Any]:
    """Return every number of the report as plain values, None where one is undefined.

    Parameters
    ----------
    table : one row per scored test frame. Needed columns: id, label ("normal", "abnormal" or ""), finding, group ("": the frame
        is a group of its own), score. Used where present: abnormal (bool, the decision), component_<name>, psnr, ssim,
        psnr_valid, ssim_valid (empty where undefined), class_<classifier> (what it calls a frame)
    pixel_maps : blocks of (maps (B, S, S), masks (B, S, S), valid (B, S, S)) of the frames with a known mask, empty for normal
        ones; read once
    threshold : "value", "false_alarm_rate" and "normals" (how many validation frames it comes from); without an abnormal column
        frames are decided by it. Its "pixel_level", where there is one, is that at which maps are cut for Dice
    subgroups : ways to group the frames (by folder, ...): name -> the group of each row, "" for none
    n_bootstrap, seed : of the bootstrap over groups

    Returns
    -------
    "frames", "detection", "components", "classes", "pixel", "quality", "threshold", "findings", "groups", "bootstrap". A section
    is empty where there is nothing to fill it: detection and components with one class only, classes without a classifier, pixel
    without an annotated pixel, threshold if none is given. The threshold has "decisions" (`medgen.metrics.decisions`), "promise"
    (whether the false alarms among normal frames keep it) and "uniformity" (of their conformal p-values) besides what was given.
    Standard deviations are those of a sample (n - 1).

    Raises
    ------
    MedgenError : if a column is missing, a label is unknown, or a frame has no score.
    """
    frames = _tidy(table, threshold)
    labelled = frames[frames["label"] != ""]
    return json_values(
        {
            "frames": _count(frames),
            **_detect(labelled, n_bootstrap, seed),
            "classes": _classes(frames[frames["finding"] != ""], n_bootstrap, seed),
            "pixel": _pixel(pixel_maps or (), (threshold or {}).get("pixel_level")),
            "quality": {label: _quality(frames[frames["label"] == label]) for label in LABELS},
            "threshold": _flag(frames, threshold, n_bootstrap, seed),
            "findings": _findings(frames),
            "groups": {name: by_group(frames, values, n_bootstrap, LEVEL) for name, values in subgroups.items()},
            "bootstrap": {"draws": n_bootstrap, "level": LEVEL, "by": "group"},
        }
    )


def _tidy(table: pd.DataFrame, threshold: Mapping[str, Any] | None) -> pd.DataFrame:
    """Check the table and fill what may be left out: empty texts, own groups, decisions."""
    if missing := [name for name in ("id", "label", "finding", "group", "score") if name not in table]:
        raise MedgenError(f"the table of scores has no column {', '.join(missing)}; it has {', '.join(map(str, table.columns))}")
    frames = table.reset_index(drop=True)
    for name in ("label", "finding", "group"):
        frames[name] = frames[name].astype(object).where(frames[name].notna(), "").astype(str)
    if unknown := sorted(set(frames["label"]) - {*LABELS, ""}):
        raise MedgenError(f"the table of scores holds the label '{unknown[0]}'; expected normal, abnormal or nothing")
    for name in ("score", *_components(frames)):
        if (empty := frames[name].isna()).any():
            first = frames.loc[empty, "id"].iloc[0]
            raise MedgenError(f"{empty.sum()} frames have no {name}, the first is '{first}'; score them again or leave them out")
    own = pd.Series([f"frame {row}" for row in frames.index], index=frames.index, dtype=object)
    frames["group"] = ("group " + frames["group"]).where(frames["group"] != "", own)
    if "abnormal" in frames and frames["abnormal"].notna().any():
        if not pd.api.types.is_bool_dtype(frames["abnormal"]):
            raise MedgenError(f"the column abnormal is {frames['abnormal'].dtype}; expected True or False for each frame")
    elif (threshold or {}).get("value") is not None:
        frames["abnormal"] = frames["score"] > threshold["value"]  # type: ignore[index]
    else:
        frames = frames.drop(columns="abnormal", errors="ignore")
    return frames


def _components(frames: pd.DataFrame) -> list[str]:
    return [name for name in frames.columns if str(name).startswith(COMPONENT)]


def _count(frames: pd.DataFrame) -> dict[str, int]:
    names = {**{label: label for label in LABELS}, "unlabelled": ""}
    return {key: (frames["label"] == label).sum() for key, label in names.items()} | {"groups": frames["group"].nunique()}


def _detect(labelled: pd.DataFrame, n_bootstrap: int, seed: int) -> dict[str, Any]:
    """Return the sections detection and components."""
    if labelled["label"].nunique() < len(LABELS):
        return {"detection": {}, "components": {}}
    codes = labelled["label"].map(LABELS.index).to_numpy(dtype=int)
    groups = labelled["group"].to_numpy(dtype=str)

    def interval(statistic: Statistic, column: str) -> dict[str, float]:
        return bootstrap(statistic, codes, labelled[column].to_numpy(dtype=float), groups, n_bootstrap, LEVEL, seed)._asdict()

    return {
        "detection": {name: interval(statistic, "score") for name, statistic in DETECTION.items()},
        "components": {name.removeprefix(COMPONENT): {"auroc": interval(auroc, name)} for name in _components(labelled)},
    }


def _classes(named: pd.DataFrame, n_bootstrap: int, seed: int) -> dict[str, Any]:
    """Return the accuracy of each classifier over the frames whose finding is named."""
    groups = named["group"].to_numpy(dtype=str)
    found = {}
    for column in (str(name) for name in named.columns if str(name).startswith(CLASS)):
        right = (named[column].astype(str) == named["finding"]).to_numpy()
        accuracy = mean_interval(right, groups, n_bootstrap, LEVEL, seed)._asdict()
        found[column.removeprefix(CLASS)] = {"accuracy": accuracy, "frames": len(named)}
    return found if len(named) else {}


def _pixel(pixel_maps: PixelMaps, level: float | None) -> dict[str, float]:
    """Return the numbers over all frames, and of some of them, with `ALONE` in the name, over the frames with a finding."""
    every, alone = PixelHistogram(threshold=level), PixelHistogram(limits=(0.3,))
    for maps, masks, valid in pixel_maps:
        every.update(maps, masks, valid)
        shown = np.flatnonzero(np.asarray(masks).any(axis=(1, 2)))
        if len(shown):
            alone.update(*(np.asarray(part)[shown] for part in (maps, masks, valid)))
    if not every.regions:
        return {}
    found = alone.compute()
    return every.compute() | {f"{key}{ALONE}": found[key] for key in ("auroc", "average_precision", "aupro_0.3")}


def _quality(frames: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Return mean, standard deviation and number of each measure of reconstruction."""
    columns = {name: frames[name].astype(float) for name in QUALITY if name in frames}
    return {name: {"mean": values.mean(), "std": values.std(), "n": values.count()} for name, values in columns.items()}


def _flag(frames: pd.DataFrame, threshold: Mapping[str, Any] | None, n_bootstrap: int, seed: int) -> dict[str, Any]:
    """Return the threshold with how many frames of each class lie above it, and how well it decides."""
    if threshold is None or threshold.get("value") is None:
        return {}
    decided = {label: frames.loc[frames["label"] == label, "abnormal"] for label in LABELS}
    found = dict(threshold) | {f"flagged_{label}": {"count": flags.sum(), "of": len(flags)} for label, flags in decided.items()}
    known = frames[frames["label"] != ""]
    codes = known["label"].map(LABELS.index).to_numpy(dtype=int)
    groups = known["group"].to_numpy(dtype=str)
    measured = (
        measure_decisions(codes, known["abnormal"].to_numpy(dtype=bool), groups, n_bootstrap, LEVEL, seed) if len(known) else {}
    )
    found["decisions"] = {name: interval._asdict() for name, interval in measured.items()}
    normal = frames[frames["label"] == "normal"]
    if len(normal) and "false_alarm_rate" in threshold:
        found["promise"] = false_alarms(normal["abnormal"].to_numpy(dtype=bool), threshold["false_alarm_rate"])._asdict()
        if "quantile" in normal:
            found["uniformity"] = uniformity(1 - normal["quantile"].to_numpy(dtype=float))._asdict()
    return found


def _findings(frames: pd.DataFrame) -> list[dict[str, Any]]:
    """Return one entry per finding: normal ones first, unlabelled last, each by name."""
    rank = {**{label: place for place, label in enumerate(LABELS)}, "": len(LABELS)}
    entries = [
        {
            "finding": finding,
            "label": label,
            "frames": len(rows),
            "mean_score": rows["score"].mean(),
            "flagged": rows["abnormal"].sum() if "abnormal" in rows else None,
            "share_flagged": binomial(int(rows["abnormal"].sum()), len(rows), LEVEL)._asdict() if "abnormal" in rows else {},
        }
        for (label, finding), rows in frames.groupby(["label", "finding"])
    ]
    return sorted(entries, key=lambda entry: (rank[entry["label"]], entry["finding"]))
