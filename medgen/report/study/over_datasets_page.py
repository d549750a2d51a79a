"""The page of a study of several data sets or training sizes, with its numbers, tables and a printable version beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import matplotlib
from markupsafe import Markup
from matplotlib.figure import Figure

from medgen.files import write_bytes, write_json, write_text
from medgen.report.markup import asset, environment, inline
from medgen.report.plot_style import INK, STYLE, new_figure, plot_text, to_svg
from medgen.report.study.over_datasets import datasets_csv, datasets_tex
from medgen.report.study.pdf_sheets import RESEARCH, as_pdf, table_pages, text_pages, titled
from medgen.report.study.plots import look
from medgen.report.study.rank_chart import draw_ranks
from medgen.report.study.tables import between, number_cell, words

Metrics = Mapping[str, Any]


def write_over_datasets(metrics: Metrics, out: Path) -> Path:
    """Write the page into the folder `out` and return its path.

    ``report.html`` opens from disk and asks no host for anything; ``report.pdf`` is what of it can be printed; ``metrics.json``
    holds every number, ``summary.csv`` those of each data set, size and entry, ``summary.tex`` a table for a paper.

    Parameters
    ----------
    metrics : as `medgen.report.study.over_datasets.metrics_over_datasets` returns them
    """
    page = render(metrics)
    write_json(out / "metrics.json", metrics)
    write_text(out / "summary.csv", datasets_csv(metrics))
    write_text(out / "summary.tex", datasets_tex(metrics))
    write_bytes(out / "report.pdf", as_pdf(metrics["title"], _pages(metrics)))
    write_text(out / "report.html", page)
    return out / "report.html"


def render(metrics: Metrics) -> str:
    """Return the page's HTML."""
    with matplotlib.rc_context(STYLE):
        diagram = None if metrics["ranks"]["reason"] else inline(to_svg(rank_figure(metrics)), "ranks-")
        sizes = inline(to_svg(size_curves(metrics)), "sizes-") if len(metrics["sizes"]) > 1 else None
    house = environment()
    house.filters |= {"number_cell": number_cell, "between": between}
    template = house.get_template("study/over_datasets.html")
    style = asset("page.css") + asset("study/study.css")
    pictures: dict[str, Markup | None] = {"diagram": diagram, "curves": sizes}
    return template.render(m=metrics, cells=cells_of(metrics), style=style, **pictures)


def cells_of(metrics: Metrics) -> dict[tuple[str, str, str], Mapping[str, Any]]:
    """Return each result by its data set, size and entry."""
    return {(cell["dataset"], cell["shots"], cell["entry"]): cell for cell in metrics["cells"]}


def rank_figure(metrics: Metrics) -> Figure:
    """Draw the critical-difference diagram: mean ranks, their range over data sets, and above them the critical difference."""
    ranks = metrics["ranks"]
    rows = len(ranks["ranks"]) + 0.5 * len(ranks["cliques"])
    figure, (axes,) = new_figure(1, (6.6, 1.3 + 0.26 * rows))
    draw_ranks(axes, ranks, "mean rank by AUROC over data sets, 1 is best; lines: from the best to the worst of a data set")
    difference = ranks["critical_difference"]
    axes.plot([1, 1 + difference], [0.9, 0.9], color=INK, linewidth=1.6, marker="|")
    axes.text(1, 1.05, f"critical difference {difference:.2f}", fontsize=8, color=INK)
    axes.set(xlim=(0.8, max(len(ranks["ranks"]), 1 + difference) + 0.2), ylim=(axes.get_ylim()[0], 1.6))
    return figure


def size_curves(metrics: Metrics) -> Figure:
    """Draw AUROC against the number of training frames for each data set: bands are intervals over frames, dots single seeds."""
    figure, panes = new_figure(len(metrics["datasets"]), (4.4, 3.4), 2)
    for axes, dataset in zip(panes, metrics["datasets"], strict=True):
        for index, entry in enumerate(metrics["entries"]):
            own = [cell for cell in metrics["cells"] if (cell["dataset"], cell["entry"]) == (dataset["name"], entry)]
            own = sorted((cell for cell in own if cell["value"] is not None), key=lambda cell: cell["train_frames"])
            x = [cell["train_frames"] for cell in own]
            axes.plot(x, [cell["value"] for cell in own], marker="o", markersize=3, label=plot_text(entry, 28), **look(index))
            bounded = [cell for cell in own if cell["low"] is not None and cell["high"] is not None]
            low, high = ([cell[end] for cell in bounded] for end in ("low", "high"))
            within = [cell["train_frames"] for cell in bounded]
            axes.fill_between(within, low, high, alpha=0.13, linewidth=0, color=look(index)["color"])
            for cell in own:
                seeds = [cell["seeds"][end] for end in ("low", "high") if end in cell["seeds"]]
                axes.plot([cell["train_frames"]] * len(seeds), seeds, "_", color=look(index)["color"], markersize=7)
        axes.axhline(0.5, color=INK, linewidth=0.7, linestyle=":")
        axes.set_xscale("log")
        ticks = sorted({cell["train_frames"] for cell in metrics["cells"] if cell["dataset"] == dataset["name"]})
        axes.set_xticks(ticks, [str(tick) for tick in ticks])
        axes.minorticks_off()
        axes.set(title=plot_text(dataset["name"], 28), xlabel="training frames", ylabel="AUROC")
    panes[0].legend(fontsize=8)
    return figure


def _pages(metrics: Metrics) -> Iterator[Figure]:
    ranks, cells, sizes = metrics["ranks"], cells_of(metrics), metrics["sizes"]
    mean = {rank["name"]: f"{rank['mean']:.2f}" for rank in ranks["ranks"]}
    names = [dataset["name"] for dataset in metrics["datasets"]]
    for size in sizes:
        rows = []
        for entry in metrics["entries"]:
            found = [cells.get((name, size, entry)) for name in names]
            texts = [_in_words(cell) for cell in found]
            rows.append([entry, *texts, *([mean.get(entry, "-")] if size == sizes[0] else [])])
        head = ["Backend", *names, *(["Mean rank"] if size == sizes[0] else [])]
        notes = [RESEARCH, *(ranks.get("limits", []) if size == sizes[0] else []), ranks["reason"]]
        yield from table_pages(
            f"{metrics['title']}: AUROC, training frames: {size}", head, rows, [note for note in notes if note]
        )
    if not ranks["reason"]:
        yield titled(rank_figure(metrics), "Mean ranks over data sets; bars join what Nemenyi's test cannot tell apart")
        rows = [
            [f"{p['first']} - {p['second']}", words(p["value"], "ratio"), f"{p['p']:.3g}", f"{p['p_holm']:.3g}"]
            for p in ranks["pairs"]
        ]
        yield from table_pages("Wilcoxon's test over data sets", ["Backends", "Mean difference", "p", "p, Holm"], rows)
    if len(sizes) > 1:
        yield titled(size_curves(metrics), "AUROC by training frames; bands: intervals over frames, dashes: seeds")
    missing = [[gap["dataset"], gap["shots"], gap["name"], gap["reason"]] for gap in metrics["missing"]]
    yield from table_pages("What could not be made", ["Data set", "Training frames", "Backend", "Reason"], missing)
    yield from text_pages("How to repeat it", metrics["commands"])


def _in_words(cell: Mapping[str, Any] | None) -> str:
    if cell is None:
        return "-"
    bounds: Any = cell
    return f"{words(cell['value'], 'ratio')}\n{between(bounds, 'ratio')}"
