"""`medgen audit`: from a data set to a table of how well trivial traits alone separate its labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..answer import answer
from ..options import PATH, device_option, parquet_option
from ..progress import Display
from ..tables import align, number

if TYPE_CHECKING:
    from medgen.engine.device import Device

LIMIT = 10  # near-duplicates printed; --out writes all


@click.command()
@click.argument("dataset", type=PATH)
@click.option("--out", type=PATH, help="Folder for audit.csv, traits.csv, duplicates.csv and audit.json.  [default: none]")
@click.option("--run", "runs", multiple=True, metavar="RUN", type=PATH, help="Look at this model without the traits. Repeatable.")
@device_option
@parquet_option
def audit(dataset: Path, runs: tuple[Path, ...], out: Path | None, device: Device) -> None:
    """Say how well brightness, size, black boxes and the like alone tell normal from abnormal test frames of DATASET.

    DATASET is a prepared data set, or one at native size (folder:DIR, medmnist:FILE.npz, ...). Near-duplicates across its splits
    are listed. With --run, the AUROC of a model is compared with what it is among frames that are alike in the strongest traits.
    """
    from medgen import api

    with Display() as display:
        result = api.audit(dataset, runs, out, device=device, on_progress=display)
    answer("\n\n".join(audit_tables(result)), **result)
    if out is not None:
        answer(f"\ntables: {out}", tables=out)


def audit_tables(result: Mapping[str, Any]) -> Iterator[str]:
    """Yield the result of an audit as paragraphs: traits, models, warnings, duplicates."""
    frames = result["frames"]
    if result["reason"]:
        yield f"{result['reason']}; looked at: {', '.join(entry['title'] for entry in result['traits'])}"
    else:
        rows: list[tuple[str, ...]] = [("trait alone", "AUROC", "95 % interval", "more of it in", "frames")]
        for entry in (*result["traits"], result["baseline"]):
            rows.append((entry["title"], *_auroc(entry["auroc"]), entry["more"] or "-", str(entry["normal"] + entry["abnormal"])))
        yield f"{frames['normal']} normal and {frames['abnormal']} abnormal test frames\n{align(rows)}"
    for name, model in result["models"].items():
        yield _model(name, model)
    if lines := [*result["too_easy"], *result["warnings"]]:
        yield "\n".join(f"warning: {line}" for line in lines)
    if unscored := result.get("unscored"):
        yield f"left out: {unscored} test {'frame shows' if unscored == 1 else 'frames show'} too few valid pixels to be scored"
    if result["left_out"]:
        yield result["left_out"]
    yield _duplicates(result)


def _model(name: str, model: Mapping[str, Any]) -> str:
    rows: list[tuple[str, ...]] = [("AUROC", "value", "95 % interval", "rests on"), ("all frames", *_auroc(model["auroc"]), "")]
    if unique := model["without_duplicates"]:
        counts = f"{unique['normal']} normal, {unique['abnormal']} abnormal"
        rows.append(("without near-duplicates", *_auroc(unique["auroc"]), counts))
    for entry in model["strata"]:
        pairs = f"{100 * entry['pairs']:.0f} % of the pairs"
        rows.append((f"within strata of {entry['title']}", *_auroc(entry["auroc"]), pairs))
        if matched := entry["matched"]:
            counts = f"{matched['normal']} normal, {matched['abnormal']} abnormal"
            rows.append((f"  frames {matched['where']}", *_auroc(matched["auroc"]), counts))
    return f"{name}\n{align(rows)}"


def _duplicates(result: Mapping[str, Any]) -> str:
    if not result["looked"]:
        return "near-duplicates were not looked for in frames at native size"
    pairs = result["duplicates"]
    lines = [f"{len(pairs)} {'pair' if len(pairs) == 1 else 'pairs'} of duplicates or near-duplicates across splits"]
    lines += [
        f"  {pair['kind']}: {pair['path']} ({pair['split']}), {pair['other']} ({pair['other_split']})" for pair in pairs[:LIMIT]
    ]
    return "\n".join([*lines, *([f"  and {len(pairs) - LIMIT} more; --out writes all"] if len(pairs) > LIMIT else [])])


def _auroc(interval: Mapping[str, float | None]) -> tuple[str, str]:
    return number(interval["value"]), f"{number(interval['low'])} to {number(interval['high'])}"
