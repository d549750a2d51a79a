"""`medgen reconstruct`: from a run and frames to a picture of each reconstruction."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..answer import answer
from ..options import PATH, input_options, refuse_unused
from ..progress import Display


@click.command()
@click.argument("run", type=PATH)
@click.argument("source", metavar="INPUT", type=PATH)
@click.option("--out", type=PATH, required=True, help="Folder for the pictures, or one picture (PNG) of some frames.")
@click.option("-n", "--n", type=click.IntRange(1, 64), default=8, show_default=True, help="Frames in a row of the one picture.")
@click.option("--made-by", type=PATH, help="Run that makes the other frames of the one picture.  [default: RUN, if it can]")
@input_options
def reconstruct(run: Path, source: Path, out: Path, **chosen: Any) -> None:
    """Write what RUN makes of each frame of INPUT (raw frames or a data set).

    One picture has four rows: frames, their reconstructions, frames that a run made, and theirs.
    """
    from medgen import api
    from medgen.outputs.own_files import is_picture

    if not is_picture(out):
        refuse_unused(("n",), f"is of one picture, and '{out}' is a folder for all frames")
    with Display() as display:
        count = api.reconstruct(run, source, out, on_progress=display, **chosen)
    answer(f"{count} reconstructions: {out}", frames=count, reconstructions=out)
