"""Short plain-text tables of results."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from medgen.data.prepared import Prepared
    from medgen.data.preparing.inspect import Inspection

DETECTION = {
    "auroc": "AUROC",
    "average_precision": "average precision",
    "sensitivity_at_90_specificity": "sensitivity at 90 % specificity",
    "sensitivity_at_95_specificity": "sensitivity at 95 % specificity",
}
PIXEL = {"auroc": "pixel AUROC", "aupro_0.3": "AUPRO at 0.3"}
QUALITY = {"psnr": "PSNR (dB)", "ssim": "SSIM", "psnr_valid": "PSNR (dB), valid pixels", "ssim_valid": "SSIM, valid pixels"}


def align(rows: list[tuple[str, ...]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)


def metrics_table(path: Path) -> str:
    """Return the main numbers of a ``metrics.json``, of one run or of several."""
    metrics = json.loads(path.read_text(encoding="utf-8"))
    runs = {"": metrics} if "detection" in metrics else metrics
    return "\n\n".join(f"{name}\n{_metrics(values)}".strip() for name, values in runs.items())


def _metrics(metrics: dict[str, Any]) -> str:
    rows: list[tuple[str, ...]] = [("measure", "value", "95 % interval")]
    for name, title in DETECTION.items():
        if interval := metrics["detection"].get(name):
            rows.append((title, number(interval["value"]), f"{number(interval['low'])} to {number(interval['high'])}"))
    rows += [(title, number(metrics["pixel"][name]), "") for name, title in PIXEL.items() if name in metrics["pixel"]]
    for label, quality in metrics["quality"].items():
        for name, title in QUALITY.items():
            if (found := quality.get(name)) and found["n"]:
                rows.append((f"{title}, {label}s", f"{number(found['mean'])} +- {number(found['std'])}", ""))
    return align(rows)


def number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def score_table(table: pd.DataFrame, most: int = 10) -> str:
    """Return the most anomalous frames."""
    shown = [name for name in ("path", "label", "score", "quantile", "abnormal") if name in table]
    top = table.sort_values("score", ascending=False).head(most)[shown]
    head = f"the {len(top)} most anomalous of {len(table)} frames"
    if "abnormal" in table:
        head += f"; {int(table['abnormal'].sum())} are above the threshold"
    return f"{head}\n{top.to_string(index=False)}"


def ranking_table(folder: Path) -> str:
    """Return how many frames of a ranking are flagged, and what its threshold promises."""
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    flagged, threshold = metrics["flagged"], metrics["threshold"]
    if not flagged:
        return f"{metrics['frames']['unlabelled']} frames ranked; none is flagged, as there is no threshold"
    promise = f"of normal frames like the {threshold['normals']} normal validation frames at most"
    return (
        f"{flagged['count']} of {flagged['of']} frames are flagged; {promise} {100 * threshold['false_alarm_rate']:g} % would be"
    )


def prepared_table(data: Prepared) -> str:
    """Return how many frames of each finding went to each split."""
    originals = data.index[data.index["copy"] == 0]
    counts = originals.assign(finding=originals["finding"].replace("", "-"), label=originals["label"].replace("", "unlabelled"))
    table = counts.groupby(["finding", "label", "split"]).size().unstack(fill_value=0)
    lines = [table.reset_index().to_string(index=False)]
    if copies := len(data.index) - len(originals):
        lines.append(f"{copies} augmented copies of training frames")
    if rejected := len(data.rejected()):
        lines.append(f"{rejected} files could not be read; see {data.folder / 'rejected.csv'}")
    if leaks := len(data.leaks()):
        lines.append(f"warning: {leaks} pairs of near-duplicates stand in different splits; see {data.folder / 'leaks.csv'}")
    if not len(data.rows("train")):
        lines.append("warning: no normal training frames; if the unlabelled frames are all normal, prepare with --assume normal")
    return "\n".join([*lines, f"data set: {data.folder}"])


def inspection_tables(found: Inspection) -> str:
    """Return what an inspection found."""
    common = found.sizes.groupby("finding").head(5)  # the most frequent sizes of a finding come first
    parts = [f"layout: {found.layout}", found.classes.to_string(index=False), common.to_string(index=False)]
    if more := len(found.sizes) - len(common):
        parts.append(f"and {more} rarer sizes; --out writes them all")
    if len(found.rejected):
        parts.append(f"{len(found.rejected)} files could not be read:\n{found.rejected.head(10).to_string(index=False)}")
    exact = int((found.duplicates["kind"] == "exact").sum())
    across = int(found.duplicates["across_splits"].sum())
    parts.append(f"{exact} exact and {len(found.duplicates) - exact} near duplicates, {across} across splits")
    parts += [f"warning: {warning}" for warning in found.warnings]
    return "\n\n".join(parts)


def distance_table(found: Mapping[str, Any]) -> str:
    """Return what `fid` measured."""
    name = found["extractor"]
    frechet = ("FID", found["fid"]) if "fid" in found else (f"FD ({name})", found["fd"])
    rows: list[tuple[str, ...]] = [("measure", "value"), (frechet[0], number(frechet[1]))]
    rows.append(("KID x 1000", f"{number(1000 * found['kid'])} +- {number(1000 * found['kid_std'])}"))
    rows += [(measure, number(found[measure])) for measure in ("precision", "recall", "density", "coverage")]
    sizes = f"{found['n_generated']:,} generated against {found['n_real']:,} real frames of split {found['split']}, by {name}"
    return "\n".join([align(rows), sizes, *([f"warning: {found['warning']}"] if found["warning"] else [])])
