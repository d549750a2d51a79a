"""`medgen backends`: prints each backend with a line on what it is."""

from __future__ import annotations

import click

from ..answer import answer


@click.command()
def backends() -> None:
    """List the generative models that can be trained."""
    from medgen import api

    known = api.backends()
    answer("\n".join(f"{name}: {summary}" for name, summary in known.items()), backends=known)
