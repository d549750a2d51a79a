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

    chosen = api.set_threshold(run, rate)
    answer(f"threshold: {chosen['value']:.6g}; a frame that scores higher is called abnormal", **chosen)
    if chosen.get("method"):
        from medgen.report.guarantee import guarantee

        answer(f"guarantee: {guarantee(chosen)}")
        return
    groups = f" of {chosen['groups']} groups" if chosen.get("groups", chosen["normals"]) < chosen["normals"] else ""
    answer(
        f"guarantee: of normal frames like the {chosen['normals']} normal validation frames{groups} that it rests on, at most "
        f"{100 * rate:g} % are called so (split conformal prediction, in the mean over such sets)"
    )
    if groups:
        answer("frames of one group resemble each other, so that the guarantee is looser than so many frames would make it")
