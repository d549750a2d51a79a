"""`medgen verify`: from a folder that medgen wrote to what was changed in it since."""

from __future__ import annotations

from pathlib import Path

import click

from ..answer import answer
from ..options import PATH
from ..progress import Display


@click.command()
@click.argument("folder", metavar="FOLDER", type=PATH)
@click.pass_context
def verify(context: click.Context, folder: Path) -> None:
    """Say whether every frame, score and weight in FOLDER, a data set, a run or a study, is what medgen wrote.

    Nothing is written. The exit code is 1 if anything was changed.
    """
    from medgen import api

    with Display() as display:
        checked = api.verify(folder, display)
    for found in checked:
        answer(f"{found.kind} {found.path}: {found.looked_at}: " + ("; ".join(found.problems) or "as medgen wrote it"))
    answer(looked_at=[found._asdict() for found in checked])
    if any(found.problems for found in checked):
        context.exit(1)
