"""Plain-text tables that commands print: results of `medgen.api`, or the files that it wrote, come in; text goes out."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medgen.errors import number_of

from .values import files_read, prepared_counts, video_values

if TYPE_CHECKING:
    import pandas as pd

    from medgen.data.prepared import Prepared
    from medgen.data.preparing.inspect import Inspection
    from medgen.report.run_metrics import RunMetrics

WITHOUT_NORMAL = "put frames without a finding into a folder that is called normal, beside the others"


def align(rows: list[tuple[str, ...]]) -> str:
    """Return rows of cells as text, columns aligned at the left."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)


def metrics_table(path: Path) -> str:
    """Return the main numbers of a ``metrics.json``, of one run or of several."""
    metrics = json.loads(path.read_text(encoding="utf-8"))
    runs = {"": metrics} if "detection" in metrics else metrics
    return "\n\n".join(f"{name}\n{_metrics(values)}".strip() for name, values in runs.items())


def _metrics(metrics: RunMetrics) -> str:
    """Return a table of all measures of a run, one a row."""
    from medgen.report.measures import measured_values

    rows: list[tuple[str, ...]] = [("measure", "value", "95 % interval")]
    for entry in measured_values(metrics):
        title = entry.measure.title + (f", {entry.of}" if entry.of else "") + (" (dB)" if entry.measure.unit == "dB" else "")
        deviation = f" +- {number(entry.std)}" if entry.std is not None else ""
        interval = f"{number(entry.low)} to {number(entry.high)}" if entry.low is not None or entry.high is not None else ""
        rows.append((title, number(entry.value) + deviation, interval))
    rows += _grouped(metrics)
    by_label = metrics.get("unscored") or {}
    unscored = by_label.get("normal", 0) + by_label.get("abnormal", 0) + by_label.get("unlabelled", 0)
    lines = [align(rows)]
    lines += [f"{unscored} test frames without a score, for a person to look at"] if unscored else []
    lines += [f"warning: {text}" for text in [(metrics.get("localisation") or {}).get("warning")] if text]
    return "\n".join(lines)


def external_lines(path: Path) -> str:
    """Return what a ``metrics.json`` of `medgen evaluate` says of the promise, each group that was asked for, and shift."""
    metrics = json.loads(path.read_text(encoding="utf-8"))
    external = metrics["external"]
    lines = [external["verdict"], external["own"]]
    lines += [f"warning: {sentence}" for sentence in external["warnings"] if sentence != external["verdict"]]
    for kind, groups in metrics["groups"].items():
        rows: list[tuple[str, ...]] = [(kind, "normal", "abnormal", "AUROC", "false alarms", "within the promise")]
        for group in groups:
            alarms, within = group.get("flagged_normal", {}), group.get("within")
            held = "-" if within is None else "yes" if within else "NO"
            values = (number(group["auroc"].get("value")), number(alarms.get("value")), held)
            rows.append((group["name"], str(group["normal"]), str(group["abnormal"]), *values))
        lines += [f"\n{align(rows)}\n"] if groups else []
    if reason := external["seen"]["reason"]:
        lines.append(f"near-duplicates in the training were not looked for: {reason}")
    return "\n".join(lines)


def _grouped(metrics: RunMetrics) -> list[tuple[str, ...]]:
    """Return rows on patients, videos and volumes, and on findings one by one."""
    found = [
        (f"AUROC by {kind}, {way['title']}", way["auroc"])
        for kind, groups in (metrics.get("group_scores") or {}).items()
        for way in groups["ways"]
    ]
    at = {row["false_marks"]: row["sensitivity"] for row in (metrics.get("lesions") or {}).get("froc", [])}
    found += [(f"Findings hit at {rate:g} false marks per frame", at[rate]) for rate in (0.5, 1.0) if rate in at]
    intervals = ((title, entry, entry.get("low") is not None) for title, entry in found if entry["value"] is not None)
    return [
        (title, number(entry["value"]), f"{number(entry['low'])} to {number(entry['high'])}" if known else "")
        for title, entry, known in intervals
    ]


def number(value: float | None) -> str:
    """Return a number with three decimals, "-" for None."""
    return "-" if value is None else f"{value:.3f}"


