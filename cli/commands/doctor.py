"""`medgen doctor`: says in a line each whether what medgen stands on is as it should be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ..answer import answer
from ..options import device_option
from ..progress import Display
from ..tables import align

if TYPE_CHECKING:
    from medgen.engine.device import Device


@click.command()
@click.option(
    "--self-test/--no-self-test",
    "tried",
    default=True,
    show_default=True,
    help="Run the whole chain on synthetic frames, which takes about a minute.",
)
@device_option
@click.pass_context
def doctor(context: click.Context, tried: bool, device: Device) -> None:
    """Look at packages, device, precision, extractors and disk, and run the whole chain once.

    The figures of that run are compared with those that it is known to give. The exit code is 1 if anything is wrong. No file is
    left.
    """
    from medgen import api

    with Display() as display:
        checks = api.doctor(device=device, tried=tried, on_progress=display)
    rows: list[tuple[str, ...]] = [(check.name, "WRONG" if check.problem else "well", check.found) for check in checks]
    wrong = [check for check in checks if check.problem]
    answer(align(rows), checks=[check._asdict() for check in checks], well=not wrong)
    for check in wrong:
        answer(f"{check.name}: {check.problem}")
    if wrong:
        context.exit(1)
