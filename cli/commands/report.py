"""`medgen report`: from runs to a page of their results on test frames, or from new frames to a page that ranks them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..answer import answer
from ..options import PATH, device_option, parquet_option, refuse_unused, runtime_option
from ..progress import Display
from ..tables import metrics_table, ranking_table


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", type=PATH)
@click.option("--out", type=PATH, help="Folder of the page.  [default: reports/runs/NAME]")
@click.option("--data", "dataset", type=PATH, help="The prepared data set, where it has moved since the training.")
@click.option(
    "--split",
    type=click.Choice(["train", "val", "test"]),
    default="test",
    show_default=True,
    help="Of sets without test frames: val.",
)
@click.option("--by", multiple=True, metavar="COLUMN", help="Measure by this column of the source's manifest, too. Repeatable.")
@click.option(
    "--input", "input_path", metavar="FOLDER", type=PATH, help="Rank new frames instead, which need no label; of one RUN."
)
@click.option("--top", type=click.IntRange(1, 10_000), default=24, show_default=True, help="Frames shown with --input.")
@device_option
@runtime_option
@parquet_option
def report(runs: tuple[Path, ...], out: Path | None, input_path: Path | None, top: int, **chosen: Any) -> None:
    """Score the test frames of each RUN and write one self-contained page with metrics.json and scores.csv beside it.

    With --input, raw frames or a data set are ranked by how anomalous they are to RUN: a page with the highest, p-values, the
    frames flagged at the threshold and what it promises, and ranks.csv with all of them.
    """
    from medgen import api
    from medgen.files import read_json

    if input_path is not None:
        _rank(runs, input_path, out, top, device=chosen["device"], runtime=chosen["runtime"])
        return
    refuse_unused(("top",), "is of a ranking, by --input")
    with Display() as display:
        page = api.report(runs, out, on_progress=display, **chosen)
    metrics = page.with_name("metrics.json")
    answer(metrics_table(metrics), metrics=read_json(metrics))
    answer(f"report: {page}", report=page)


def _rank(runs: tuple[Path, ...], input_path: Path, out: Path | None, top: int, **how: Any) -> None:
    from medgen import api
    from medgen.files import read_json

    if len(runs) != 1:
        raise click.UsageError(f"--input ranks frames by one RUN, got {len(runs)}")
    refuse_unused(("dataset", "split", "by"), "is for test frames with labels, and --input ranks frames without")
    with Display() as display:
        page = api.rank(runs[0], input_path, out, top=top, on_progress=display, **how)
    answer(ranking_table(page.parent), metrics=read_json(page.with_name("metrics.json")))
    answer(f"report: {page}\nranking: {page.parent / 'ranks.csv'}", report=page, ranking=page.with_name("ranks.csv"))