def score_table(table: pd.DataFrame, most: int = 10) -> str:
    """Return the most anomalous frames of a table of scores, at most `most`."""
    columns = [name for name in ("path", "label", "score", "quantile", "abnormal") if name in table]
    scored = table[table["status"] == "scored"]
    top = scored.sort_values("score", ascending=False).head(most)[columns]
    head = f"the {len(top)} most anomalous of {number_of(len(scored), 'scored frame', 'scored frames')}"
    if "abnormal" in table:
        head += f"; {number_of(int(scored['abnormal'].sum()), 'is', 'are')} above the threshold"
    if unscored := len(table) - len(scored):
        head += f"; {unscored} without a score, for a person to look at"
    return f"{head}\n{top.to_string(index=False)}" if len(top) else head


def timeline_lines(path: Path, most: int = 20) -> str:
    """Return for each video, of `most` at the most, how many frames are above the threshold and when its frames stand out."""
    from medgen.report.timeline import clock

    lines = []
    for video in video_values(path):
        above = f", {video['above']} above the threshold" if video["above"] is not None else ""
        times = ", ".join(clock(second) for second in video["stand_out_at"])
        seen = number_of(video["frames"], "frame", "frames")
        lines.append(f"{video['video']}: {seen}{above}" + (f"; standing out at {times}" if times else ""))
    if len(lines) > most:
        lines[most:] = [f"and {number_of(len(lines) - most, 'more video', 'more videos')}"]
    return "\n".join([*lines, f"score against time: {path} and {path.parent / 'timelines'}"])


def parity_lines(parity: Mapping[str, Any]) -> str:
    """Return how far an exported graph is from its run: score and map, AUROC, and decisions."""
    shares, auroc, differ = parity["share_of_largest_value"], parity["auroc"], parity["decisions_that_differ"]
    lines = [
        f"{name}: differs by {parity['largest_difference'][name]:.1e} at most, {shares[name]:.1e} of the largest value"
        for name in ("score", "map")
        if name in shares
    ]
    lines[0] += f" ({parity['tolerance']:g} is allowed), on {number_of(parity['frames'], 'frame', 'frames')}"
    if auroc["run"] is not None:
        lines.append(f"AUROC: {number(auroc['run'])} by the run, {number(auroc['graph'])} by the graph")
    return "\n".join([*lines, *([] if differ is None else [f"decisions that differ: {differ}"])])


def ranking_table(folder: Path) -> str:
    """Return a sentence on how many frames of a ranking are flagged, and the false-alarm rate that its threshold guarantees."""
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    flagged, threshold, unscored = metrics["flagged"], metrics["threshold"], metrics["unscored"]["unlabelled"]
    review = f"; {unscored} without a score, for a person to look at" if unscored else ""
    if not flagged:
        ranked = number_of(metrics["frames"]["unlabelled"], "frame", "frames")
        return f"{ranked} ranked; none is flagged, as there is no threshold{review}"
    from medgen.report.guarantee import guarantee

    return f"{flagged['count']} of {flagged['of']} frames are flagged{review}. {guarantee(threshold)}"


def prepared_table(data: Prepared) -> str:
    """Return a table of the frames of each finding in each split, then warnings and the folder."""
    from medgen.data.preparing.groups import findings_of_few_groups
    from medgen.data.scorable import left_out, scorable

    originals = data.index[data.index["copy"] == 0]
    lines = [prepared_counts(data).to_string(index=False)]
    if copies := len(data.index) - len(originals):
        lines.append(f"{copies} augmented copies of training frames")
    if leaks := len(data.leaks()):
        lines.append(f"warning: {leaks} near-duplicates stand in different splits; see {data.folder / 'leaks.csv'}")
    if divided := data.divided_groups()["reason"].value_counts().to_dict():
        kinds = ", ".join(f"{kind} {count}" for kind, count in divided.items())
        lines.append(f"warning: the source's splits divide what belongs together ({kinds}); see {data.folder / 'leaks.csv'}")
    all_test = data.settings.all_test  # nothing is ever trained on it, so that nothing lacks for a training
    lines += [f"warning: {sentence}" for sentence in findings_of_few_groups(originals) if not all_test]
    if blank := len(originals) - len(scorable(data, data.rows())):
        which = left_out(blank, len(originals), "frames")
        lines.append(f"warning: {which}: no score, no part in a training; index.csv keeps them")
    lines += [*data.shown, *(f"warning: {warning}" for warning in data.warnings)]
    if all_test:
        lines.append("every frame is a test frame: `medgen evaluate RUN` measures a finished run on them, none can be trained")
    elif not len(data.rows("train")):
        unlabelled = (originals["label"] == "").any()
        remedy = "if the unlabelled frames are all normal, prepare with --assume normal" if unlabelled else WITHOUT_NORMAL
        lines.append(f"warning: no normal training frames; {remedy}")
    elif not len(data.rows("val")):
        lines.append(
            "warning: no validation frames, so that no threshold can be found; more patients or videos are needed, "
            "or a detector that `scoring.calibration` calibrates without them (docs/scores.md)"
        )
    lines.append(_read_and_left(files_read(data), data.rejected(), data.ignored()))
    passed_over = data.passed_over()["kind"].value_counts()
    if len(passed_over):
        blurred, alike = passed_over.get("blurred", 0), passed_over.get("alike", 0)
        lines.append(f"frames of videos left out: {blurred} blurred, {alike} like the one before")
    if len(data.rejected()) or len(passed_over):
        lines.append(f"rejected.csv says why: {data.folder / 'rejected.csv'}")
    return "\n".join([*lines, f"data set: {data.folder}"])


