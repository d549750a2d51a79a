"""`medgen inspect`: from raw frames to tables of their classes, sizes, unreadable files and duplicates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from medgen.errors import number_of

from ..answer import answer
from ..options import PATH, group_names_option, parquet_option, reading_options, refuse_unused
from ..progress import Display


@click.command()
@click.argument("source", type=PATH)
@click.option("--out", type=PATH, help="Folder for the tables as CSV.  [default: none are written]")
@click.option("--figure", type=PATH, help="Picture (PNG): sizes, three frames of each class; of a prepared SOURCE copies, too.")
@click.option("--steps", type=PATH, help="Folder for pictures of how the field of view of single frames is found.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=12, show_default=True, help="Pictures with --steps.")
@click.option("--size", type=click.IntRange(16, 1024), default=96, show_default=True, help="Side of the crop shown with --steps.")
@click.option("--workers", type=click.IntRange(1, 256), help="Processes.  [default: one a core]")
@group_names_option
@reading_options
@parquet_option
def inspect(
    source: Path,
    out: Path | None,
    figure: Path | None,
    steps: Path | None,
    limit: int,
    size: int,
    workers: int | None,
    group_names: bool,
    **values: Any,
) -> None:
    """Print what SOURCE holds: classes, sizes, unreadable files, duplicates."""
    from medgen import api
    from medgen.data.prepared import PrepareSettings, is_prepared, open_prepared
    from medgen.data.preparing.inspect import check_tables

    from ..tables import inspection_tables, prepared_table
    from ..values import inspection_values, prepared_values

    if steps is None:
        refuse_unused(("limit", "size"), "is of the pictures that --steps writes")
    if figure is not None and out is None and steps is None and is_prepared(source):
        data = open_prepared(source)
        answer(prepared_table(data), **prepared_values(data))
        answer(f"figure: {api.data_figure(source, figure)}", figure=figure)
        return
    reading = {key: value for key, value in values.items() if value is not None}
    settings = PrepareSettings.parse({**reading, "size": size}, "inspect")
    for folder in (out, steps):
        if folder is not None:
            check_tables(source, folder)
    if figure is not None:
        from medgen.verbs.figures.data_figure import check_figure

        check_figure(source, figure)
    with Display() as display:
        inspection = api.inspect(source, workers=workers, group_names=group_names, on_progress=display, settings=settings)
        if out is not None:
            inspection.write(out)
        if figure is not None:
            api.data_figure(source, figure, inspection, display)
        pictures = api.crop_steps(source, steps, size, limit, display, inspection.settings) if steps is not None else 0
    answer(inspection_tables(inspection), **inspection_values(inspection))
    if out is not None:
        answer(f"tables: {out}", tables=out)
    if figure is not None:
        answer(f"figure: {figure}", figure=figure)
    if pictures:
        answer(f"{number_of(pictures, 'picture', 'pictures')}: {steps}", pictures=pictures, steps=steps)
