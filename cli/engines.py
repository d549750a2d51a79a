"""Options of commands whose work an engine can spread over many machines, and what such a command answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from medgen.errors import number_of

from .answer import answer
from .progress import Display

Command = TypeVar("Command", bound=Callable[..., Any])
SPREAD = ("address", "workers", "partition")  # options that --engine local has no use for
ALWAYS = ("run", "source", "out", "engine", "label", "video", "device", "parquet", "as_json", "quiet")  # those of every engine


class Source(click.Path):
    """A path; an address such as ``s3://bucket/frames`` stays as it was typed."""

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> Any:
        if isinstance(value, str) and "://" in value:
            return value
        return super().convert(value, parameter, context)


SOURCE = Source(path_type=Path)


def engine_options(command: Command) -> Command:
    """Add what spreads the work, where, and in which parts."""
    options = [
        click.option("--workers", type=click.IntRange(1, 10_000), help="Of --engine ray.  [default: one a core, or GPU]"),
        click.option("--partition", type=click.IntRange(1, 100_000), help="Of --engine ray: files at once.  [default: by size]"),
    ]
    for option in reversed(options):
        command = option(command)
    return place_options(command)


def place_options(command: Command) -> Command:
    """Add what spreads the work, and where."""
    options = [
        click.option("--engine", type=click.Choice(["local", "ray"]), default="local", show_default=True,
                     help="ray spreads an archive over many cores or machines; its files may be named by a pattern or a table."),
        click.option("--address", help="Of a Ray cluster: auto or HOST:PORT.  [default: this machine alone]"),
    ]  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


def is_prepared_elsewhere(source: Path | str) -> bool:
    """Tell whether a source is the address of a prepared data set, of which nothing is prepared anew.

    Raises
    ------
    click.UsageError : if an option is given that says how to prepare frames.
    """
    context = click.get_current_context()
    if not isinstance(source, str) or context.params["engine"] != "local":
        return False
    given = {name for name in context.params if context.get_parameter_source(name) is ParameterSource.COMMANDLINE}
    for parameter in context.command.params:
        if parameter.name in given - {*ALWAYS}:
            raise click.UsageError(
                f"'{source}' has to hold a prepared data set, which stays as it is: leave {parameter.opts[0]} away "
                "(raw frames that are on no disk are read by --engine ray alone)"
            )
    return True


def is_spread(source: Path | str, chosen: dict[str, Any], of_ray: Sequence[str] = SPREAD, of_local: Sequence[str] = ()) -> bool:
    """Tell whether the work is spread; of `chosen` only what the chosen engine takes is left.

    Parameters
    ----------
    of_ray, of_local : names of the parameters that only one of the engines takes; of local all but `ALWAYS`, where none is named

    Raises
    ------
    click.UsageError : if an option is given that the engine would ignore.
    """
    spread = chosen.pop("engine") == "ray"
    context = click.get_current_context()
    of_local = of_local or [name for name in context.params if name not in (*ALWAYS, *of_ray)]
    for name in of_local if spread else of_ray:
        chosen.pop(name, None)
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            option = next(parameter.opts[0] for parameter in context.command.params if parameter.name == name)
            raise click.UsageError(f"--engine {'ray' if spread else 'local'} has no use for {option}; leave it away")
    if not spread and isinstance(source, str):
        raise click.UsageError(f"'{source}' is read by --engine ray alone; others need the files on a disk")
    return spread


def score_spread(run: Path, source: Path | str, out: Path, *, maps: bool, address: str | None, **chosen: Any) -> None:
    """Score an archive on Ray and say what was found."""
    from medgen import api

    with Display() as display:
        found = api.score_archive(run, str(source), out, maps=maps, address=address or "", on_progress=display, **chosen)
    values = {name: getattr(found, name) for name in ("files", "frames", "scored", "abnormal", "partitions")}
    counts = f"{found.scored} of {found.frames} frames of {found.files} files"
    answer(f"{counts} have a score, {found.abnormal} are abnormal", **values)
    answer(f"scores: {out / 'scores'}", scores=out / "scores")
    if maps:
        answer(f"maps: {out / 'maps'}", maps=out / "maps")
    if found.rejected:
        answer(
            f"{number_of(found.rejected, 'file', 'files')} could not be read; see {out / 'rejected.csv'}", rejected=found.rejected
        )
    if found.left_out:
        left_out = number_of(found.left_out, "frame of a video was", "frames of videos were")
        answer(f"{left_out} left out; {out / 'rejected.csv'} says why", left_out=found.left_out)
