"""`medgen edit`: from a run and two findings to a picture of frames moved from one finding towards the other."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..answer import answer
from ..options import PATH, device_option, refuse_unused
from ..progress import Display

if TYPE_CHECKING:
    from medgen.engine.device import Device


@click.command()
@click.argument("run", type=PATH)
@click.argument("source", metavar="[DATASET]", type=PATH, required=False)
@click.option("--from", "finding", metavar="FINDING", help="Whose frames are changed.")
@click.option("--to", "target", metavar="FINDING", help="What they are moved towards.")
@click.option("--frame", type=PATH, help="Photograph that is changed instead, and returned to itself.")
@click.option("--along", metavar="NAME", help="Of --frame: a finding, or a column of the manifest that DATASET was made of.")
@click.option("--steps", type=click.IntRange(2, 25), default=7, show_default=True, help="Of --frame: drawings on the way.")
@click.option("--out", type=PATH, required=True, help="Picture (PNG).")
@click.option("-n", "--n", "count", type=click.IntRange(1, 100), default=6, show_default=True, help="Frames in the picture.")
@click.option("--with-test", is_flag=True, help="Learn from test frames, too; nothing may then be measured with them.")
@device_option
def edit(
    run: Path,
    source: Path | None,
    finding: str | None,
    target: str | None,
    frame: Path | None,
    along: str | None,
    steps: int,
    out: Path,
    count: int,
    with_test: bool,
    device: Device,
) -> None:
    """Show frames of DATASET moved, in RUN's latent space, from one finding towards another, or one photograph along a direction.

    With --frame and --along DATASET may be left out: the direction is then learnt from the data set that RUN was trained on.
    """
    from medgen import api

    if frame is None:
        refuse_unused(("steps",), "is of --frame")
    else:
        refuse_unused(("count",), "is of --from and --to")
    common: dict[str, Any] = {"with_test": with_test, "device": device}
    with Display() as display:
        if frame is not None and along is not None and finding is None and target is None:
            way: dict[str, Any] = {"along": along, "steps": steps, "reference": source}
            result = api.edit_photograph(run, frame, out, on_progress=display, **way, **common)
        elif source is not None and finding is not None and target is not None and frame is None and along is None:
            result = api.edit(run, source, out, source=finding, target=target, n=count, on_progress=display, **common)
        else:
            raise click.UsageError("give DATASET with --from and --to, or --frame with --along")
    answer(
        f"direction learned from {result.learned_from} frames; AUROC {result.auroc:.3f} between the findings on as many others",
        **result._asdict(),
    )
    answer(f"picture: {result.picture}")
