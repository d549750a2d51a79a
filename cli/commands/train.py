"""`medgen train`: from a backend and a data set to a run; also goes on with an interrupted one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from medgen.errors import MedgenError

from ..answer import answer, one_of_several, records
from ..options import (
    PATH,
    complete_backends,
    complete_recipes,
    device_option,
    devices_options,
    tracker_assignments,
    tracker_option,
)
from ..progress import Display

if TYPE_CHECKING:
    from medgen.engine.device import Device


@click.command()
@click.argument("backend", required=False, default="", shell_complete=complete_backends)
@click.argument("dataset", type=PATH, required=False)
@click.option("--out", type=PATH, required=True, help="Run folder.")
@click.option(
    "--config", type=PATH, shell_complete=complete_recipes, help="Recipe: a TOML file, or the name of one of `medgen recipes`."
)
@click.option(
    "--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Change one setting, e.g. model.latents=16. Repeatable."
)
@click.option("--resume", is_flag=True, help="Go on with the run in --out exactly where it stood.")
@click.option("--epochs", type=click.IntRange(1), help="Train for so many epochs (train.epochs).")
@click.option("--max-minutes", type=click.FloatRange(0, min_open=True), help="Stop after so long; --resume goes on.")
@tracker_option
@device_option
@devices_options
def train(
    backend: str,
    dataset: Path | None,
    out: Path,
    config: Path | None,
    assignments: tuple[str, ...],
    resume: bool,
    epochs: int | None,
    max_minutes: float | None,
    trackers: tuple[str, ...],
    device: Device,
    devices: int | None,
    nodes: int,
) -> None:
    """Train BACKEND on the normal training frames of DATASET.

    DATASET is a prepared data set, or one that needs no crop: mnist:DIR, dsprites:FILE.npz, medmnist:FILE.npz, folder:DIR (class
    folders of square frames of one size). `--set data.normal='["NAME"]'` says which classes are normal, "*" all.

    Ctrl-C stops after the current step and keeps everything; --resume goes on, for which --out is enough.
    """
    from medgen import api
    from medgen.engine.several.place import find_place

    place = find_place(devices, nodes)
    minutes = max_minutes or float("inf")
    with one_of_several(place), Display() as display:
        if resume:
            if config or assignments or trackers:
                raise MedgenError("--resume goes on with the run's own settings; leave --config, --set and --tracker away")
            run = api.resume(
                out,
                backend=backend,
                dataset=dataset,
                epochs=epochs,
                device=device,
                devices=devices,
                nodes=nodes,
                max_minutes=minutes,
                on_progress=display,
                stop=display.stop,
            )
        elif not (backend and dataset):
            missing = "DATASET is" if backend else "BACKEND and DATASET are"
            raise click.UsageError(f"{missing} missing: medgen train BACKEND DATASET --out {out}; --resume alone needs neither")
        else:
            extra = (f"train.epochs={epochs}",) if epochs else ()
            settings = api.recipe(backend, config, (*assignments, *extra, *tracker_assignments(trackers)))
            command = display.command()
            run = api.train(
                dataset,
                out,
                settings,
                device=device,
                devices=devices,
                nodes=nodes,
                max_minutes=minutes,
                command=command,
                on_progress=display,
                stop=display.stop,
            )
    if place and place.rank:
        return  # the first process tells
    if not run.finished():
        click.echo("go on with --resume", err=True)
    answer(f"run: {out}", run=out, finished=run.about["finished"], last_epoch=[*records(run.history().tail(1)), None][0])
    if run.has_weights():
        answer(f"next: medgen report {out}")
