"""`medgen sample`: from a run to new frames that it draws."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..answer import answer
from ..options import PATH, SEED, device_option, label_option


@click.command()
@click.argument("run", type=PATH)
@click.option("-n", "--n", "count", type=click.IntRange(1, 10_000), default=9, show_default=True, help="Frames to draw.")
@click.option("--out", type=PATH, required=True, help="Picture (PNG) of all, or a folder for a file each.")
@click.option("--columns", type=click.IntRange(1, 10_000), help="Frames in a row of the picture.  [default: as square as can be]")
@click.option("--seed", type=SEED, default=0, show_default=True)
@label_option
@device_option
def sample(run: Path, count: int, out: Path, **chosen: Any) -> None:
    """Draw new frames from RUN into one picture, or into a folder."""
    from medgen import api

    drawn = api.sample(run, out, count, **chosen)
    answer(f"{count} samples: {drawn}", frames=count, samples=drawn)