def _read_and_left(read: int, rejected: pd.DataFrame, ignored: pd.DataFrame) -> str:
    """Return how many files were read, rejected and ignored."""
    counts = Counter(Path(file).suffix.lower() or "no suffix" for file in ignored["file"])
    listed = ", ".join(f"{suffix} {count}" for suffix, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])))
    return f"files: {read} read, {len(rejected)} rejected, {len(ignored)} ignored{f' ({listed})' if listed else ''}"


def inspection_tables(inspection: Inspection) -> str:
    """Return classes, sizes, unreadable files, duplicates and warnings of an inspection."""
    from medgen.data.preparing.groups import KINDS

    common = inspection.sizes.groupby("finding").head(5)  # the most frequent sizes of a finding come first
    read = f"layout: {inspection.layout}\nintensity: {inspection.intensity}"
    parts = [read, *(table.to_string(index=False) for table in (inspection.classes, common) if len(table))]
    if more := len(inspection.sizes) - len(common):
        parts.append(f"and {more} rarer sizes; --out writes them all")
    grouped = inspection.groups.assign(kind=inspection.groups["kind"].map(KINDS)).rename(columns={"kind": "grouped by"})
    parts += [grouped.to_string(index=False)] if len(grouped) else []
    parts += [f"{how}: {number_of(count, 'file', 'files')}" for how, count in inspection.understood.items()]
    rejected, ignored = (
        inspection.rejected[inspection.rejected["kind"] == kind][["file", "reason"]] for kind in ("rejected", "ignored")
    )
    if len(rejected):
        parts.append(
            f"{number_of(len(rejected), 'file', 'files')} could not be read:\n{rejected.head(10).to_string(index=False)}"
        )
    exact = int((inspection.duplicates["kind"] == "exact").sum())
    across = int(inspection.duplicates["across_splits"].sum())
    parts.append(f"{exact} exact and {len(inspection.duplicates) - exact} near duplicates, {across} across splits")
    parts += [f"warning: {warning}" for warning in inspection.warnings]
    parts.append(_read_and_left(inspection.read, rejected, ignored))
    return "\n\n".join(parts)


def distance_table(distance: Mapping[str, Any]) -> str:
    """Return a table of the distances that `fid` measured, and of how many frames."""
    from medgen.report.measures import measures_of

    name = distance["extractor"]
    rows: list[tuple[str, ...]] = [("measure", "value")]
    for measure in measures_of("distribution"):
        if measure.key == "kid":
            rows.append((f"{measure.title} x 1000", f"{number(1000 * distance['kid'])} +- {number(1000 * distance['kid_std'])}"))
        elif measure.key in distance:
            rows.append((measure.title + (f" ({name})" if measure.key == "fd" else ""), number(distance[measure.key])))
    sizes = f"{distance['n_generated']:,} generated against {distance['n_real']:,} real frames"
    sizes += f" of split {distance['split']}, by {name}"
    return "\n".join([align(rows), sizes, *([f"warning: {distance['warning']}"] if distance["warning"] else [])])
