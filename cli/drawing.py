"""Commands about what a trained run draws."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .group import PATH, main
from .options import device_option, input_options, label_option, split_option
from .progress import Display


@main.command()
@click.argument("run", type=PATH)
@click.argument("source", metavar="INPUT", type=PATH)
@click.option("--out", type=PATH, required=True, help="Folder for the pictures.")
@input_options
def reconstruct(run: Path, source: Path, out: Path, **chosen: Any) -> None:
    """Write what RUN makes of each frame of INPUT (raw frames or a data set)."""
    from medgen import api

    with Display() as display:
        count = api.reconstruct(run, source, out, on_progress=display, **chosen)
    click.echo(f"{count} reconstructions: {out}")


@main.command()
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
def translate(run: Path, source: Path, out: Path, fit: str, **chosen: Any) -> None:
    """Carry each frame of INPUT (raw frames or a data set) into the other domain with RUN.

    Raw frames keep name and size, and all of them is translated: the border around the field of view and what is burned in, too.
    """
    from medgen import api

    with Display() as display:
        count = api.translate(run, source, out, fit=fit, on_progress=display, **chosen)  # type: ignore[arg-type]
    click.echo(f"{count} translations: {out} (raw frames by {fit})")


@main.command()
@click.argument("run", type=PATH)
@click.option("-n", "count", type=click.IntRange(1, 10_000), default=9, show_default=True, help="Frames to draw.")
@click.option("--out", type=PATH, required=True, help="Picture (PNG) of all, or a folder for a file each.")
@click.option("--seed", type=int, default=0, show_default=True)
@label_option
@device_option
def sample(run: Path, count: int, out: Path, **chosen: Any) -> None:
    """Draw new frames from RUN into one picture, or into a folder."""
    from medgen import api

    click.echo(f"{count} samples: {api.sample(run, out, count, **chosen)}")


@main.command()
@click.argument("generated", metavar="RUN", type=PATH)
@click.argument("reference", required=False, type=PATH)
@click.option(
    "--extractor", default="inception-2015", show_default=True, help="Or efficientnet-lite0, or file:PATH with a TorchScript."
)
@click.option("--n", type=click.IntRange(6), default=10_000, show_default=True, help="Frames on each side at the most.")
@click.option(
    "--split", type=click.Choice(["train", "val", "test", "all"]), default="test", show_default=True, help="Of REFERENCE."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the frames that RUN draws.")
@device_option
def fid(generated: Path, reference: Path | None, **chosen: Any) -> None:
    """Say how far the samples of RUN are from real normal frames: FID, KID, precision, recall, density, coverage.

    RUN may be frames that were drawn before, too (folder:DIR). REFERENCE is a data set; by default the one RUN was trained on.
    """
    from medgen import api

    from .tables import distance_table

    with Display() as display:
        found = api.fid(generated, reference, on_progress=display, **chosen)
    click.echo(distance_table(found))


@main.command()
@click.argument("run", type=PATH)
@click.argument("source", metavar="DATASET", type=PATH)
@click.option("--from", "finding", required=True, metavar="FINDING", help="Whose frames are changed.")
@click.option("--to", "target", required=True, metavar="FINDING", help="What they are moved towards.")
@click.option("--out", type=PATH, required=True, help="Picture (PNG).")
@click.option("-n", "count", type=click.IntRange(1, 100), default=6, show_default=True, help="Frames in the picture.")
@click.option("--with-test", is_flag=True, help="Learn from test frames, too; nothing may then be measured with them.")
@device_option
def edit(run: Path, source: Path, finding: str, target: str, out: Path, count: int, with_test: bool, device: Any) -> None:
    """Show frames of DATASET moved, in RUN's latent space, from one finding towards another."""
    from medgen import api

    with Display() as display:
        made = api.edit(
            run, source, out, source=finding, target=target, n=count, with_test=with_test, device=device, on_progress=display
        )
    click.echo(
        f"direction learned from {made.learned_from} frames; AUROC {made.auroc:.3f} between the findings on as many others"
    )
    click.echo(f"picture: {made.picture}")
