"""`medgen translate`: from a run and frames to the same frames in the other domain."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..answer import answer
from ..options import PATH, device_option, split_option
from ..progress import Display

if TYPE_CHECKING:
    from medgen.verbs.translate import Fit


@click.command()
@click.argument("run", type=PATH)
@click.argument("source", metavar="INPUT", type=PATH)
@click.option("--out", type=PATH, required=True, help="Folder for the pictures.")
@click.option(
    "--direction",
    type=click.Choice(["AtoB", "BtoA"]),
    default="AtoB",
    show_default=True,
    help="A is the domain of the training frames (the inputs, the normal ones), B the second one.",
)
@click.option(
    "--fit",
    type=click.Choice(["resize", "tile"]),
    default="resize",
    show_default=True,
    help="Of raw frames: bring each to the model's size and back, or cut it into squares that overlap.",
)
@split_option
@device_option
def translate(run: Path, source: Path, out: Path, fit: Fit, **chosen: Any) -> None:
    """Carry each frame of INPUT (raw frames or a data set) into the other domain with RUN.

    Raw frames keep name and size, and all of them is translated: the border around the field of view and what is burned in, too.
    """
    from medgen import api

    with Display() as display:
        count = api.translate(run, source, out, fit=fit, on_progress=display, **chosen)
    answer(f"{count} translations: {out} (raw frames by {fit})", frames=count, translations=out, fit=fit)
