"""Runs against each other on the same frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import pandas as pd

from medgen.metrics.comparing.paired import compare_pairs
from medgen.metrics.units import statistical_units
from medgen.report.measures import measures_of
from medgen.report.run_metrics import PairValues
from medgen.report.run_report_data import RunResults
from medgen.types import LABELS


class PairedDifference(PairValues):
    """First minus second run in one measure, with its interval and p-values; `delong_*` are NaN but for the AUROC."""

    statistic: str
    delong_error: float
    delong_low: float
    delong_high: float
    delong_p: float
    delong_p_holm: float


def paired_tests(names: Sequence[str], runs: Sequence[RunResults], n_bootstrap: int = 2000) -> list[PairedDifference]:
    """Return the paired comparison of every two runs: one entry for each pair and compared measure of detection.

    Parameters
    ----------
    names : of the runs, each another
    runs : in the same order
    n_bootstrap : number of resamples of groups

    Returns
    -------
    The title of the measure as "statistic", and the fields of `medgen.metrics.comparing.paired.Pair`; empty where there is one
    run, where they were not scored on the same frames or with other labels, or where these frames lack a class.
    """
    tables = [run.scores.set_index("path").sort_index() for run in runs]
    first = tables[0]
    alike = all(table.index.equals(first.index) and table["label"].equals(first["label"]) for table in tables)
    known = first["label"].isin(LABELS) & pd.concat([table["score"].notna() for table in tables], axis=1).all(axis=1)
    if len(tables) < 2 or not alike or not first.index.is_unique or first["label"][known].nunique() < len(LABELS):
        return []
    labels = first["label"][known].map(LABELS.index).to_numpy(dtype=int)
    units = statistical_units(first["group"] if "group" in first else [""] * len(first), first.index)[known.to_numpy()]
    scores = {name: table["score"][known].to_numpy(dtype=float) for name, table in zip(names, tables, strict=True)}
    return [
        cast(PairedDifference, {"statistic": measure.title, **pair._asdict()})
        for measure in measures_of("detection")
        if measure.column and measure.statistic is not None
        for pair in compare_pairs(labels, scores, units, measure.statistic, n_bootstrap)
    ]
