"""Detection by groups of frames: by folder, by size of the finding, by any column that the source's manifest has."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from medgen.metrics.decisions import binomial
from medgen.metrics.detection import auroc, bootstrap
from medgen.report.run_metrics import GroupMetrics, IntervalValues, interval_values
from medgen.types import LABELS

SIZES = (0.0, 0.01, 0.05, 0.2)  # of a finding, as shares of the frame: lower ends of the classes
MOST = 40  # groups of one kind that are measured; more are a column of names or numbers and no grouping


def size_classes(shares: Sequence[float]) -> list[str]:
    """Return the size class of each finding in words; "" for a frame whose share is NaN, which is not annotated."""
    ends = [*SIZES[1:], 1.0]
    words = [f"{100 * low:g} to {100 * high:g} % of the frame" for low, high in zip(SIZES, ends, strict=True)]
    return ["" if np.isnan(share) else words[int(np.searchsorted(SIZES, share, side="right")) - 1] for share in shares]


def in_order(name: str) -> list[tuple[float, str]]:
    """Return the key by which "5 to 20" comes before "20 to 100", and "ward 2" before "ward 10"."""
    return [(float(part), "") if part.isdecimal() else (np.inf, part) for part in re.split(r"(\d+)", name)]


def by_group(
    frames: pd.DataFrame,
    values: Sequence[str],
    n_bootstrap: int = 2000,
    level: float = 0.95,
    promised: float | None = None,
) -> list[GroupMetrics]:
    """Return how well the score detects in each group of frames.

    A group with both classes is measured within itself. One of abnormal frames alone, as those of a size class are, is measured
    against all normal frames. One of normal frames alone has no AUROC, but false alarms.

    Parameters
    ----------
    frames : N rows with label, group (the statistical unit of each), score and, where there is a threshold, abnormal (bool)
    values : (N,) the group of each frame; frames with "" belong to none
    n_bootstrap : number of resamples of statistical units
    level : of the intervals, in (0, 1)
    promised : false-alarm rate of the threshold, in (0, 1); None where there is none

    Returns
    -------
    By name, numbers within it as numbers: "name", "normal" and "abnormal" (frames), "against" ("its own normal frames", "all
    normal frames" or ""), "auroc" (value, low, high), "flagged_normal" and "flagged_abnormal" (share with its exact interval, as
    of independent frames), "within" (whether the interval of the false alarms reaches down to the promised rate).
    Empty where there are fewer than two groups or more than `MOST`.
    """
    groups = pd.Series([str(value) for value in values], index=frames.index)
    names = sorted(set(groups) - {""}, key=in_order)
    if not 2 <= len(names) <= MOST:
        return []
    entries = []
    for name in names:
        rows = frames[groups == name]
        normal, abnormal = (rows[rows["label"] == label] for label in LABELS)
        entry: GroupMetrics = {"name": name, "normal": len(normal), "abnormal": len(abnormal), "against": "", "auroc": {}}
        if len(abnormal):
            entry["against"] = "its own normal frames" if len(normal) else "all normal frames"
            compared = rows if len(normal) else pd.concat([abnormal, frames[frames["label"] == "normal"]])
            entry["auroc"] = _auroc(compared[compared["label"].isin(LABELS)], n_bootstrap, level)
        if "abnormal" in frames:
            entry["flagged_normal"] = _share_flagged(normal, level)
            entry["flagged_abnormal"] = _share_flagged(abnormal, level)
            low = entry["flagged_normal"].get("low")
            entry["within"] = None if promised is None or low is None else low <= promised
        entries.append(entry)
    return entries


def _share_flagged(frames: pd.DataFrame, level: float) -> IntervalValues:
    return interval_values(binomial(int(frames["abnormal"].sum()), len(frames), level)) if len(frames) else {}


def _auroc(frames: pd.DataFrame, n_bootstrap: int, level: float) -> IntervalValues:
    if frames["label"].nunique() < len(LABELS):
        return {}
    codes = frames["label"].map(LABELS.index).to_numpy(dtype=int)
    scores, units = frames["score"].to_numpy(dtype=float), frames["group"].to_numpy(dtype=str)
    return interval_values(bootstrap(auroc, codes, scores, units, n_bootstrap, level))
