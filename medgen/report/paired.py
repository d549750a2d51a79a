"""Runs against each other on the same frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from medgen.metrics.detection import auroc, average_precision
from medgen.metrics.paired import compare_pairs
from medgen.report.run_report_data import RunResults
from medgen.types import LABELS

STATISTICS = {"AUROC": auroc, "average precision": average_precision}


def paired_tests(names: Sequence[str], runs: Sequence[RunResults], n_bootstrap: int = 2000) -> list[dict[str, Any]]:
    """Return the paired comparison of every two runs: one entry for each pair and statistic.

    Returns
    -------
    "statistic", and as `medgen.metrics.paired.Pair`; empty where there is one run, where they were not scored on the same frames
    or with other labels, or where these frames lack a class.
    """
    tables = [run.scores.set_index("path").sort_index() for run in runs]
    first = tables[0]
    alike = all(table.index.equals(first.index) and table["label"].equals(first["label"]) for table in tables)
    known = first["label"].isin(LABELS) & pd.concat([table["score"].notna() for table in tables], axis=1).all(axis=1)
    if len(tables) < 2 or not alike or not first.index.is_unique or first["label"][known].nunique() < len(LABELS):
        return []
    labels = first["label"][known].map(LABELS.index).to_numpy(dtype=int)
    own = pd.Series([f"frame {path}" for path in first.index], index=first.index)
    groups = first["group"].mask(first["group"] == "", own) if "group" in first else own
    scores: Mapping[str, Any] = {
        name: table["score"][known].to_numpy(dtype=float) for name, table in zip(names, tables, strict=True)
    }
    return [
        {"statistic": title, **pair._asdict()}
        for title, statistic in STATISTICS.items()
        for pair in compare_pairs(labels, scores, groups[known].to_numpy(dtype=str), statistic, n_bootstrap)
    ]
