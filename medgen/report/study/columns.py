"""The columns of a comparison's summary, from the table of measures: what each is called, and its value for each entry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pandas as pd

from medgen.metrics.intervals import mean_interval
from medgen.metrics.units import statistical_units
from medgen.nn.features.extractors import INCEPTION
from medgen.report.evaluate import LEVEL
from medgen.report.measures import MEASURES, Measure, measured_values
from medgen.report.run_report_data import RunResults
from medgen.report.study.comparison import Entry
from medgen.report.study.comparison_metrics import Cell, Column, SeedSpread

NORMAL_FRAMES = "normal frames"  # whose reconstructions are compared
FRECHET = ("fid", "fd")  # one column, called by the net that it was measured with


def compared(extractor: str | None) -> list[Measure]:
    """Return the measures that are columns, in the order of the table.

    Parameters
    ----------
    extractor : the net by whose features samples are compared, None for none: the Fréchet distance is an FID by that of FID alone
    """
    frechet = "fid" if extractor in (INCEPTION, None) else "fd"
    return [measure for measure in MEASURES if measure.column and (measure.key not in FRECHET or measure.key == frechet)]


def tested() -> list[Measure]:
    """Return the measures that the paired test compares."""
    return [measure for measure in MEASURES if measure.column and measure.section == "detection"]


def describe(extractor: str | None) -> list[Column]:
    """Return the columns as ``metrics.json`` lists them."""
    columns: list[Column] = []
    for measure in compared(extractor):
        title = measure.title
        if measure.section == "quality":
            title = f"{title}, {NORMAL_FRAMES}"
        elif measure.key == "fd":
            title = f"{title} ({extractor})"
        columns.append(
            {
                "key": measure.column,
                "title": title,
                "unit": measure.unit,
                "better": measure.better,
                "meaning": measure.meaning,
                "tested": measure.section == "detection",
            }
        )
        if measure.section == "distribution":
            columns[-1]["extractor"] = extractor
    return columns


def common_extractor(entries: Sequence[Entry]) -> str | None:
    """Return the net by whose features most entries were measured, the one of FID where there are as many; None if none was."""
    count = Counter(name for entry in entries for name in {name for run in entry.runs for name in _extractors(run)})
    return max(count, key=lambda name: (count[name], name == INCEPTION, name)) if count else None


def _extractors(run: RunResults) -> set[str]:
    """Return the nets by which a Fréchet distance of a run's samples is known."""
    values = measured_values(run.metrics)
    return {number.of for number in values if number.measure.key in FRECHET and number.value is not None}


def entry_cells(entry: Entry, extractor: str | None, n_bootstrap: int, seed: int) -> dict[str, Cell]:
    """Return the cells of all columns but those of detection: column key -> mean over the runs, interval, how the seeds differ.

    Parameters
    ----------
    entry : a row of the summary
    extractor : the net by whose features samples are compared; None for none
    n_bootstrap : number of resamples of groups, for the interval of reconstruction over normal frames
    seed : of the bootstrap
    """
    cells: dict[str, Cell] = {}
    for measure in compared(extractor):
        if measure.section == "cost":
            cells[measure.column] = over_runs([getattr(cost, measure.key) for cost in entry.costs])
        elif measure.section != "detection":
            cells[measure.column] = over_runs([_value(run, measure, extractor) for run in entry.runs])
        if measure.section == "quality" and (interval := _over_frames(entry, measure.key, n_bootstrap, seed)):
            cells[measure.column]["low"], cells[measure.column]["high"] = interval
    return cells


def _value(run: RunResults, measure: Measure, extractor: str | None) -> float | None:
    """Return a measure of a run: of its normal frames, and by that net, where it has several."""
    wanted = {"quality": NORMAL_FRAMES, "distribution": extractor}.get(measure.section, "")
    values = measured_values(run.metrics)
    return next((number.value for number in values if number.measure == measure and number.of == wanted), None)


def seed_spread(values: Sequence[float]) -> SeedSpread:
    """Return how the runs of an entry differ: number, smallest, largest, standard deviation (n - 1); {} for fewer than two."""
    known = [value for value in values if np.isfinite(value)]
    if len(known) < 2:
        return {}
    return {"n": len(known), "low": min(known), "high": max(known), "std": float(np.std(known, ddof=1))}


def over_runs(values: Sequence[float | None]) -> Cell:
    """Return the mean of what is known of a measure over runs, without an interval, and how the runs differ."""
    known = [value for value in values if value is not None and np.isfinite(value)]
    return {"value": float(np.mean(known)) if known else None, "low": None, "high": None, "seeds": seed_spread(known)}


def _over_frames(entry: Entry, key: str, n_bootstrap: int, seed: int) -> tuple[float, float] | None:
    """Return the interval of a measure of reconstruction over groups of normal frames; of each frame the mean over the runs."""
    tables = [run.scores.reset_index(drop=True) for run in entry.runs]
    if any(key not in table for table in tables):
        return None
    mean = pd.concat([table[key].astype(float) for table in tables], axis=1).mean(axis=1, skipna=False)
    rows = ((tables[0]["label"] == "normal") & np.isfinite(mean)).to_numpy()
    units = statistical_units(tables[0]["group"] if "group" in tables[0] else [""] * len(mean))
    interval = mean_interval(mean[rows], units[rows], n_bootstrap, LEVEL, seed)
    return interval.low, interval.high
