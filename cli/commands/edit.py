"""`medgen edit`: from a run and two findings to a picture of frames moved from one finding towards the other."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..options import PATH, device_option
from ..progress import Display

if TYPE_CHECKING:
    from medgen.engine.device import Device


@click.command()
@click.argument("run", type=PATH)
@click.argument("source", metavar="DATASET", type=PATH)
@click.option("--from", "finding", required=True, metavar="FINDING", help="Whose frames are changed.")
@click.option("--to", "target", required=True, metavar="FINDING", help="What they are moved towards.")
@click.option("--out", type=PATH, required=True, help="Picture (PNG).")
@click.option("-n", "count", type=click.IntRange(1, 100), default=6, show_default=True, help="Frames in the picture.")
@click.option("--with-test", is_flag=True, help="Learn from test frames, too; nothing may then be measured with them.")
@device_option
def edit(run: Path, source: Path, finding: str, target: str, out: Path, count: int, with_test: bool, device: Device) -> None:
    """Show frames of DATASET moved, in RUN's latent space, from one finding towards another."""
    from medgen import api

    with Display() as display:
        result = api.edit(
            run, source, out, source=finding, target=target, n=count, with_test=with_test, device=device, on_progress=display
        )
    click.echo(
        f"direction learned from {result.learned_from} frames; AUROC {result.auroc:.3f} between the findings on as many others"
    )
    click.echo(f"picture: {result.picture}")
