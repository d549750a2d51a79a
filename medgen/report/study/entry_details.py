"""What a comparison says of one entry besides its row: score distribution, findings, groups, and each run's own metrics."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from medgen.report.figures import score_bins
from medgen.report.run_metrics import GroupMetrics, IntervalValues
from medgen.report.run_report_data import RunResults
from medgen.report.study.comparison import Entry
from medgen.report.study.comparison_metrics import EntryDetails, FindingShare, Histogram
from medgen.types import LABELS


def entry_details(entry: Entry) -> EntryDetails:
    """Return everything but the row of the summary and the curves.

    Returns
    -------
    "backend", "about", "histogram" (of the first run), "findings" and "groups" (means over the runs of what each run's metrics
    say), "threshold" (of each run), "warnings" and "runs" (name, seed, cost, provenance, settings, metrics)
    """
    first = entry.runs[0]
    return {
        "backend": first.backend,
        "about": " ".join(first.about.split("\n\n")[0].split()),
        "histogram": histogram(first),
        "findings": _findings(entry.runs),
        "groups": _groups(entry.runs),
        "warnings": list(dict.fromkeys(text for run in entry.runs for text in run.warnings)),
        "runs": [
            {
                "name": run.name,
                "seed": (run.settings.get("train") or {}).get("seed"),
                "cost": cost._asdict(),
                "dataset": dict(run.dataset),
                "provenance": dict(run.provenance),
                "settings": run.settings,
                "metrics": run.metrics,
            }
            for run, cost in zip(entry.runs, entry.costs, strict=True)
        ],
    }


def histogram(run: RunResults) -> Histogram:
    """Return how the raw scores of each label spread: "edges" (K + 1), "log", "threshold", and "shares" of each label in %."""
    scores = run.scores["score"].to_numpy(dtype=float)
    finite = np.isfinite(scores)
    if not finite.any():
        return {"edges": [], "log": False, "shares": {}, "threshold": None}
    edges, log = score_bins(scores[finite])
    label = run.scores["label"].fillna("").astype(str).to_numpy()
    shares = {}
    for name in (*LABELS, ""):
        if count := int((finite & (label == name)).sum()):
            inside = np.clip(scores[finite & (label == name)], edges[0], edges[-1])  # rounding must not lose the outermost
            shares[name or "unlabelled"] = (100 * np.histogram(inside, edges)[0] / count).tolist()
    return {"edges": edges.tolist(), "log": log, "shares": shares, "threshold": (run.metrics.get("threshold") or {}).get("value")}


def averaged_interval(intervals: Sequence[IntervalValues]) -> IntervalValues:
    """Return the means of value, low and high over runs; None where a run lacks one.

    Runs see the same frames, so their counts are not pooled: means of the ends are not narrower than those of a run alone.
    """

    def mean(numbers: Sequence[float | None]) -> float | None:
        known = [number for number in numbers if number is not None]
        return float(np.mean(known)) if known and len(known) == len(numbers) else None

    return {
        "value": mean([interval.get("value") for interval in intervals]),
        "low": mean([interval.get("low") for interval in intervals]),
        "high": mean([interval.get("high") for interval in intervals]),
    }


def _findings(runs: Sequence[RunResults]) -> list[FindingShare]:
    tables = [{(row["label"], row["finding"]): row for row in run.metrics.get("findings") or []} for run in runs]
    return [
        {
            "finding": finding,
            "label": label,
            "frames": row["frames"],
            "flagged": averaged_interval([table[label, finding].get("share_flagged") or {} for table in tables]),
        }
        for (label, finding), row in tables[0].items()
        if all((label, finding) in table for table in tables)
    ]


def _groups(runs: Sequence[RunResults]) -> dict[str, list[GroupMetrics]]:
    """Return kind of grouping -> its groups with AUROC and the shares that are flagged."""
    kinds: dict[str, list[GroupMetrics]] = {}
    for kind, rows in (runs[0].metrics.get("groups") or {}).items():
        tables = [{row["name"]: row for row in (run.metrics.get("groups") or {}).get(kind) or []} for run in runs]
        kinds[kind] = [
            {
                "name": row["name"],
                "normal": row["normal"],
                "abnormal": row["abnormal"],
                "against": row["against"],
                "auroc": averaged_interval([table[row["name"]].get("auroc") or {} for table in tables]),
                "flagged_normal": averaged_interval([table[row["name"]].get("flagged_normal") or {} for table in tables]),
                "flagged_abnormal": averaged_interval([table[row["name"]].get("flagged_abnormal") or {} for table in tables]),
            }
            for row in rows
            if all(row["name"] in table for table in tables)
        ]
    return kinds
