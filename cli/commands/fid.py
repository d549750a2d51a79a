"""`medgen fid`: from a run to the distances between its samples and real frames."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..answer import answer
from ..options import PATH, SEED, device_option
from ..progress import Display


@click.command()
@click.argument("generated", metavar="RUN", type=PATH)
@click.argument("reference", required=False, type=PATH)
@click.option(
    "--extractor",
    default="inception-2015",
    show_default=True,
    help="Or efficientnet-lite0, timm:NAME, either with @FILE.safetensors, file:NET.onnx, or any other name in docs/scores.md.",
)
@click.option("-n", "--n", type=click.IntRange(6, 1_000_000), default=10_000, show_default=True, help="Frames on each side.")
@click.option(
    "--split", type=click.Choice(["train", "val", "test", "all"]), default="test", show_default=True, help="Of REFERENCE."
)
@click.option("--seed", type=SEED, default=0, show_default=True, help="Of the frames that RUN draws.")
@device_option
def fid(generated: Path, reference: Path | None, **chosen: Any) -> None:
    """Say how far the samples of RUN are from real normal frames: FID, KID, precision, recall, density, coverage.

    RUN may be frames that were drawn before, too (folder:DIR). REFERENCE is a data set; by default the one RUN was trained on.
    """
    from medgen import api

    from ..tables import distance_table

    with Display() as display:
        distances = api.fid(generated, reference, on_progress=display, **chosen)
    answer(distance_table(distances), **distances)
