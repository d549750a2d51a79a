"""Show what each player of an adversarial training lost, by step and by the last step of each epoch."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle
from typing import Any

import numpy as np
import pandas as pd

from medgen.report.plot_style import ABNORMAL, GREEN, INK, NORMAL, STYLE, new_figure, plot_text, to_svg
from medgen.report.run_report_data import ExtraFigure
from medgen.runs.run import Run

PREFIX = "player."  # of the columns of steps.csv that hold the sum of a player's losses
DRAWN = 2000  # points of a curve; of more steps each point is the mean of neighbours


def player_losses(run: Run) -> Iterator[ExtraFigure]:
    """Yield the figure of a run whose steps were logged (``train.log_steps``) and that has several players."""
    steps = run.history("steps.csv")
    if len(steps) > 1 and _players(steps) and "epoch" in steps:
        yield ExtraFigure(
            "player-losses",
            "Losses of the players",
            "The loss of each player over the training, by step and by the last step of each epoch",
            "The sum of what each player is to lower, weights included: on the left at each logged step, on the right at the "
            "last one of each epoch, which is of a single batch. Players work against each other: neither curve has to fall.",
            player_chart(steps),
        )


def player_chart(steps: pd.DataFrame) -> bytes:
    """Draw the losses of the players as SVG.

    Parameters
    ----------
    steps : rows of ``steps.csv``: step, epoch, and player.<name>; an empty cell where a player had no turn
    """
    import matplotlib

    last = last_of_epochs(steps)
    with matplotlib.rc_context(STYLE):
        figure, (left, right) = new_figure(2, (4.4, 2.9))
        looks = cycle([(NORMAL, "-"), (ABNORMAL, "--"), (GREEN, "-."), (INK, ":")])
        for column, (colour, line) in zip(_players(steps), looks, strict=False):
            look: dict[str, Any] = {
                "color": colour,
                "linestyle": line,
                "linewidth": 1.2,
                "label": plot_text(column.removeprefix(PREFIX)),
            }
            shown = thinned(steps[["step", column]].dropna())
            left.plot(shown["step"], shown[column], **look)
            known = last[["epoch", column]].dropna()
            right.plot(known["epoch"], known[column], marker="o", markersize=3, **look)
        left.set(title="by step", xlabel="step", ylabel="loss")
        right.set(title="by the last step of each epoch", xlabel="epoch")
        left.legend(left.lines, [str(line.get_label()) for line in left.lines])
        return to_svg(figure)


def _players(steps: pd.DataFrame) -> list[str]:
    """Return the columns of the players."""
    return [name for name in map(str, steps.columns) if name.startswith(PREFIX)]


def last_of_epochs(steps: pd.DataFrame) -> pd.DataFrame:
    """Return the last logged row of each epoch."""
    return steps.groupby("epoch", as_index=False).last(numeric_only=True)


def thinned(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows as they are, or `DRAWN` means of neighbours where they are more."""
    if len(rows) <= DRAWN:
        return rows
    return rows.groupby(np.arange(len(rows)) * DRAWN // len(rows)).mean()
