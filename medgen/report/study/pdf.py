"""A comparison on paper: ``report.pdf``, made of the numbers in its metrics alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from io import BytesIO
from textwrap import wrap

import matplotlib
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from medgen.report.plot_style import INK, MUTED, RULE, STYLE, plot_text
from medgen.report.study.comparison_metrics import ComparisonMetrics, EntryMetrics
from medgen.report.study.plots import costs, curves, distributions, ranks, shares
from medgen.report.study.tables import between, filled, is_best, words

PAGE = (11.7, 8.3)  # inches, A4 across
LINES = 38  # of a page of text
RESEARCH = "For research only. It must never be used for diagnosis or for the care of a patient."
SIZES = "size of the finding"
Rows = Sequence[Sequence[str]]


def comparison_pdf(metrics: ComparisonMetrics) -> bytes:
    """Return the PDF: summary and verdicts, curves, distributions, findings, ranks, cost, pairs, thresholds, how to repeat it.

    `metrics` are as `medgen.report.study.summary.study_metrics` returns them. Equal metrics give equal bytes.
    """
    stream = BytesIO()
    facts = {
        "Title": plot_text(metrics["title"], 120),
        "Subject": RESEARCH,
        "Creator": None,
        "Producer": None,
        "CreationDate": None,
    }
    with matplotlib.rc_context(STYLE | {"pdf.fonttype": 42}), PdfPages(stream, metadata=facts) as pdf:
        for number, figure in enumerate(_pages(metrics), 1):
            figure.text(0.5, 0.012, f"{RESEARCH}   {number}", ha="center", fontsize=7, color=MUTED)
            pdf.savefig(figure)
    return stream.getvalue()


def _pages(metrics: ComparisonMetrics) -> Iterator[Figure]:
    entries = metrics["entries"]
    yield from _summary(metrics)
    yield _titled(curves(metrics), "ROC and precision-recall curves with pointwise bands")
    for start in range(0, len(entries), 9):
        yield _titled(
            distributions(entries[start : start + 9]), "Scores of the first run of each backend; dash-dotted: threshold"
        )
    for figure, title in (
        (shares(entries, SIZES), "What is flagged at the threshold (of normal findings: false alarms)"),
        (ranks(metrics), "Mean ranks; bars join backends that the Holm-corrected paired test cannot tell apart"),
        (costs(entries), "Quality against cost"),
    ):
        if figure is not None:
            yield _titled(figure, title)
    yield from _tables("Paired differences, by bootstrap over groups, Holm-corrected within each measure", *_pairs(metrics))
    yield from _tables("Thresholds, from normal validation frames alone", *_thresholds(entries))
    failed = [[failure["name"], failure["reason"]] for failure in metrics["failures"]]
    yield from _tables("What could not be made", ["Backend", "Reason"], failed)
    yield from _text("How to repeat it", [*metrics["commands"], "", *_versions(entries)])


def _summary(metrics: ComparisonMetrics) -> Iterator[Figure]:
    columns = filled(metrics)
    rows = []
    for entry in metrics["entries"]:
        cells = [(entry["summary"][column["key"]], column) for column in columns]
        best = [is_best(metrics, entry["name"], column["key"]) for column in columns]
        values = [words(cell["value"], column["unit"]) for cell, column in cells]
        ranges = [f"\n{text}" if (text := between(cell, column["unit"])) else "" for cell, column in cells]
        rows.append([entry["name"], *(f"{'best: ' * mark}{v}{r}" for v, r, mark in zip(values, ranges, best, strict=True))])
    frames, boot = metrics["frames"], metrics["bootstrap"]
    notes = [
        RESEARCH,
        metrics["caution"],
        f"{frames['normal']} normal and {frames['abnormal']} abnormal frames. Means over seeds; below them "
        f"{100 * boot['level']:g} % intervals over frames ({boot['draws']} bootstrap draws by {boot['by']}).",
        f"{frames['unscored']} more without a score: for review, neither found nor missed." if frames["unscored"] else "",
        *(line for key in metrics["verdicts"] if (line := _verdict(metrics, key))),
    ]
    yield from _tables(metrics["title"], ["Backend", *(column["title"] for column in columns)], rows, notes)


def _verdict(metrics: ComparisonMetrics, key: str) -> str:
    verdict = metrics["verdicts"][key]
    title = next(column["title"] for column in metrics["measures"] if column["key"] == key)
    if verdict["best"]:
        return f"{title}: {verdict['best']} is better than every other one."
    if verdict["leader"] is None or not verdict["alike"]:
        return ""
    return f"{title}: {', '.join([verdict['leader'], *verdict['alike']])} cannot be told apart."


def _pairs(metrics: ComparisonMetrics) -> tuple[list[str], list[list[str]]]:
    titles = {column["key"]: column["title"] for column in metrics["measures"]}
    rows = [
        [
            f"{pair['first']} - {pair['second']}",
            titles[pair["measure"]],
            words(pair["value"], "ratio"),
            between(pair, "ratio"),
            words(pair["p_holm"], "ratio"),
            "differ" if pair["differ"] else "may be chance",
        ]
        for pair in metrics["pairs"]
    ]
    return ["Backends", "Measure", "Difference", "Interval", "p, Holm", "Verdict"], rows


def _thresholds(entries: Sequence[EntryMetrics]) -> tuple[list[str], list[list[str]]]:
    rows = []
    for entry in entries:
        for run in entry["runs"]:
            threshold = run["metrics"].get("threshold") or {}
            counts = [threshold.get("flagged_normal") or {}, threshold.get("flagged_abnormal") or {}]
            flagged = [f"{count['count']} of {count['of']}" if count else "-" for count in counts]
            rate = threshold.get("false_alarm_rate")
            facts = [
                words(threshold.get("value"), "rate"),
                "-" if rate is None else f"{100 * rate:g} %",
                str(threshold.get("normals", "-")),
            ]
            rows.append([run["name"], str(run["seed"]), *facts, *flagged])
    return [
        "Run",
        "Seed",
        "Threshold",
        "False alarms promised",
        "Normal frames it rests on",
        "Normal flagged",
        "Abnormal flagged",
    ], rows


def _versions(entries: Sequence[EntryMetrics]) -> list[str]:
    lines = []
    for entry in entries:
        for run in entry["runs"]:
            lines.append(
                f"{run['name']}: " + ", ".join(f"{key} {value}" for key, value in run["provenance"].items() if key != "command")
            )
            if run["provenance"].get("command"):
                lines.append(f"    {run['provenance']['command']}")
    return lines


def _titled(figure: Figure, title: str) -> Figure:
    """Put a figure on the upper part of a page, in the proportions that it was made in."""
    width, height = figure.get_size_inches()
    share = min(0.88, 0.94 * PAGE[0] * height / width / PAGE[1])
    figure.set_size_inches(PAGE)
    figure.text(0.03, 0.945, plot_text(title, 130), fontsize=14, color=INK)
    figure.get_layout_engine().set(rect=(0.02, 0.92 - share, 0.96, share))  # type: ignore[union-attr, call-arg]
    return figure


def _tables(title: str, head: Sequence[str], rows: Rows, notes: Sequence[str] = ()) -> Iterator[Figure]:
    """Lay rows out as a table, on as many pages as it takes; nothing where there is no row."""
    cells = [[_wrapped(cell) for cell in row] for row in [head, *rows]]
    widths = [max(len(line) for row in cells for line in row[column]) + 2 for column in range(len(head))]
    size = min(8.5, 1250 / sum(widths))
    step = size * 1.45 / 72 / PAGE[1]  # of a line, as a share of the page
    figure, y = None, 0.0
    for row in cells[1:]:
        if figure is None or y - step * (max(map(len, row)) + 1) < 0.05:
            if figure is not None:
                yield figure
            figure = Figure(figsize=PAGE)
            figure.text(0.03, 0.945, plot_text(title, 110), fontsize=14, color=INK)
            y = _notes(figure, 0.945, notes)
            y = _row(figure, y - 0.03, cells[0], widths, size, step, MUTED)
            notes = ()
        y = _row(figure, y, row, widths, size, step, INK)
    if figure is not None:
        yield figure


def _notes(figure: Figure, y: float, notes: Sequence[str]) -> float:
    for line in (line for note in notes for line in wrap(plot_text(note, 2000), 165)):
        y -= 0.025
        figure.text(0.03, y, line, fontsize=8.5, color=MUTED)
    return y


def _row(
    figure: Figure, y: float, cells: Sequence[Sequence[str]], widths: Sequence[int], size: float, step: float, colour: str
) -> float:
    """Write one row with a rule below it and return where the next one begins."""
    x = 0.03
    for lines, width in zip(cells, widths, strict=True):
        figure.text(x, y, "\n".join(lines), fontsize=size, color=colour, va="top", linespacing=1.35)
        x += 0.94 * width / max(sum(widths), 120)
    y -= step * (max(map(len, cells)) + 0.35)
    figure.add_artist(Line2D([0.03, 0.97], [y, y], color=RULE, linewidth=0.6))
    return y - 0.35 * step


def _wrapped(text: str) -> list[str]:
    """Return a cell's lines as any font can draw them, none longer than 30 characters."""
    lines = [line for part in text.split("\n") for line in wrap(plot_text(part, 90), 30)]
    return lines or [""]


def _text(title: str, lines: Sequence[str]) -> Iterator[Figure]:
    cut = [part for line in lines for part in (wrap(plot_text(line, 2000), 150, subsequent_indent="    ") or [""])]
    for start in range(0, len(cut), LINES):
        figure = Figure(figsize=PAGE)
        figure.text(0.03, 0.945, title, fontsize=14, color=INK)
        text = "\n".join(cut[start : start + LINES])
        figure.text(0.03, 0.92, text, fontsize=8, color=INK, family="DejaVu Sans Mono", va="top", linespacing=1.4)
        yield figure
