"""The figures of a comparison on paper, drawn from its metrics; the page draws the same numbers as interactive figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from medgen.report.groups import in_order
from medgen.report.plot_style import ABNORMAL, INK, MUTED, NORMAL, UNKNOWN, log_axis, new_figure, plot_text
from medgen.report.run_metrics import IntervalValues
from medgen.report.study.comparison_metrics import ComparisonMetrics, EntryMetrics
from medgen.report.study.rank_chart import draw_ranks

COLOURS = (NORMAL, ABNORMAL, "#009e73", "#cc79a7", "#8f6f00", "#56b4e9", INK, "#7b3fa0")
LINES = ("-", "--", "-.", ":")
MARKS = "osD^vPX*"
Shares = Sequence[tuple[str, int, IntervalValues]]  # what a row is of, how many frames, the share of them


def look(index: int) -> dict[str, Any]:
    """Return colour and line of the entry with this index; both change, so that no two of the first 32 are alike."""
    return {"color": COLOURS[index % len(COLOURS)], "linestyle": LINES[index // 2 % len(LINES)]}


def curves(metrics: ComparisonMetrics) -> Figure:
    """Draw ROC and precision-recall curves with their bands."""
    figure, (roc, precision) = new_figure(2, (5.6, 4.6), 2)
    roc.plot([0, 1], [0, 1], color=MUTED, linestyle=":", linewidth=1)
    for index, entry in enumerate(metrics["entries"]):
        sides = ((roc, entry["roc"], "false_alarms"), (precision, entry["precision_recall"], "recall"))
        for axes, curve, across in sides:
            x, low, high = (np.array(curve[key], dtype=float) for key in (across, "low", "high"))
            axes.fill_between(x, low, high, color=look(index)["color"], alpha=0.13, linewidth=0)
            axes.plot(x, np.array(curve["value"], dtype=float), linewidth=1.6, **look(index))
        roc.plot([], [], label=plot_text(entry["name"], 28), **look(index))
    roc.set(title="ROC", xlabel="normal frames flagged", ylabel="abnormal frames found", xlim=(0, 1), ylim=(0, 1.01))
    precision.set(
        title="Precision and recall", xlabel="abnormal frames found (recall)", ylabel="precision", xlim=(0, 1), ylim=(0, 1.01)
    )
    roc.legend(loc="lower right")
    return figure


def distributions(entries: Sequence[EntryMetrics]) -> Figure:
    """Draw how the scores of each label spread, one chart for each entry."""
    figure, charts = new_figure(len(entries), (3.7, 2.4), 3)
    looks = {"normal": (NORMAL, "-"), "abnormal": (ABNORMAL, "--"), "unlabelled": (UNKNOWN, ":")}
    for axes, entry in zip(charts, entries, strict=True):
        histogram = entry["histogram"]
        for label, shares in histogram["shares"].items():
            colour, line = looks[label]
            axes.stairs(shares, histogram["edges"], fill=True, facecolor=colour, alpha=0.2, edgecolor="none")
            axes.stairs(shares, histogram["edges"], color=colour, linestyle=line, linewidth=1.4, label=label)
        if histogram["threshold"] is not None:
            axes.axvline(histogram["threshold"], color=INK, linewidth=1, linestyle="-.")
        if histogram["log"]:
            log_axis(axes, "x", histogram["edges"][-1] / histogram["edges"][0])
        axes.set(title=plot_text(entry["name"], 36), xlabel="anomaly score", ylabel="share of the label, %")
    if entries:
        charts[0].legend()
    return figure


def shares(entries: Sequence[EntryMetrics], sizes: str) -> Figure | None:
    """Draw the share of each finding, and of each size class, that is flagged; None where no entry has a threshold."""
    findings: list[Shares] = [
        [(row["finding"] or "none given", row["frames"], row["flagged"]) for row in entry["findings"]] for entry in entries
    ]
    classes: list[Shares] = [
        [(row["name"], row["abnormal"], row["flagged_abnormal"]) for row in entry["groups"].get(sizes, [])] for entry in entries
    ]
    drawn = [
        (by, tables, key)
        for by, tables, key in (("finding", findings, None), ("size of the finding", classes, in_order))
        if any(row[-1]["value"] is not None for table in tables for row in table)
    ]
    if not drawn:
        return None
    most = max(len(table) for _, tables, _ in drawn for table in tables)
    figure, charts = new_figure(len(drawn), (5.6, min(7.5, 1.2 + 0.14 * most * (len(entries) + 1))), 2)
    for axes, (by, tables, key) in zip(charts, drawn, strict=True):
        _dots(axes, tables, [plot_text(entry["name"], 28) for entry in entries], key)
        axes.set(title=f"Share flagged at the threshold, by {by}", xlabel="share of the frames", xlim=(-0.02, 1.02))
    figure.legend(*charts[-1].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def _dots(axes: Axes, tables: Sequence[Shares], names: Sequence[str], key: Callable[[str], Any] | None) -> None:
    """Draw rows of values with intervals, those of each table a little lower than the last one's.

    The rows come in the order of `key`, as a table need not have all of them; without one in that of the tables.
    """
    counts: dict[str, list[int]] = {}
    for title, count, _ in (row for table in tables for row in table):
        counts.setdefault(title, []).append(count)
    rows = {title: row for row, title in enumerate(sorted(counts, key=key) if key else counts)}
    for index, table in enumerate(tables):
        known = [(-rows[title], share) for title, _, share in table if share["value"] is not None]
        y = np.array([row for row, _ in known]) - 0.7 * (index + 0.5) / len(tables) + 0.35
        bounds = [(share["value"], share["low"], share["high"]) for _, share in known]
        value, low, high = np.array(bounds, dtype=float).reshape(-1, 3).T
        colour = look(index)["color"]
        axes.hlines(y, low, high, color=colour, linewidth=1)
        axes.plot(value, y, MARKS[index % len(MARKS)], color=colour, markersize=4, label=names[index])
    axes.set_yticks([-row for row in rows.values()], [plot_text(f"{title} ({_span(counts[title])})", 38) for title in rows])


def _span(counts: Sequence[int]) -> str:
    """Entries that see frames at different sizes may count a finding in one class of size or in the next."""
    return f"{min(counts)}" if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"


def costs(entries: Sequence[EntryMetrics]) -> Figure | None:
    """Draw AUROC against training time and against frames per second; None where neither is known."""
    kinds = [("training_seconds", "training time, s"), ("frames_per_second", "frames scored per second")]
    values = {key: [entry["summary"][key]["value"] for entry in entries] for key, _ in kinds}
    drawn = [(key, title) for key, title in kinds if any(values[key])]
    if not drawn:
        return None
    figure, charts = new_figure(len(drawn), (5.6, 3.6), 2)
    for axes, (key, title) in zip(charts, drawn, strict=True):
        known = [value for value in values[key] if value]
        for index, (entry, across) in enumerate(zip(entries, values[key], strict=True)):
            area = entry["summary"]["auroc"]
            if across and area["value"] is not None:
                if area["low"] is not None and area["high"] is not None:
                    axes.vlines(across, area["low"], area["high"], color=look(index)["color"], linewidth=1)
                mark = MARKS[index % len(MARKS)]
                axes.plot(across, area["value"], mark, color=look(index)["color"], label=plot_text(entry["name"], 28))
        log_axis(axes, "x", max(known) / min(known))
        axes.set(xlabel=title, ylabel="AUROC")
    figure.legend(*charts[-1].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def ranks(metrics: ComparisonMetrics) -> Figure | None:
    """Draw the critical-difference diagram; None where there is a reason not to."""
    mean_ranks = metrics["ranks"]
    if mean_ranks["reason"]:
        return None
    figure, (axes,) = new_figure(1, (9.0, 1.2 + 0.3 * (len(mean_ranks["ranks"]) + 0.5 * len(mean_ranks["cliques"]))), 1)
    draw_ranks(axes, mean_ranks)
    return figure
