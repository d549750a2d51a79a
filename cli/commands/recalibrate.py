"""`medgen recalibrate`: from a run and few normal frames of another place to a run for that place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..answer import answer
from ..options import PATH, device_option, parquet_option, split_option
from ..progress import Display
from ..tables import align, number


@click.command()
@click.argument("run", type=PATH)
@click.option("--normals", type=PATH, required=True, help="20 or more normal frames of the other place: raw ones or a data set.")
@click.option("--out", type=PATH, required=True, help="Folder of the new run; RUN stays as it is.")
@click.option(
    "--false-alarm-rate",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Share of normal frames that may be called abnormal.  [default: as RUN]",
)
@click.option(
    "--by-group/--by-frame", default=True, show_default=True, help="Whether groups (patients, videos) count once, or each frame."
)
@click.option("--threshold-only", is_flag=True, help="Move nothing that scores are computed from.")
@split_option
@device_option
@parquet_option
def recalibrate(run: Path, normals: Path, out: Path, threshold_only: bool, **chosen: Any) -> None:
    """Make a run for another place from RUN and a few normal frames taken there.

    The threshold and, in detectors that hold Gaussians or a bank of normal features, these too, are moved towards the frames,
    as far as so few can carry it. Each frame is scored by what the others made of RUN, so the same frames set the threshold.
    """
    from medgen import api
    from medgen.files import read_json

    with Display() as display:
        api.recalibrate(run, normals, out, move=not threshold_only, command=display.command(), on_progress=display, **chosen)
    facts = read_json(out / "recalibration.json")
    rows: list[tuple[str, ...]] = [("", "threshold", "promised", "flagged", "share", "95 % interval")]
    for name in ("before", "after"):
        side, share = facts[name], facts[name]["share"]
        flagged = "-" if side["flagged"] is None else f"{side['flagged']} of {facts['normals']}"
        value = "-" if side["threshold"] is None else f"{side['threshold']:.6g}"
        interval = f"{number(share.get('low'))} to {number(share.get('high'))}"
        rows.append((name, value, side["promised"], flagged, number(share.get("value")), interval))
    answer(align(rows), **facts)
    for sentence in facts["promise"]:
        answer(sentence)
    answer(f"run: {out}\npage: {out / 'recalibration.html'}", run=out, page=out / "recalibration.html")
