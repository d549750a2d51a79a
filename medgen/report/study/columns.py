"""The columns of a comparison's summary: what each is called, in which unit, which way is better, and where it comes from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from medgen.metrics.detection import mean_interval
from medgen.nn.features.extractors import INCEPTION
from medgen.report.evaluate import LEVEL
from medgen.report.study.comparison import Entry

DETECTION = ("auroc", "average_precision", "sensitivity_at_95_specificity")  # what the paired test compares
COSTS = ("parameters", "training_seconds", "frames_per_second", "peak_memory")
_COLUMNS = (
    ("auroc", "AUROC", "ratio", "higher", "chance that an abnormal frame scores above a normal one; 0.5 is guessing"),
    ("average_precision", "Average precision", "ratio", "higher", "precision over all levels of sensitivity; guessing gives "
     "the share of abnormal frames"),
    ("sensitivity_at_95_specificity", "Sensitivity at 95 % specificity", "ratio", "higher", "share of abnormal frames found "
     "where 5 % of these normal frames are flagged; a test label has touched this cut"),
    ("aupro", "Pixel AUPRO at 0.3", "ratio", "higher", "overlap with each finding up to 30 % false pixels"),
    ("psnr", "PSNR, normal frames", "dB", "higher", "how close a copy of normal frames is; no measure of detection"),
    ("ssim", "SSIM, normal frames", "ratio", "higher", "the same by structure; 1 is identical"),
    ("distance", "", "distance", "lower", "how far drawn frames are from real normal ones"),
    ("parameters", "Parameters", "count", "lower", "weights that are trained"),
    ("training_seconds", "Training time", "seconds", "lower", "of steps and validations, on the machine of the run"),
    ("frames_per_second", "Frames per second", "rate", "higher", "scored, on the machine of the run"),
    ("peak_memory", "Peak memory", "bytes", "lower", "by which the process grew while it trained; libraries are not counted"),
)  # fmt: skip


def describe(extractor: str | None) -> list[dict[str, Any]]:
    """Return the columns: key, title, unit, better ("higher" or "lower"), meaning and whether the paired test compares them."""
    columns: list[dict[str, Any]] = [
        dict(zip(("key", "title", "unit", "better", "meaning"), column, strict=True)) for column in _COLUMNS
    ]
    for column in columns:
        column["tested"] = column["key"] in DETECTION
        if column["key"] == "distance":
            column["title"] = "FID" if extractor in (INCEPTION, None) else f"FD ({extractor})"
            column["extractor"] = extractor
    return columns


def common_extractor(entries: Sequence[Entry]) -> str | None:
    """Return the net by whose features most entries were measured, the one of FID where there are as many; None if none was."""
    found = Counter(name for entry in entries for name in {name for run in entry.runs for name in _distances(run.metrics)})
    return max(found, key=lambda name: (found[name], name == INCEPTION, name)) if found else None


def entry_measures(entry: Entry, extractor: str | None, n_bootstrap: int, seed: int) -> dict[str, dict[str, Any]]:
    """Return all columns but those of detection: value (mean over the runs), low and high (over frames), seeds (as `spread`)."""
    runs = [run.metrics for run in entry.runs]
    found = {"aupro": _over_runs([(metrics.get("pixel") or {}).get("aupro_0.3") for metrics in runs])}
    for key in ("psnr", "ssim"):
        normal = [((metrics.get("quality") or {}).get("normal") or {}).get(key) or {} for metrics in runs]
        found[key] = _over_runs([values.get("mean") for values in normal]) | _over_frames(entry, key, n_bootstrap, seed)
    found["distance"] = _over_runs([_distances(metrics).get(extractor or "") for metrics in runs])
    for key in COSTS:
        found[key] = _over_runs([getattr(cost, key) for cost in entry.costs])
    return found


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return how the runs of an entry differ: number, smallest, largest, standard deviation (n - 1); {} for fewer than two."""
    known = [value for value in values if np.isfinite(value)]
    if len(known) < 2:
        return {}
    return {"n": len(known), "low": min(known), "high": max(known), "std": float(np.std(known, ddof=1))}


def _over_runs(values: Sequence[float | None]) -> dict[str, Any]:
    known = [value for value in values if value is not None and np.isfinite(value)]
    return {"value": float(np.mean(known)) if known else None, "low": None, "high": None, "seeds": spread(known)}


def _over_frames(entry: Entry, key: str, n_bootstrap: int, seed: int) -> dict[str, float]:
    """Return the interval of a measure of reconstruction over groups of normal frames; of each frame the mean over the runs."""
    tables = [run.scores.reset_index(drop=True) for run in entry.runs]
    if any(key not in table for table in tables):
        return {}
    mean = pd.concat([table[key].astype(float) for table in tables], axis=1).mean(axis=1, skipna=False)
    rows = (tables[0]["label"] == "normal") & np.isfinite(mean)
    given = tables[0]["group"].fillna("").astype(str) if "group" in tables[0] else pd.Series("", index=mean.index)
    groups = ("group " + given).where(given != "", "frame " + mean.index.astype(str).to_series(index=mean.index))
    interval = mean_interval(mean[rows], groups[rows].to_numpy(dtype=str), n_bootstrap, LEVEL, seed)
    return {"low": interval.low, "high": interval.high}


def _distances(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Return extractor -> Fréchet distance of a run's samples."""
    measured = (metrics.get("distribution") or {}).get("measured") or []
    found = {entry["extractor"]: entry.get("fid", entry.get("fd")) for entry in measured}
    return {name: value for name, value in found.items() if value is not None}
