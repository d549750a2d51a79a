"""The command that looks for shortcuts in a data set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from .group import PATH, main
from .options import device_option
from .progress import Display
from .tables import align, number

MOST = 10  # near-duplicates printed; --out writes all


@main.command()
@click.argument("dataset", type=PATH)
@click.option("--out", type=PATH, help="Folder for audit.csv, traits.csv, duplicates.csv and audit.json.  [default: none]")
@click.option("--run", "runs", multiple=True, metavar="RUN", type=PATH, help="Look at this model without the traits. Repeatable.")
@device_option
def audit(dataset: Path, runs: tuple[Path, ...], out: Path | None, device: Any) -> None:
    """Say how well brightness, size, black boxes and the like alone tell normal from abnormal test frames of DATASET.

    DATASET is a prepared data set, or one at native size (folder:DIR, medmnist:FILE.npz, ...). Near-duplicates across its splits
    are listed. With --run, the AUROC of a model is compared with what it is among frames that are alike in the strongest traits.
    """
    from medgen import api

    with Display() as display:
        found = api.audit(dataset, runs, out, device=device, on_progress=display)
    click.echo("\n\n".join(audit_tables(found)))
    if out is not None:
        click.echo(f"\ntables: {out}")


def audit_tables(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield what an audit found, part by part."""
    frames = found["frames"]
    if found["reason"]:
        yield f"{found['reason']}; looked at: {', '.join(entry['title'] for entry in found['traits'])}"
    else:
        rows: list[tuple[str, ...]] = [("trait alone", "AUROC", "95 % interval", "more of it in", "frames")]
        for entry in (*found["traits"], found["baseline"]):
            rows.append((entry["title"], *_area(entry["auroc"]), entry["more"] or "-", str(entry["normal"] + entry["abnormal"])))
        yield f"{frames['normal']} normal and {frames['abnormal']} abnormal test frames\n{align(rows)}"
    for name, model in found["models"].items():
        yield _model(name, model)
    if lines := [*found["too_easy"], *found["warnings"]]:
        yield "\n".join(f"warning: {line}" for line in lines)
    if found["left_out"]:
        yield found["left_out"]
    yield _duplicates(found)


def _model(name: str, model: Mapping[str, Any]) -> str:
    rows: list[tuple[str, ...]] = [("AUROC", "value", "95 % interval", "rests on"), ("all frames", *_area(model["auroc"]), "")]
    if kept := model["without_duplicates"]:
        rows.append(("without near-duplicates", *_area(kept["auroc"]), f"{kept['normal']} normal, {kept['abnormal']} abnormal"))
    for entry in model["strata"]:
        pairs = f"{100 * entry['pairs']:.0f} % of the pairs"
        rows.append((f"within strata of {entry['title']}", *_area(entry["auroc"]), pairs))
        if matched := entry["matched"]:
            counts = f"{matched['normal']} normal, {matched['abnormal']} abnormal"
            rows.append((f"  frames {matched['where']}", *_area(matched["auroc"]), counts))
    return f"{name}\n{align(rows)}"


def _duplicates(found: Mapping[str, Any]) -> str:
    if not found["looked"]:
        return "near-duplicates were not looked for in frames at native size"
    pairs = found["duplicates"]
    lines = [f"{len(pairs)} {'pair' if len(pairs) == 1 else 'pairs'} of duplicates or near-duplicates across splits"]
    lines += [
        f"  {pair['kind']}: {pair['path']} ({pair['split']}), {pair['other']} ({pair['other_split']})" for pair in pairs[:MOST]
    ]
    return "\n".join([*lines, *([f"  and {len(pairs) - MOST} more; --out writes all"] if len(pairs) > MOST else [])])


def _area(interval: Mapping[str, float | None]) -> tuple[str, str]:
    return number(interval["value"]), f"{number(interval['low'])} to {number(interval['high'])}"
