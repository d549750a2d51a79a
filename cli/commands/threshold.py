"""`medgen threshold`: from a false-alarm rate to the threshold of a run."""

from __future__ import annotations

from pathlib import Path

import click

from ..answer import answer
from ..options import PATH


@click.command()
@click.argument("run", type=PATH)
@click.option(
    "--false-alarm-rate",
    "rate",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.05,
    show_default=True,
    help="Share of normal frames that may be called abnormal.",
)
def threshold(run: Path, rate: float) -> None:
    """Put the threshold of RUN where a false-alarm rate has it; the normal validation frames alone decide that.

    No score changes, and nothing is trained or scored again; a rate that there are too few frames for is refused.
    """
    from medgen import api
    from medgen.report.guarantee import guarantee

    chosen = api.set_threshold(run, rate)
    answer(f"threshold: {chosen['value']:.6g}; a frame that scores higher is called abnormal", **chosen)
    answer(f"guarantee: {guarantee(chosen)}")
    counted_alone = not chosen.get("method") and not chosen.get("by_group")
    if counted_alone and chosen.get("groups", chosen["normals"]) < chosen["normals"]:
        answer("frames of one group resemble each other, so that the guarantee is looser than so many frames would make it")
