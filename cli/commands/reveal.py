"""`medgen reveal`: from ids back to names, for whoever has the key."""

from __future__ import annotations

from pathlib import Path

import click

from ..answer import answer, records
from ..options import PATH


@click.command()
@click.argument("table", type=PATH)
@click.option("--key", type=PATH, required=True, help="What `medgen prepare --pseudonymise` wrote.")
@click.option("--out", type=PATH, help="CSV file to write.  [default: print]")
def reveal(table: Path, key: Path, out: Path | None) -> None:
    """Print TABLE, a CSV file that medgen wrote (index.csv, scores.csv, ranks.csv), with names in place of ids."""
    from medgen import api
    from medgen.files import csv_text
    from medgen.outputs.own_files import write_alone

    shown = api.reveal(table, key)
    if out is None:
        answer(csv_text(shown).removesuffix("\n"), rows=records(shown))
    else:
        write_alone(out, csv_text(shown).encode(errors="backslashreplace"))
        answer(f"names: {out}", names=out)
