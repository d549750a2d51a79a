"""Results of runs to one self-contained page with its numbers beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from medgen.data.scorable import is_scored
from medgen.errors import RunError
from medgen.files import json_values, write_bytes, write_csv, write_json, write_text
from medgen.outputs.own_files import remove_earlier
from medgen.report import figures
from medgen.report.auditing.audit import headlines
from medgen.report.auditing.chart import trait_chart
from medgen.report.markup import asset, data_uri, distinct, environment, inline
from medgen.report.paired import paired_tests
from medgen.report.run_report_data import ExtraFigure, RunResults

REGIONS = "regions.csv"
LARGEST = 15  # rows of the table of flagged regions
TOP = 20  # rows of the table of most anomalous frames
MANY = 200  # rejected files, and frames without a score, listed; the page says how many more there are


def write_report(runs: Sequence[RunResults], out: Path) -> Path:
    """Write ``report.html``, ``metrics.json``, ``scores.csv``, ``regions.csv``, ``figures/`` into `out`; return the page's path.

    The page opens offline: pictures and styles are inside it and it asks no host for anything. For one run ``metrics.json`` is
    that run's metrics; for several it is name -> metrics, and ``scores.csv`` has a column ``run``. What is not finite is null.

    Raises
    ------
    RunError : if there is no run to report.
    MedgenError : if `out` cannot be written.
    """
    if not runs:
        raise RunError("there is no run to report; name at least one run folder")
    names = distinct([run.name for run in runs])
    metrics = {name: json_values({**run.metrics, **_audited(run)}) for name, run in zip(names, runs, strict=True)}
    regions = {name: run.regions for name, run in zip(names, runs, strict=True) if run.regions is not None}
    charts = [draw_charts(run) for run in runs]
    page = render(runs, charts)
    write_json(out / "metrics.json", metrics if len(names) > 1 else metrics[names[0]])
    write_csv(out / "scores.csv", _together({name: run.scores for name, run in zip(names, runs, strict=True)}, len(names) > 1))
    remove_earlier(out, "figures", REGIONS)
    if regions:
        write_csv(out / REGIONS, _together(regions, len(names) > 1))
    for number, (run, drawn) in enumerate(zip(runs, charts, strict=True), 1):
        pictures = {f"{key}.svg": svg for key, svg in drawn.items()}
        pictures |= {f"{figure.key}.{figure.suffix}": figure.picture for figure in run.extra_figures}
        for name, picture in pictures.items():
            write_bytes(out / "figures" / (name if len(names) == 1 else f"{number}-{name}"), picture)
        for figure in (figure for figure in run.extra_figures if figure.table):
            name = f"{figure.key}.csv" if len(names) == 1 else f"{number}-{figure.key}.csv"
            write_csv(out / "figures" / name, pd.DataFrame(figure.table[1:], columns=[*figure.table[0]]))
    write_text(out / "report.html", page)
    return out / "report.html"


def _together(tables: Mapping[str, pd.DataFrame], named: bool) -> pd.DataFrame:
    """Return tables of runs one below the other; the first column says which run where they are to be `named`."""
    joined = pd.concat([table.assign(run=name) for name, table in tables.items()], ignore_index=True)
    return joined[["run", *joined.columns.drop("run")]] if named else joined.drop(columns="run")


def render(runs: Sequence[RunResults], charts: Sequence[Mapping[str, bytes]]) -> str:
    """Return the page's HTML.

    Parameters
    ----------
    runs : in the order of the page
    charts : of each run, from the name of a chart to its SVG
    """
    names = distinct([run.name for run in runs])
    contexts = [
        context(run, name, f"run-{number}", drawn)
        for number, (run, name, drawn) in enumerate(zip(runs, names, charts, strict=True), 1)
    ]
    pairs = [json_values(pair) for pair in paired_tests(names, runs)]
    return (
        environment()
        .get_template("page.html")
        .render(runs=contexts, pairs=pairs, warnings=_warnings(names, runs), style=asset("page.css"))
    )


def _warnings(names: Sequence[str], runs: Sequence[RunResults]) -> list[tuple[str, str]]:
    """Return each warning once, behind the names of the runs that it concerns, or behind "" where there is but one run."""
    concerned: dict[str, list[str]] = {}
    if len({frozenset(run.scores["path"].astype(str)) for run in runs}) > 1:
        concerned["These runs were not scored on the same frames; their numbers cannot be compared directly."] = ["All runs"]
    for name, run in zip(names, runs, strict=True):
        for text in (*run.warnings, *headlines(run.audit)):
            concerned.setdefault(text, []).append(name)
    return [(", ".join(whose) if len(runs) > 1 else "", text) for text, whose in concerned.items()]


def context(run: RunResults, name: str, anchor: str, charts: Mapping[str, bytes]) -> dict[str, Any]:
    """Return what a template shows of one run: plain values, finished pictures, the rows of its tables.

    Parameters
    ----------
    name : of the run, unlike that of any other on the page
    anchor : begins the names of the run's elements, unlike that of any other
    run : that is shown
    charts : from the name of a chart to its SVG
    """
    scored = is_scored(run.scores)
    scores = run.scores[scored].sort_values("score", ascending=False, kind="stable", na_position="last").head(TOP)
    limit = json_values(run.metrics.get("threshold") or {}).get("value")
    if limit is not None and "abnormal" not in scores:
        scores = scores.assign(abnormal=scores["score"] > limit)
    high = figures.error_scale(run.panels)
    return {
        "name": name,
        "anchor": anchor,
        "run": run,
        "metrics": json_values(run.metrics),
        "frames": {"normal": 0, "abnormal": 0, "unlabelled": 0, "groups": None} | json_values(run.metrics.get("frames") or {}),
        "charts": {key: inline(svg, f"{anchor}-{key}-") for key, svg in charts.items()},
        "extra_figures": [(figure, _figure_element(figure, f"{anchor}-{figure.key}-")) for figure in run.extra_figures],
        "panels": [(panel, figures.reconstruction_panel(panel, high)) for panel in run.panels],
        "mapped": any(panel.error is not None for panel in run.panels),
        "outlined": any(panel.mask is not None and panel.mask.any() for panel in run.panels),
        "high": high,
        "colour_bar": figures.colour_bar(),
        "samples": None if run.samples is None or not len(run.samples) else figures.sample_grid(run.samples),
        "regions": None if run.regions is None else [json_values(row) for row in _largest(run.regions).to_dict("records")],
        "top": [json_values(row) for row in scores.to_dict("records")],
        "total": int(scored.sum()),
        "unscored": [json_values(row) for row in run.scores[~scored].head(MANY).to_dict("records")],
        "unscored_total": int((~scored).sum()),
        "rejected": [json_values(row) for row in run.rejected.head(MANY).to_dict("records")],
    }


def _largest(regions: pd.DataFrame) -> pd.DataFrame:
    return regions.sort_values("area_px", ascending=False, kind="stable").head(LARGEST)


def draw_charts(run: RunResults) -> dict[str, bytes]:
    """Return those charts that the run's data allow: name to SVG."""
    finite = run.scores[np.isfinite(run.scores["score"].to_numpy(dtype=float))]
    label = finite["label"].fillna("").astype(str)
    threshold = json_values(run.metrics.get("threshold") or {})
    charts = {}
    if len(finite):
        charts["histogram"] = figures.score_histogram(finite["score"], list(label), threshold.get("value"))
    known = label.isin(["normal", "abnormal"])
    if label[known].nunique() == 2:
        flagged = [threshold.get(f"flagged_{name}") or {} for name in ("normal", "abnormal")]
        point = (flagged[0]["count"] / flagged[0]["of"], flagged[1]["count"] / flagged[1]["of"]) if _counted(flagged) else None
        charts["roc"] = figures.roc_curve(finite["score"][known], label[known] == "abnormal", point)
    if any(str(column).startswith(("train.", "val.")) for column in run.history) and len(run.history):
        charts["losses"] = figures.loss_curves(run.history)
    if run.audit and not run.audit["reason"]:
        charts["audit"] = trait_chart([*run.audit["traits"], run.audit["baseline"]])
    return charts


def _audited(run: RunResults) -> dict[str, Any]:
    return {"audit": run.audit} if run.audit else {}


def _figure_element(figure: ExtraFigure, prefix: str) -> Markup:
    """Return a figure as an element of the page."""
    if figure.suffix == "svg":
        return inline(figure.picture, prefix)
    return Markup('<img src="{}" alt="">').format(data_uri(figure.picture))


def _counted(flagged: Sequence[Mapping[str, Any]]) -> bool:
    return all(part.get("of") and part.get("count") is not None for part in flagged)
