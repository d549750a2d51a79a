"""`medgen evaluate`: a finished run on labelled frames of another data set, on one page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..answer import answer
from ..options import PATH, device_option, parquet_option, runtime_option, split_option
from ..progress import Display
from ..tables import external_lines, metrics_table


@click.command()
@click.argument("run", type=PATH)
@click.argument("data", type=PATH)
@click.option("--out", type=PATH, help="Folder of the page.  [default: reports/runs/RUN-on-DATA]")
@click.option("--by", multiple=True, metavar="COLUMN", help="Measure by this column of the manifest (centre, ...). Repeatable.")
@click.option("--assume", type=click.Choice(["normal"]), help="Label of raw frames that have none.")
@split_option
@device_option
@runtime_option
@parquet_option
def evaluate(run: Path, data: Path, **chosen: Any) -> None:
    """Measure RUN on the labelled frames of DATA, which are not those of its own data set: does it hold elsewhere?

    DATA is a folder of raw frames, a manifest.csv, a prepared data set, or one at native size. The page says whether the promised
    false-alarm rate holds, how the frames differ from the run's own test frames, and what shortcuts they have. Nothing is written
    into RUN.
    """
    from medgen import api
    from medgen.files import read_json

    chosen["assume"] = chosen["assume"] or ""
    with Display() as display:
        page = api.evaluate(run, data, on_progress=display, **chosen)
    metrics = page.with_name("metrics.json")
    answer(metrics_table(metrics), metrics=read_json(metrics))
    answer(external_lines(metrics))
    answer(f"report: {page}", report=page)
