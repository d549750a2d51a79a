"""What a command answers: text on stdout for people; with --json one object for programs in its place, with --quiet nothing.

Progress and errors go to stderr in any case, so that what stands on stdout is the answer alone. `with_answer_options` gives both
options to each command, so that none has to declare them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    import pandas as pd

    from medgen.engine.several.place import Place

OBJECT = "medgen.object"  # in the meta of a context: the values to print at the end; absent where text is wanted
QUIET = "medgen.quiet"
WARNING = "warning: "  # how a line of text begins that the object has among its "warnings"


def with_answer_options(command: click.Command) -> click.Command:
    """Give a command --json and --quiet, once."""
    if not any(parameter.name == "as_json" for parameter in command.params):
        command.params += [
            click.Option(["--json", "as_json"], is_flag=True, expose_value=False, callback=_wants_object,
                         help="Print one JSON object in place of text."),
            click.Option(["--quiet", "-q"], is_flag=True, expose_value=False, callback=_wants_quiet,
                         help="Print no text and no progress; warnings and errors are told."),
        ]  # fmt: skip
    return command


def answer(text: str = "", **values: Any) -> None:
    """Print a paragraph, or keep its values for the object.

    Parameters
    ----------
    text : what people read; "" for nothing. Its lines that begin with "warning: " become the object's ``warnings``
    values : what it says, by name, as `medgen.files.json_values` takes it
    """
    meta = click.get_current_context().meta
    if OBJECT in meta:
        warnings = [line.removeprefix(WARNING) for line in text.splitlines() if line.startswith(WARNING)]
        before = meta[OBJECT].get("warnings", [])
        meta[OBJECT] |= values
        meta[OBJECT]["warnings"] = [*dict.fromkeys([*before, *values.get("warnings", []), *warnings])]
    elif text and not meta.get(QUIET):
        click.echo(text)


@contextmanager
def one_of_several(place: Place | None) -> Iterator[None]:
    """Let a process of a training that is not the first one print nothing, but an error of its own."""
    if not place or place.rank == 0:
        yield
        return
    from medgen.errors import RankError

    meta = click.get_current_context().meta
    meta.pop(OBJECT, None)
    meta[QUIET] = True
    try:
        yield
    except RankError:  # which the first process tells
        raise SystemExit(1) from None


def is_quiet() -> bool:
    """Tell whether a command that runs was asked to print no progress."""
    context = click.get_current_context(silent=True)
    return bool(context and context.meta.get(QUIET))


def print_object(context: click.Context) -> None:
    """Print the object that the command has filled, where one was asked for."""
    if (values := context.meta.pop(OBJECT, None)) is not None:
        from medgen.files import json_values

        click.echo(json.dumps(json_values(values), indent=1))


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a table, each as an object."""
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def _wants_object(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value:
        context.meta[OBJECT] = {}


def _wants_quiet(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    context.meta[QUIET] = value
