"""`medgen serve`: runs behind an address, until Ctrl-C or SIGTERM."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..answer import answer, is_quiet, print_object
from ..options import PATH, device_option, refuse_unused
from ..progress import Display

if TYPE_CHECKING:
    from medgen.service.guard import Noted
    from medgen.service.serve import Serving

TOKEN = "MEDGEN_TOKEN"  # of the environment


@click.command()
@click.argument("runs", metavar="RUN...", type=PATH, nargs=-1, required=True)
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Address to listen at; any but this machine's own takes a token."
)
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 takes any that is free.")
@click.option("--token-file", type=PATH, help=f"File whose first line each request has to show.  [default: ${TOKEN}, else none]")
@click.option("--allow-host", "allow_hosts", multiple=True, help="Name by which a proxy asks. Repeatable.")
@click.option("--max-body", type=click.IntRange(1), default=64, show_default=True, help="MB of a request.")
@click.option("--max-frames", type=click.IntRange(1), default=200, show_default=True, help="Frames of a request.")
@click.option(
    "--queue", type=click.IntRange(1), default=8, show_default=True, help="Requests for a run at once; others come again."
)
@click.option(
    "--seconds",
    type=click.FloatRange(0, min_open=True),
    default=60.0,
    show_default=True,
    help="That a request may take to arrive, and again to be answered.",
)
@click.option("--dicom-port", type=click.IntRange(0, 65535), help="Run a DICOM node, too, at this port.")
@click.option("--dicom-to", metavar="TITLE@HOST:PORT", help="DICOM node that gets the map of what is sent here by C-STORE.")
@click.option("--dicom-title", default="MEDGEN", show_default=True, help="Application entity title of the DICOM node.")
@click.option("--dicom-from", multiple=True, metavar="TITLE", help="Title that may send. Repeatable.  [default: any]")
@click.option(
    "--dicom-run", default="", metavar="NAME", help="Run that scores what the DICOM node is sent.  [default: the first]"
)
@click.option("--check", is_flag=True, help="Load, listen, say where, and end.")
@device_option
@click.pass_context
def serve(
    context: click.Context,
    /,
    runs: tuple[Path, ...],
    token_file: Path | None,
    max_body: int,
    max_frames: int,
    queue: int,
    seconds: float,
    check: bool,
    dicom_port: int | None,
    dicom_to: str | None,
    dicom_title: str,
    dicom_from: tuple[str, ...],
    dicom_run: str,
    **chosen: Any,
) -> None:
    """Answer for each RUN over HTTP: frames come in, score, p-value, decision and map go out. Research use only.

    \b
    medgen serve RUN &
    curl --data-binary @frame.png -H Content-Type: http://127.0.0.1:8000/runs/RUN/score
    """
    from medgen import api
    from medgen.service.dicom_settings import DicomSettings
    from medgen.service.limits import Limits

    if (dicom_port is None) != (dicom_to is None):
        raise click.UsageError("a DICOM node takes both --dicom-port, where it listens, and --dicom-to, where maps go")
    if dicom_port is None:
        refuse_unused(("dicom_title", "dicom_from", "dicom_run"), "is of a DICOM node, which takes --dicom-port and --dicom-to")
    dicom = None
    if dicom_port is not None:
        dicom = DicomSettings(dicom_port, str(dicom_to), dicom_title, dicom_from, dicom_run)

    def started(service: Serving) -> None:
        text = f"{', '.join(service.runs)} at {service.address}, described at {service.address}/docs"
        text += f"; DICOM node {service.dicom}" if service.dicom else ""
        answer(text if check else f"{text}; Ctrl-C stops", address=service.address, runs=list(service.runs),
               dicom=service.dicom)  # fmt: skip
        print_object(context)  # now, as the command goes on
        if check:
            service.stop()

    def noted(note: Noted) -> None:
        line = f"{time.strftime('%Y-%m-%dT%H:%M:%S%z')} {note.method} {note.route} {note.status} {note.milliseconds:.0f} ms"
        click.echo(line, err=True)

    limits = Limits(1_000_000 * max_body, 4_000_000 * max_body, max_frames, queue, seconds)
    with Display() as display:
        api.serve(runs, token=_token(token_file), limits=limits, dicom=dicom, on_start=started, on_progress=display,
                  on_request=None if is_quiet() else noted, **chosen)  # fmt: skip


def _token(file: Path | None) -> str:
    """Return the token, from the first line of a file or from the environment: on a command line others could read it."""
    if file is None:
        return os.environ.get(TOKEN, "").strip()
    try:
        token = file.read_text(encoding="utf-8-sig").partition("\n")[0].strip()
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"--token-file '{file}' cannot be read: {error}") from None
    if not token:
        raise click.UsageError(f"--token-file '{file}' is empty; expected a token in its first line")
    return token
