"""`medgen maps`: from a run and frames to its score maps on the original frames."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from medgen.errors import number_of

from ..answer import answer
from ..engines import SOURCE, engine_options, is_spread, score_spread
from ..options import PATH, input_options, parquet_option, refuse_unused, runtime_option
from ..progress import Display


@click.command()
@click.argument("run", type=PATH)
@click.argument("source", metavar="INPUT", type=SOURCE)
@click.option("--out", type=PATH, required=True, help="Folder for scores.csv, original/ and overlays/.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["auto", "png", "dicom", "nifti"]),
    default="auto",
    show_default=True,
    help="auto: as INPUT is, DICOM or NIfTI, 16-bit PNG for all else.",
)
@click.option(
    "--level",
    default="",
    help="Of contours: a raw score, or the share of pixels of normal validation frames that lie below.  [default: 99%]",
)
@click.option(
    "--smooth", type=click.FloatRange(0, 1024), default=0.0, show_default=True, help="Sigma of a Gaussian, crop pixels."
)
@click.option("--deidentify", is_flag=True, help="Of DICOM files: new UIDs and file names, no names, dates and private tags.")
@click.option(
    "--blank-text/--no-blank-text",
    default=None,
    help="With --deidentify: blank text in the pixels.  [default: ultrasound and endoscopy]",
)
@runtime_option
@input_options
@parquet_option
@engine_options
def maps(run: Path, source: Path, out: Path, **chosen: Any) -> None:
    """Write RUN's map of each frame of INPUT (raw frames or a data set) on the original frame, and laid over it."""
    if is_spread(source, chosen):
        score_spread(run, source, out, maps=True, **chosen)
        return
    from medgen import api

    if not chosen["deidentify"]:
        refuse_unused(("blank_text",), "is of the copies that --deidentify makes")
    with Display() as display:
        result = api.maps(run, source, out, on_progress=display, **chosen)
    made = number_of(result.frames, "map", "maps")
    answer(f"{made}: {out / 'original'}; over their frames: {out / 'overlays'}", **asdict(result), maps=out)
    if result.at_crop:
        few = number_of(result.at_crop, "map has", "maps have")
        answer(f"{few} the side of the crop, as the original frames are not there")
    answer(f"contours at {result.level:.4g} ({result.level_is}), colours up to {result.high:.4g}")
