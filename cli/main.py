"""The `medgen` command: arguments come in, the command that they name runs, and any error becomes one line and an exit code.

A command is a file in `commands` or `listings` and is imported only when it is used: `medgen --help` does not wait for torch.
"""

from __future__ import annotations

import atexit
import gc
import logging
import pkgutil
import traceback
import warnings
from importlib import import_module
from typing import Any

import click

from medgen import __version__
from medgen.errors import did_you_mean, in_one_line
from medgen.plugins import PluginWarning

from . import commands, listings
from .answer import print_object, with_answer_options

FOLDERS = (commands, listings)

AS_EVER = warnings.formatwarning
NEW_OBJECTS = 10_000  # after so many garbage is looked for; after the usual 700 it is a thousand times while torch is imported
atexit.register(gc.freeze)  # what is left at the end goes with the process, which takes half a second less than piece by piece


def _format_warning(message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None) -> str:
    """Return a warning that a user can act on as one line; others as Python prints them."""
    if issubclass(category, PluginWarning):
        return f"medgen: warning: {message}\n"
    return AS_EVER(message, category, filename, lineno, line)


class Group(click.Group):
    """Finds commands by their files, suggests the nearest name for a misspelt one, and prints an error as one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(info.name.replace("_", "-") for folder in FOLDERS for info in pkgutil.iter_modules(folder.__path__))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        name = cmd_name.replace("-", "_")
        for folder in FOLDERS:
            if name in (info.name for info in pkgutil.iter_modules(folder.__path__)):
                command: click.Command = getattr(import_module(f"{folder.__name__}.{name}"), name)
                return with_answer_options(command)
        return None

    def main(self, *args: Any, **kwargs: Any) -> Any:
        kwargs["standalone_mode"] = False
        warnings.formatwarning = _format_warning
        gc.set_threshold(NEW_OBJECTS, *gc.get_threshold()[1:])
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
        names = self.list_commands(ctx)
        if args and not args[0].startswith("-") and args[0] not in names:
            raise click.UsageError(f"there is no command '{args[0]}'; {did_you_mean(args[0], names)}", ctx)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        # Fabric would announce the precision on every call, and each process that joins
        for name in ("rank_zero", "distributed"):
            logging.getLogger(f"lightning_fabric.utilities.{name}").setLevel(logging.WARNING)
        debug = ctx.params.get("debug", False)
        try:
            result = super().invoke(ctx)
            print_object(ctx)
            return result
        except click.exceptions.Exit:  # with what was found
            print_object(ctx)
            raise
        except (click.ClickException, click.Abort, KeyboardInterrupt):
            raise
        except Exception as error:
            if debug:
                traceback.print_exc()
            if isinstance(error, BrokenPipeError):  # of who reads what is printed, such as `head`
                raise  # click ends the process without a word
            click.echo(f"medgen: {in_one_line(error)}", err=True)
            raise SystemExit(1) from None


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="medgen")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.option("--trust-code", multiple=True, metavar="SHA256", help="Of a program that a setting names and that may run.")
def main(debug: bool, trust_code: tuple[str, ...]) -> None:
    """Generative anomaly detection for medical images, from raw frames to a report. For research, never for diagnosis.

    \b
    medgen inspect FRAMES                        what is there
    medgen prepare FRAMES --out DATA             crop, split, store
    medgen train endovae DATA --out RUN          learn what is normal
    medgen report RUN                            score, measure, show
    medgen compare DATA --backends endovae,vqvae2 --out STUDY
    medgen fid RUN                               how real its samples are
    """
    if trust_code:
        from medgen import api

        for digest in trust_code:
            api.trust_code(digest)
