"""The group that all commands belong to: one line for every error. Nothing here imports torch before a command runs."""

from __future__ import annotations

import logging
import traceback
from pathlib import Path
from typing import Any

import click

from medgen import __version__
from medgen.errors import in_one_line

PATH = click.Path(path_type=Path)


class Group(click.Group):
    """Answers a misspelt command with the nearest one, and every known error with one line."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        kwargs["standalone_mode"] = False
        try:
            code = super().main(*args, **kwargs)
        except click.ClickException as error:
            click.echo(f"medgen: {error.format_message()}", err=True)
            code = error.exit_code
        except (click.Abort, KeyboardInterrupt):
            click.echo("medgen: stopped", err=True)
            code = 130
        raise SystemExit(code if isinstance(code, int) else 0)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        from medgen.errors import did_you_mean

        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            raise click.UsageError(f"there is no command '{args[0]}'; {did_you_mean(args[0], self.list_commands(ctx))}", ctx)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        for name in ("fabric", "pytorch"):  # they announce the precision
            logging.getLogger(f"lightning.{name}.utilities.rank_zero").setLevel(logging.WARNING)
        debug = ctx.params.get("debug", False)
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort, KeyboardInterrupt):
            raise
        except Exception as error:
            _fail(in_one_line(error), debug)


def _fail(message: str, debug: bool) -> None:
    if debug:
        traceback.print_exc()
    click.echo(f"medgen: {message}", err=True)
    raise SystemExit(1)


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="medgen")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def main(debug: bool) -> None:
    """Generative anomaly detection for medical images, from raw frames to a report. For research, never for diagnosis.

    \b
    medgen inspect FRAMES                        what is there
    medgen prepare FRAMES --out DATA             crop, split, store
    medgen train endovae DATA --out RUN          learn what is normal
    medgen report RUN                            score, measure, show
    medgen compare DATA --backends endovae,vqvae2 --out STUDY
    medgen fid RUN                               how real its samples are
    """
