"""The `medgen` command: the commands of the chain from frames to a report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from medgen.errors import MedgenError

from . import audit as audit  # their commands register themselves
from . import compare as compare
from . import drawing as drawing
from . import maps as maps
from . import report as report
from .group import PATH, main
from .options import dataset_options, device_option, input_options, mnist_m_wanted
from .progress import Display


@main.command()
@click.option("--out", type=PATH, default=Path("demo"), show_default=True, help="New folder for frames, run and report.")
@click.option("--epochs", type=click.IntRange(1), help="Train for so many epochs.")
@click.option(
    "--difficulty", type=click.FloatRange(0, 1), default=0.3, show_default=True, help="Of the lesions: 1 is nearly invisible."
)
@device_option
def demo(out: Path, epochs: int | None, difficulty: float, device: Any) -> None:
    """Run the whole chain on synthetic endoscopy frames; a few minutes."""
    from medgen import api

    from .tables import metrics_table

    with Display() as display:
        made = api.demo(out, device=device, epochs=epochs, difficulty=difficulty, on_progress=display)
    click.echo(metrics_table(made.metrics))
    click.echo(f"report: {made.page}")


@main.command()
@click.argument("source", type=PATH)
@click.option("--out", type=PATH, help="Folder for the tables as CSV.  [default: none are written]")
@click.option("--steps", type=PATH, help="Folder for pictures of how the field of view of single frames is found.")
@click.option("--limit", type=click.IntRange(1), default=12, show_default=True, help="Pictures with --steps.")
@click.option("--size", type=click.IntRange(16), default=96, show_default=True, help="Side of the crop shown with --steps.")
@click.option("--workers", type=click.IntRange(1), help="Processes.  [default: one a core]")
def inspect(source: Path, out: Path | None, steps: Path | None, limit: int, size: int, workers: int | None) -> None:
    """Print what SOURCE holds: classes, sizes, unreadable files, duplicates."""
    from medgen import api

    from .tables import inspection_tables

    with Display() as display:
        found = api.inspect(source, workers=workers, on_progress=display)
        if out is not None:
            found.write(out)
        pictures = api.crop_steps(source, steps, size, limit, display) if steps is not None else 0
    click.echo(inspection_tables(found))
    if out is not None:
        click.echo(f"tables: {out}")
    if pictures:
        click.echo(f"{pictures} pictures: {steps}")


@main.command()
@click.argument("source", type=PATH)
@click.option("--out", type=PATH, required=True, help="Folder of the prepared data set.")
@dataset_options
@click.option("--workers", type=click.IntRange(1), help="Threads; the result is the same for any number.  [default: one a core]")
@click.option("--overwrite", is_flag=True, help="Replace the data set that is in --out.")
@click.option("--mnist", type=PATH, help="Folder of MNIST, where SOURCE is mnist-m.")
@click.option("--bsds", type=PATH, help="Folder with photographs of BSDS500, where SOURCE is mnist-m.")
def prepare(
    source: Path, out: Path, workers: int | None, overwrite: bool, mnist: Path | None, bsds: Path | None, **values: Any
) -> None:
    """Crop the frames of SOURCE to their field of view, divide them into splits and store them.

    SOURCE is a folder with a manifest.csv, a folder per class (Kvasir and HyperKvasir names are known), or plain frames.
    An interrupted run goes on where it stopped. SOURCE may also be the word mnist-m: then digits of --mnist are laid over patches
    of --bsds (Ganin and Lempitsky 2015), at the side --size or 28.
    """
    from medgen import api
    from medgen.data.prepared import PrepareSettings

    from .tables import prepared_table

    settings = PrepareSettings.parse({key: value for key, value in values.items() if value is not None}, "prepare")
    with Display() as display:
        if mnist_m_wanted(source, mnist, bsds):
            assert mnist is not None and bsds is not None
            data = api.make_mnist_m(mnist, bsds, out, values["size"] or 28, values["seed"] or 0, display)
        else:
            data = api.prepare(source, out, settings, workers, overwrite, display)
    click.echo(prepared_table(data))


@main.command()
@click.argument("backend")
@click.argument("dataset", type=PATH)
@click.option("--out", type=PATH, required=True, help="Run folder.")
@click.option("--config", type=PATH, help="Recipe (TOML).")
@click.option(
    "--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Change one setting, e.g. model.latents=16. Repeatable."
)
@click.option("--resume", is_flag=True, help="Go on with the run in --out exactly where it stood.")
@click.option("--epochs", type=click.IntRange(1), help="Train for so many epochs (train.epochs).")
@click.option("--max-minutes", type=click.FloatRange(0, min_open=True), help="Stop after so long; --resume goes on.")
@device_option
def train(
    backend: str,
    dataset: Path,
    out: Path,
    config: Path | None,
    assignments: tuple[str, ...],
    resume: bool,
    epochs: int | None,
    max_minutes: float | None,
    device: Any,
) -> None:
    """Train BACKEND on the normal training frames of DATASET.

    DATASET is a prepared data set, or one that needs no crop: mnist:DIR, dsprites:FILE.npz, medmnist:FILE.npz, folder:DIR (class
    folders of square frames of one size). `--set data.normal='["NAME"]'` says which classes are normal, "*" all.

    Ctrl-C stops after the current step and keeps everything; --resume goes on.
    """
    from medgen import api

    minutes = max_minutes or float("inf")
    with Display() as display:
        if resume:
            if config or assignments:
                raise MedgenError("--resume goes on with the run's own settings; leave --config and --set away")
            run = api.resume(
                out,
                backend=backend,
                dataset=dataset,
                epochs=epochs,
                device=device,
                max_minutes=minutes,
                on_progress=display,
                stop=display.stop,
            )
        else:
            extra = (f"train.epochs={epochs}",) if epochs else ()
            settings = api.recipe(backend, config, (*assignments, *extra))
            command = display.command()
            run = api.train(
                dataset,
                out,
                settings,
                device=device,
                max_minutes=minutes,
                command=command,
                on_progress=display,
                stop=display.stop,
            )
    if not run.finished():
        click.echo("go on with --resume", err=True)
    click.echo(f"run: {out}")
    if run.has_weights():
        click.echo(f"next: medgen report {out}")


@main.command()
@click.argument("run", type=PATH)
@click.argument("source", metavar="INPUT", type=PATH)
@click.option("--out", type=PATH, required=True, help="Folder for scores.csv, maps and pictures.")
@click.option(
    "--pictures/--no-pictures", default=True, help="Write original, reconstruction and map of each frame.  [default: on]"
)
@input_options
def score(run: Path, source: Path, out: Path, **chosen: Any) -> None:
    """Score each frame of INPUT (raw frames or a data set): raw score, quantile among normals, decision."""
    from medgen import api

    from .tables import score_table

    with Display() as display:
        scored = api.score(run, source, out, on_progress=display, **chosen)
    click.echo(score_table(scored.table))
    click.echo(f"scores: {out / 'scores.csv'}")
    if rejected := len(scored.data.rejected()):
        click.echo(f"{rejected} files could not be read; see {out / 'rejected.csv'}")


@main.command()
@click.argument("run", type=PATH)
@click.option(
    "--false-alarm-rate",
    "rate",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.05,
    show_default=True,
    help="Share of normal frames that may be called abnormal.",
)
def threshold(run: Path, rate: float) -> None:
    """Put the threshold of RUN where a false-alarm rate has it; the normal validation frames alone decide that.

    No score changes, and nothing is trained or scored again; a rate that there are too few frames for is refused.
    """
    from medgen import api

    found = api.set_threshold(run, rate)
    click.echo(f"threshold: {found['value']:.6g}; a frame that scores higher is called abnormal")
    groups = f" of {found['groups']} groups" if found.get("groups", found["normals"]) < found["normals"] else ""
    click.echo(
        f"guarantee: of normal frames like the {found['normals']} normal validation frames{groups} that it rests on, at most "
        f"{100 * rate:g} % are called so (split conformal prediction, in the mean over such sets)"
    )
    if groups:
        click.echo("frames of one group resemble each other, so that the guarantee is looser than so many frames would make it")


@main.command()
def backends() -> None:
    """List the generative models that can be trained."""
    from medgen import api

    for name, summary in api.backends().items():
        click.echo(f"{name}: {summary}")
