"""The `medgen` command. Nothing here imports torch before a command runs."""

from __future__ import annotations

import logging
import traceback
from pathlib import Path
from typing import Any

import click

from medgen import __version__
from medgen.errors import MedgenError

from .options import dataset_options, device_option, input_options, label_option
from .progress import Display

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
        except MedgenError as error:
            _fail(str(error), debug)
        except (click.ClickException, click.exceptions.Exit, click.Abort, KeyboardInterrupt):
            raise
        except MemoryError:
            _fail("out of memory; try a smaller --set data.batch_size or --size", debug)
        except Exception as error:
            if "out of memory" in str(error).lower():
                _fail("the GPU is out of memory; try a smaller --set data.batch_size, or --device cpu", debug)
            text = " ".join(str(error).split())
            _fail(f"this is a bug in medgen: {type(error).__name__}: {text} (`medgen --debug ...` shows more)", debug)


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
    """


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
def prepare(source: Path, out: Path, workers: int | None, overwrite: bool, **values: Any) -> None:
    """Crop the frames of SOURCE to their field of view, divide them into splits and store them.

    SOURCE is a folder with a manifest.csv, a folder per class (Kvasir and HyperKvasir names are known), or plain frames.
    An interrupted run goes on where it stopped.
    """
    from medgen import api
    from medgen.data.prepared import PrepareSettings

    from .tables import prepared_table

    settings = PrepareSettings.parse({key: value for key, value in values.items() if value is not None}, "prepare")
    with Display() as display:
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
    click.echo(f"run: {out}")
    if run.has_weights():
        click.echo(f"next: medgen report {out}")


@main.command()
@click.argument("run", type=PATH)
@click.argument("source", metavar="INPUT", type=PATH)
@click.option("--out", type=PATH, required=True, help="Folder for the pictures.")
@input_options
def reconstruct(run: Path, source: Path, out: Path, **chosen: Any) -> None:
    """Write what RUN makes of each frame of INPUT (raw frames or a data set)."""
    from medgen import api

    with Display() as display:
        count = api.reconstruct(run, source, out, on_progress=display, **chosen)
    click.echo(f"{count} reconstructions: {out}")


@main.command()
@click.argument("run", type=PATH)
@click.option("-n", "count", type=click.IntRange(1, 10_000), default=9, show_default=True, help="Frames to draw.")
@click.option("--out", type=PATH, required=True, help="Picture (PNG) of all, or a folder for a file each.")
@click.option("--seed", type=int, default=0, show_default=True)
@label_option
@device_option
def sample(run: Path, count: int, out: Path, **chosen: Any) -> None:
    """Draw new frames from RUN into one picture, or into a folder."""
    from medgen import api

    click.echo(f"{count} samples: {api.sample(run, out, count, **chosen)}")


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
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", type=PATH)
@click.option("--out", type=PATH, help="Folder of the page.  [default: reports/runs/NAME]")
@click.option("--data", "dataset", type=PATH, help="The prepared data set, where it has moved since the training.")
@device_option
def report(runs: tuple[Path, ...], out: Path | None, dataset: Path | None, device: Any) -> None:
    """Score the test split of each RUN and write one self-contained page with metrics.json and scores.csv beside it."""
    from medgen import api

    from .tables import metrics_table

    with Display() as display:
        page = api.report(runs, out, dataset=dataset, device=device, on_progress=display)
    click.echo(metrics_table(page.parent / "metrics.json"))
    click.echo(f"report: {page}")


@main.command()
def backends() -> None:
    """List the generative models that can be trained."""
    from medgen import api

    for name, summary in api.backends().items():
        click.echo(f"{name}: {summary}")
