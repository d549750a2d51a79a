"""`medgen score`: from a run and frames to a table of scores and decisions, with maps and pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from medgen.errors import number_of

from ..answer import answer, records
from ..engines import SOURCE, engine_options, is_spread, score_spread
from ..options import PATH, input_options, parquet_option, runtime_option
from ..progress import Display


@click.command()
@click.argument("run", type=PATH)
@click.argument("source", metavar="INPUT", type=SOURCE)
@click.option("--out", type=PATH, required=True, help="Folder for scores.csv, maps and pictures.")
@click.option(
    "--pictures/--no-pictures", default=True, help="Write original, reconstruction and map of each frame.  [default: on]"
)
@click.option("--video", default="", help="Frames of raw videos: seconds:S, frames:N, keys or all.  [default: as the run's own]")
@runtime_option
@input_options
@parquet_option
@engine_options
def score(run: Path, source: Path, out: Path, **chosen: Any) -> None:
    """Score each frame of INPUT (raw frames or a data set): raw score, quantile among normals, decision."""
    if is_spread(source, chosen):
        score_spread(run, source, out, maps=False, **chosen)
        return
    from medgen import api

    from ..tables import score_table, timeline_lines
    from ..values import video_values

    with Display() as display:
        scored = api.score(run, source, out, on_progress=display, **chosen)
    answer(score_table(scored.table), frames=records(scored.table))
    answer(f"scores: {out / 'scores.csv'}", scores=out / "scores.csv")
    if (out / "timeline.csv").is_file():
        answer(timeline_lines(out / "timeline.csv"), videos=video_values(out / "timeline.csv"))
    if rejected := len(scored.data.rejected()):
        answer(f"{number_of(rejected, 'file', 'files')} could not be read; see {out / 'rejected.csv'}", rejected=rejected)
    if passed_over := len(scored.data.passed_over()):
        left_out = number_of(passed_over, "frame of a video was", "frames of videos were")
        answer(f"{left_out} left out; {out / 'rejected.csv'} says why", left_out=passed_over)
