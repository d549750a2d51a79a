"""`medgen recipes`: prints each recipe that comes with medgen, and what to expect of it."""

from __future__ import annotations

from dataclasses import asdict

import click

from ..answer import answer
from ..tables import align


@click.command()
def recipes() -> None:
    """List the recipes that --config takes by name.

    Each with the frames that it was made for, their side in pixels, the minutes of training on one or two processor cores beside
    other work (of a few, those of all their commands), and what was reached on frames that were not trained on. The page, in
    reports/ of the repository, has the commands and the caveats.

    \b
    medgen train endovae DATA --out RUN --config endovae-hyperkvasir
    medgen train endovae DATA --out RUN --config hyperkvasir           the same
    """
    from medgen import api

    known = api.recipes()
    rows: list[tuple[str, ...]] = [("recipe", "frames", "side", "minutes", "result", "page")]
    for recipe in known:
        minutes = "-" if recipe.minutes is None else f"{recipe.minutes:.0f}"
        rows.append((recipe.name, recipe.frames, str(recipe.side), minutes, recipe.result or "not measured", recipe.page))
    answer(align(rows), recipes=[asdict(recipe) for recipe in known])
