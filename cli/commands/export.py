"""`medgen export`: from a run to a graph that other programs run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..answer import answer
from ..options import PATH, refuse_unused
from ..progress import Display


@click.command()
@click.argument("run", type=PATH)
@click.option("--out", type=PATH, required=True, help="Folder for the graph and what stands around it.")
@click.option(
    "--format",
    "kind",
    type=click.Choice(["onnx", "torch-export", "openvino", "monai-bundle"]),
    default="onnx",
    show_default=True,
    help="onnx brings a script that scores a folder without medgen; monai-bundle is no graph and runs medgen.",
)
@click.option("--data", type=PATH, help="The data set of the training, where it has moved.")
@click.option(
    "--frames",
    type=click.IntRange(0, 4096),
    default=0,
    help="Frames that the graph takes at once.  [default: as many as medgen computes at once]",
)
@click.option(
    "--compared",
    type=click.IntRange(1),
    default=500,
    show_default=True,
    help="Normal validation frames, and test frames, that run and graph both score.",
)
def export(run: Path, out: Path, kind: Any, **chosen: Any) -> None:
    """Write the score of RUN as a graph for other programs, check it against the run, and keep the threshold beside it."""
    from medgen import api

    from ..tables import parity_lines

    if kind == "monai-bundle":
        refuse_unused(("data", "frames", "compared"), "is of a graph, and a bundle is none")
    with Display() as display:
        exported = api.export(run, out, kind, on_progress=display, **chosen)
    if exported.parity:
        answer(parity_lines(exported.parity), parity=exported.parity)
    if exported.warning:
        answer(f"warning: {exported.warning}")
    first = "graph" if exported.parity else "bundle"
    answer(f"{first}: {out / exported.files[0]}", **{first: out / exported.files[0], "files": [*exported.files]})
