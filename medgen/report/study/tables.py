"""The summary of a comparison as words and numbers: cells of the page, ``summary.csv`` and ``summary.tex``."""

from __future__ import annotations

import re

import pandas as pd
from markupsafe import Markup

from medgen.files import csv_text
from medgen.report import plot_style
from medgen.report.markup import DASH
from medgen.report.study.comparison_metrics import Cell, Column, ComparisonMetrics, PairMetrics, SeedSpread

_TEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "'": r"\textquotesingle{}",
    "`": r"\textasciigrave{}",
}


def words(value: float | None, unit: str) -> str:
    """Return a measure as a reader wants it: three decimals of a ratio, minutes of a time; a dash for None.

    `unit` is one of `medgen.report.measures.Unit`.
    """
    if value is None:
        return DASH
    if unit == "count":
        scale, letter = next(((s, c) for s, c in ((1e9, " G"), (1e6, " M"), (1e3, " k")) if value >= s), (1, ""))
        return f"{_three_digits(value / scale)}{letter}" if letter else f"{value:.0f}"
    if unit == "seconds":
        hours, minutes = divmod(round(value / 60), 60)
        return f"{hours} h {minutes:02d} min" if hours else f"{value / 60:.1f} min" if value >= 60 else f"{value:.3g} s"
    if unit == "bytes":
        return f"{value / 2**30:.2f} GiB"
    return f"{value:.{ {'ratio': 3, 'dB': 2, 'distance': 2}[unit] }f}" if unit != "rate" else _three_digits(value)


def _three_digits(value: float) -> str:
    """Return three digits, and all that stand before the point where it has more: 1,410 would become 1.41e+03."""
    return f"{value:.3g}" if value < 999.5 else f"{value:.0f}"


def number_cell(value: float | None, unit: str) -> Markup:
    """Return `words` that carry the full precision along."""
    return Markup(DASH) if value is None else Markup('<data value="{}">{}</data>').format(repr(value), words(value, unit))


def between(interval: Cell | SeedSpread | PairMetrics, unit: str) -> str:
    """Return "low to high" of an interval, or of the smallest and largest of the seeds; "" where there is none."""
    low, high = interval.get("low"), interval.get("high")
    if low is None or high is None:
        return ""
    ends = [words(low, unit), words(high, unit)]
    return ends[0] if ends[0] == ends[1] else " to ".join(ends)


def filled(metrics: ComparisonMetrics) -> list[Column]:
    """Return the columns of the summary that some entry fills."""
    return [
        column
        for column in metrics["measures"]
        if any(entry["summary"][column["key"]]["value"] is not None for entry in metrics["entries"])
    ]


def is_best(metrics: ComparisonMetrics, name: str, key: str) -> bool:
    """Tell whether the paired test says that an entry beats every other one in a measure."""
    verdict = metrics["verdicts"].get(key)
    return verdict is not None and verdict["best"] == name


def summary_csv(metrics: ComparisonMetrics) -> str:
    """Return one row per entry: of each measure its value, interval over frames and spread over seeds, in full precision."""
    rows = []
    for entry in metrics["entries"]:
        row: dict[str, object] = {"name": entry["name"], "backend": entry["backend"], "seeds": len(entry["runs"])}
        for column in metrics["measures"]:
            key, cell = column["key"], entry["summary"][column["key"]]
            row |= {key: cell["value"], f"{key}_low": cell["low"], f"{key}_high": cell["high"]}
            row |= {f"{key}_seed_{name}": cell["seeds"].get(name) for name in ("low", "high", "std")}
        row["best_in"] = " ".join(key for key, verdict in metrics["verdicts"].items() if verdict["best"] == entry["name"])
        rows.append(row)
    table = pd.DataFrame(rows)
    return csv_text(table.dropna(axis="columns", how="all"))


def summary_tex(metrics: ComparisonMetrics) -> str:
    """Return the table for a paper: booktabs, one line per entry, intervals over frames below it, the best in bold.

    It needs the packages booktabs, graphicx and textcomp. Columns that no entry fills are left out.
    """
    columns = filled(metrics)
    lines = [
        "% Written by medgen; for research only. Needs \\usepackage{booktabs,graphicx,textcomp}.",
        "\\begin{table}",
        f"\\caption{{{tex(metrics['title'], 200)}. {_caption(metrics)}}}",
        "\\centering\\resizebox{\\textwidth}{!}{%",
        f"\\begin{{tabular}}{{l{'r' * len(columns)}}}",
        "\\toprule",
        " & ".join(["Backend", *(tex(column["title"]) for column in columns)]) + " \\\\",
        "\\midrule",
    ]
    for entry in metrics["entries"]:
        cells, ranges = [tex(entry["name"])], [""]
        for column in columns:
            cell = entry["summary"][column["key"]]
            text = tex(words(cell["value"], column["unit"])) if cell["value"] is not None else "--"
            cells.append(f"\\textbf{{{text}}}" if is_best(metrics, entry["name"], column["key"]) else text)
            ranges.append(f"{{\\scriptsize {tex(inside)}}}" if (inside := between(cell, column["unit"])) else "")
        lines += [" & ".join(cells) + " \\\\", " & ".join(ranges) + " \\\\"]
    return "\n".join([*lines, "\\bottomrule", "\\end{tabular}}", "\\end{table}", ""])


def _caption(metrics: ComparisonMetrics) -> str:
    boot, frames = metrics["bootstrap"], metrics["frames"]
    return (
        f"{frames['normal']} normal and {frames['abnormal']} abnormal frames; small figures: {100 * boot['level']:g}\\,\\% "
        f"intervals over frames ({boot['draws']} bootstrap draws by {boot['by']}); means over seeds. Bold: better than "
        f"every other backend (paired bootstrap, Holm-corrected, {metrics['alpha']:g})"
    )


def tex(text: str, most: int = 60) -> str:
    """Return text that TeX sets as it stands: printable ASCII on one line, shortened, with every special character escaped."""
    return re.sub(r"[\\&%$#_{}~^<>|\"'`]", lambda special: _TEX[special[0]], plot_style.plot_text(text, most))
