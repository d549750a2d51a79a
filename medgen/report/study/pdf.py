"""A comparison on paper: ``report.pdf``, made of the numbers in its metrics alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from matplotlib.figure import Figure

from medgen.report.study.comparison_metrics import ComparisonMetrics, EntryMetrics
from medgen.report.study.pdf_sheets import RESEARCH, as_pdf, table_pages, text_pages, titled
from medgen.report.study.plots import costs, curves, distributions, ranks, shares
from medgen.report.study.tables import between, filled, is_best, words

SIZES = "size of the finding"


def comparison_pdf(metrics: ComparisonMetrics) -> bytes:
    """Return the PDF: summary and verdicts, curves, distributions, findings, ranks, cost, pairs, thresholds, how to repeat it.

    `metrics` are as `medgen.report.study.summary.study_metrics` returns them. Equal metrics give equal bytes.
    """
    return as_pdf(metrics["title"], _pages(metrics))


def _pages(metrics: ComparisonMetrics) -> Iterator[Figure]:
    entries = metrics["entries"]
    yield from _summary(metrics)
    yield titled(curves(metrics), "ROC and precision-recall curves with pointwise bands")
    for start in range(0, len(entries), 9):
        yield titled(distributions(entries[start : start + 9]), "Scores of the first run of each backend; dash-dotted: threshold")
    for figure, title in (
        (shares(entries, SIZES), "What is flagged at the threshold (of normal findings: false alarms)"),
        (ranks(metrics), "Mean ranks; bars join backends that the Holm-corrected paired test cannot tell apart"),
        (costs(entries), "Quality against cost"),
    ):
        if figure is not None:
            yield titled(figure, title)
    yield from table_pages("Paired differences, by bootstrap over groups, Holm-corrected within each measure", *_pairs(metrics))
    yield from table_pages("Thresholds, from normal validation frames alone", *_thresholds(entries))
    failed = [[failure["name"], failure["reason"]] for failure in metrics["failures"]]
    yield from table_pages("What could not be made", ["Backend", "Reason"], failed)
    yield from text_pages("How to repeat it", [*metrics["commands"], "", *_versions(entries)])


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
    yield from table_pages(metrics["title"], ["Backend", *(column["title"] for column in columns)], rows, notes)


def _verdict(metrics: ComparisonMetrics, key: str) -> str:
    verdict = metrics["verdicts"][key]
    title = next(column["title"] for column in metrics["measures"] if column["key"] == key)
    if verdict["best"]:
        return f"{title}: {verdict['best']} is better than every other one."
    if verdict["leader"] is None or not verdict["alike"]:
        return ""
    return f"{title}: {verdict['leader']} has the highest value, but {', '.join(verdict['alike'])} cannot be told apart from it."


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
