"""`medgen backends`: prints each backend with a line on what it is."""

from __future__ import annotations

import click


@click.command()
def backends() -> None:
    """List the generative models that can be trained."""
    from medgen import api

    for name, summary in api.backends().items():
        click.echo(f"{name}: {summary}")
