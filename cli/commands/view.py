"""`medgen view`: a page in the browser on which a reader looks at frames and at what runs make of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..answer import answer, print_object
from ..options import PATH, device_option, split_option


@click.command()
@click.argument("paths", metavar="RUN... [FRAMES]", nargs=-1, required=True, type=PATH)
@click.option(
    "--marks", type=PATH, default="marks.csv", show_default=True, help="CSV file of the marks, read again where it is there."
)
@click.option("--reader", default="", help="Name that marks carry.  [default: asked for on the page]")
@click.option("--labels", is_flag=True, help="Show labels and file names of frames whose source has labels.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Of this machine.  [default: a free one]")
@click.option("--browser/--no-browser", default=True, show_default=True, help="Open the page in the browser.")
@click.option("--idle", type=click.FloatRange(0), help="Stop so many minutes after the page was closed.  [default: never]")
@device_option
@split_option
@click.pass_context
def view(context: click.Context, /, paths: tuple[Path, ...], port: int, browser: bool, idle: float | None, **chosen: Any) -> None:
    """Open a page on which FRAMES (a folder, file, video or data set) are seen as RUNs see them. Research use only.

    Frames can be dropped on the page, too. It runs until Ctrl-C, for this machine alone.
    """
    from medgen import api
    from medgen.runs.run import RUN

    with_frames = len(paths) > 1 and not (paths[-1] / RUN).is_file()
    runs, frames = (paths[:-1], paths[-1]) if with_frames else (paths, None)
    page = api.view(runs, frames, port=port, idle=idle, **chosen)
    answer(f"page: {page.address}\nmarks: {chosen['marks']}; stop with Ctrl-C", page=page.address, marks=chosen["marks"])
    print_object(context)  # now, as the page stays open
    page.run(browser)
