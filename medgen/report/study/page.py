"""A comparison of backends as one page that opens offline, with its numbers, tables and a printable version beside it."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import matplotlib
import pandas as pd
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from medgen.files import json_values, write_bytes, write_csv, write_json, write_text
from medgen.report.auditing.audit import headlines
from medgen.report.auditing.chart import trait_chart
from medgen.report.markup import asset, environment, escape_hidden, inline
from medgen.report.plot_style import STYLE, new_figure, to_svg
from medgen.report.study.comparison import Comparison
from medgen.report.study.comparison_metrics import ComparisonMetrics
from medgen.report.study.frame_pictures import frame_pictures
from medgen.report.study.frame_ranks import rank_frames
from medgen.report.study.frame_table import frame_table
from medgen.report.study.pdf import comparison_pdf
from medgen.report.study.rank_chart import draw_ranks
from medgen.report.study.summary import entry_names, study_metrics
from medgen.report.study.tables import between, filled, number_cell, summary_csv, summary_tex
from medgen.report.study.warned import Warned, warned

SCRIPTS = ("study.js", "plots.js", "frame_browser.js")
PLOTTED = ("name", "backend", "summary", "roc", "precision_recall", "histogram", "findings", "groups")
SIZES = "size of the finding"
_UNSAFE = re.compile("[<>&\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
MANY = 200  # rejected files and near-duplicates listed


def write_comparison(comparison: Comparison, out: Path) -> Path:
    """Write the page of a comparison into the folder `out` and return its path.

    ``report.html`` opens from disk and asks no host for anything; ``report.pdf`` is what of it can be printed; ``metrics.json``
    holds every number of both (``metrics.schema.json`` beside this file describes it), ``summary.csv`` and
    ``summary.tex`` the table of backends, and ``scores.csv`` every frame's scores.

    Raises
    ------
    RunError : if there is nothing to compare, or two runs were scored on different frames.
    MedgenError : if `out` cannot be written.
    """
    metrics = study_metrics(comparison)
    page = render(comparison, metrics)
    write_json(out / "metrics.json", metrics)
    write_text(out / "summary.csv", summary_csv(metrics))
    write_text(out / "summary.tex", summary_tex(metrics))
    write_csv(out / "scores.csv", _scores(comparison))
    write_bytes(out / "report.pdf", comparison_pdf(metrics))
    write_text(out / "report.html", page)
    return out / "report.html"


def render(comparison: Comparison, metrics: ComparisonMetrics) -> str:
    """Return the page's HTML from the numbers of `medgen.report.study.summary.study_metrics`."""
    names, ranked = entry_names(comparison), rank_frames(comparison.entries)
    pictured = frame_pictures(comparison, names, ranked)
    frames = frame_table(comparison, names, ranked, list(pictured))
    plotted = [{key: value for key, value in entry.items() if key in PLOTTED} for entry in metrics["entries"]]
    scripts = [Markup(get_plotlyjs()), *(asset(f"study/{name}") for name in SCRIPTS)]
    house = environment()
    house.filters |= {"number_cell": number_cell, "between": between, "escape_hidden": escape_hidden}
    return house.get_template("study/study.html").render(
        m=metrics,
        columns=filled(metrics),
        anchors={name: f"entry-{number}" for number, name in enumerate(names, 1)},
        warnings=_warnings(comparison, metrics),
        audit={"run": {"audit": json_values(comparison.audit)}, "charts": _audit_chart(comparison)},
        mapped=_mapped(metrics),
        duplicates=[json_values(row) for row in comparison.duplicates.head(MANY).to_dict("records")],
        rejected=[json_values(row) for row in comparison.rejected.head(MANY).to_dict("records")],
        many=MANY,
        sizes=SIZES,
        diagram=_diagram(metrics),
        pictured=len(pictured),
        listed=len(frames["row"]),
        data={
            "plots-data": embedded({"entries": plotted}),
            "frames-data": embedded(frames),
            "pictures-data": embedded(pictured),
        },
        style=asset("page.css") + asset("study/study.css"),
        scripts=scripts,
        policy=" ".join(f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'" for script in scripts),
    )


def embedded(value: object) -> Markup:
    """Return a value as JSON inside a script element: nothing in it can end the element, begin another or turn text around."""
    text = json.dumps(json_values(value), ensure_ascii=False, separators=(",", ":"))
    return Markup(_UNSAFE.sub(lambda sign: f"\\u{ord(sign[0]):04x}", text))


def _scores(comparison: Comparison) -> pd.DataFrame:
    """Return the scores of all runs below each other, with the entry and run that each row belongs to."""
    tables = [
        run.scores.assign(entry=name, run=run.name)
        for name, entry in zip(entry_names(comparison), comparison.entries, strict=True)
        for run in entry.runs
    ]
    scores = pd.concat(tables, ignore_index=True)
    return scores[["entry", "run", *scores.columns.drop(["entry", "run"])]]


def _warnings(comparison: Comparison, metrics: ComparisonMetrics) -> list[Warned]:
    """Return each kind of warning once; without names where it concerns all entries."""
    entries = metrics["entries"]
    about_all = [Warned((), text) for text in (metrics["caution"], *headlines(comparison.audit)) if text]
    of_entries = warned((entry["name"], text) for entry in entries for text in entry["warnings"])
    return about_all + [one._replace(names=()) if len(one.names) == len(entries) else one for one in of_entries]


def _mapped(metrics: ComparisonMetrics) -> list[tuple[str, Mapping[str, Any]]]:
    """Return what the maps of each entry's first run are worth beside maps that no model made; runs without maps are left out."""
    entries = [(entry["name"], entry["runs"]) for entry in metrics["entries"]]
    found = [(name + (", first seed" if len(runs) > 1 else ""), runs[0]["metrics"].get("localisation")) for name, runs in entries]
    return [(name, localisation) for name, localisation in found if localisation]


def _audit_chart(comparison: Comparison) -> dict[str, Markup]:
    audit = comparison.audit
    if not audit or audit["reason"]:
        return {}
    return {"audit": inline(trait_chart([*audit["traits"], audit["baseline"]]), "audit-")}


def _diagram(metrics: ComparisonMetrics) -> Markup | None:
    """Return the critical-difference diagram, None where there is a reason to draw none."""
    ranks = metrics["ranks"]
    if ranks["reason"]:
        return None
    with matplotlib.rc_context(STYLE):
        figure, (axes,) = new_figure(1, (6.6, 0.9 + 0.26 * (len(ranks["ranks"]) + 0.5 * len(ranks["cliques"]))))
        draw_ranks(axes, ranks)
        return inline(to_svg(figure), "ranks-")
