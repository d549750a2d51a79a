"""`medgen backends`: prints each backend with a line on what it is."""

from __future__ import annotations

import click

from ..answer import answer


@click.command()
def backends() -> None:
    """List the generative models that can be trained."""
    from medgen import api, registry

    known = api.backends()
    origins = {name: of for name in known if (of := registry.origin(name))}
    lines = [f"{name}: {summary}" + (f" ({origins[name]})" if name in origins else "") for name, summary in known.items()]
    answer("\n".join(lines), backends=known, origins=origins)
