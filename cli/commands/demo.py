"""`medgen demo`: the whole chain once on synthetic frames, to a run and its report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..answer import answer
from ..options import PATH, device_option
from ..progress import Display

if TYPE_CHECKING:
    from medgen.engine.device import Device


@click.command()
@click.option("--out", type=PATH, default=Path("demo"), show_default=True, help="New folder for frames, run and report.")
@click.option("--epochs", type=click.IntRange(1), help="Train for so many epochs.")
@click.option(
    "--difficulty", type=click.FloatRange(0, 1), default=0.3, show_default=True, help="Of the lesions: 1 is nearly invisible."
)
@device_option
def demo(out: Path, epochs: int | None, difficulty: float, device: Device) -> None:
    """Run the whole chain on synthetic endoscopy frames; a few minutes."""
    from medgen import api
    from medgen.files import read_json

    from ..tables import metrics_table

    with Display() as display:
        result = api.demo(out, device=device, epochs=epochs, difficulty=difficulty, on_progress=display)
    answer(metrics_table(result.metrics), metrics=read_json(result.metrics))
    answer(f"report: {result.page}", report=result.page)
