"""`medgen compare`: from a data set, a study file or finished runs to one page that compares the backends."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from medgen.report.study.warned import warned

from ..answer import answer
from ..options import (
    PATH,
    complete_backends,
    complete_recipes,
    device_option,
    parquet_option,
    runtime_option,
    tracker_assignments,
    tracker_option,
)
from ..progress import Display
from ..tables import align, number

if TYPE_CHECKING:
    from medgen.engine.device import Device
    from medgen.engine.runtime import Runtime
    from medgen.report.study.comparison import Comparison
    from medgen.verbs.study.over_datasets import ComparedOverDatasets
    from medgen.verbs.study.settings import StudySettings

NAMED = 3  # runs that a warning names, before it says how many more it concerns
STUDY_OPTIONS = ("backends", "budget", "seeds", "config", "assignments")  # options that describe a study on the command line


@click.command()
@click.argument("inputs", nargs=-1, required=True, metavar="DATASET|STUDY.toml|RUN...", type=PATH)
@click.option("--out", type=PATH, required=True, help="Folder of the study: runs, pages, study.toml, report.html.")
@click.option("--backends", shell_complete=complete_backends, help="Names with commas between them: train these on DATASET.")
@click.option("--budget", help="Training time for each run: 90s, 20m, 1.5h.  [default: as the recipes say]")
@click.option("--seeds", type=click.IntRange(1, 1000), help="Train each backend with so many seeds.  [default: 1]")
@click.option(
    "--config",
    shell_complete=complete_recipes,
    help="Recipe by name (`medgen recipes`), or a TOML file; {backend} in it stands for each name.",
)
@click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Change one setting of every backend. Repeatable.")
@click.option(
    "--jobs",
    type=click.IntRange(1, 1024),
    help="So many trainings at a time, on the GPUs in turn.  [default: 1]",
)
@click.option("--data", "dataset", type=PATH, help="Of finished runs: their data set, where it has moved since the training.")
@tracker_option
@device_option
@runtime_option
@parquet_option
def compare(
    inputs: tuple[Path, ...],
    out: Path,
    jobs: int | None,
    dataset: Path | None,
    device: Device,
    runtime: Runtime,
    **study_options: Any,
) -> None:
    """Compare backends on the same frames: train them, or take finished runs, and write one page.

    \b
    medgen compare DATA --backends endovae,vqvae2,patchcore --budget 20m --seeds 3 --out STUDY
    medgen compare STUDY/study.toml --out AGAIN      a study file says it all
    medgen compare RUN1 RUN2 --out PAGE              finished runs

    Every backend gets the same split, budget and precision, and one mask for all frames (data.overlay is "common" unless --set
    says otherwise). The epochs of a training are chosen such that its whole schedule fits the budget. What is finished in --out
    is not done again; Ctrl-C stops after the current step, and the same command goes on.
    """
    from medgen import api
    from medgen.verbs.study.compare import Compared

    if trackers := study_options.pop("trackers"):
        study_options["assignments"] += tracker_assignments(trackers)
    with Display() as display:
        study = _study(inputs, dataset, study_options)
        common: dict[str, Any] = {"device": device, "runtime": runtime, "command": display.command(), "on_progress": display}
        compared: Compared | ComparedOverDatasets | None
        at_a_time: dict[str, Any] = {"jobs": jobs or 1, "stop": display.stop}
        if study is None and jobs:
            raise click.UsageError("--jobs is of trainings, and finished runs are finished; leave it away")
        if study is None:
            compared = api.compare_runs(inputs, out, dataset=dataset, **common)
        elif study.several:
            compared = api.compare_over_datasets(study, out, **at_a_time, **common)
        else:
            compared = api.compare(study, out, **at_a_time, **common)
    if compared is None:
        click.echo("stopped; the same command goes on", err=True)
        return
    if isinstance(compared, Compared):
        answer(comparison_table(compared.comparison), **comparison_values(compared.comparison))
    else:
        answer(datasets_table(compared.metrics), **compared.metrics)
    answer(f"report: {compared.page}", report=compared.page, metrics=compared.page.with_name("metrics.json"))


def _study(inputs: tuple[Path, ...], dataset: Path | None, study_options: dict[str, Any]) -> StudySettings | None:
    """Return the study that the arguments describe; None if they are finished runs.

    Raises
    ------
    click.UsageError : if arguments and options do not go together.
    """
    from medgen import api

    first = inputs[0]
    if study_options["backends"] is not None:
        if len(inputs) > 1 or dataset:
            raise click.UsageError("--backends trains on one data set: `medgen compare DATASET --backends A,B --out STUDY`")
        names = [name.strip() for name in study_options["backends"].split(",") if name.strip()]
        options = {name: study_options[name] for name in STUDY_OPTIONS[1:] if study_options[name]}
        return api.study_of(first, names, **options)
    for name in STUDY_OPTIONS[1:]:
        if study_options[name]:
            option = "set and --tracker" if name == "assignments" else name
            raise click.UsageError(
                f"--{option} goes with --backends; a study file says it itself, and finished runs are finished"
            )
    if first.suffix == ".toml":
        if len(inputs) > 1 or dataset:
            raise click.UsageError(f"a study file is compared alone; '{first}' says everything")
        return api.read_study(first)
    if (first / "study.toml").is_file() and not (first / "run.toml").is_file():
        raise click.UsageError(f"'{first}' is a study; repeat it with `medgen compare {first / 'study.toml'} --out DIR`")
    if not (first / "run.toml").is_file() and len(inputs) == 1:
        raise click.UsageError(
            f"'{first}' is no run; name two finished runs or more, or say what to train on it with --backends endovae,vqvae2"
        )
    return None


def comparison_values(comparison: Comparison) -> dict[str, Any]:
    """Return AUROC and training time of each run, and the reasons of runs that failed."""
    runs = [
        {"backend": entry.name, "run": run.name, "auroc": run.metrics["detection"].get("auroc"),
         "training_seconds": cost.training_seconds}
        for entry in comparison.entries
        for run, cost in zip(entry.runs, entry.costs, strict=True)
    ]  # fmt: skip
    return {"runs": runs, "failed": [{"name": failure.name, "reason": failure.reason} for failure in comparison.failures]}


def comparison_table(comparison: Comparison) -> str:
    """Return the same as a table, and what is warned of."""
    values = comparison_values(comparison)
    rows: list[tuple[str, ...]] = [("backend", "run", "AUROC", "95 % interval", "training")]
    for run in values["runs"]:
        area, seconds = run["auroc"] or {}, run["training_seconds"]
        bounds = f"{number(area['low'])} to {number(area['high'])}" if area else "-"
        spent = "-" if seconds is None else f"{seconds / 60:.1f} min"
        rows.append((run["backend"], run["run"], number(area.get("value")), bounds, spent))
    maps = warned(
        (run.name, text)
        for entry in comparison.entries
        for run in entry.runs
        if (text := (run.metrics.get("localisation") or {}).get("warning"))
    )
    lines = []
    for one in maps:
        whose = [*one.names[:NAMED], f"{len(one.names) - NAMED} more"] if len(one.names) > NAMED + 1 else one.names
        lines.append(f"warning: {', '.join(whose)}: {one.text}{'; the page has the numbers of each' if one.each else ''}")
    return "\n".join([align(rows), *lines, *(f"failed: {failure['name']}: {failure['reason']}" for failure in values["failed"])])


def datasets_table(metrics: Mapping[str, Any]) -> str:
    """Return a table of the AUROC of each backend on each data set with each number of training frames, and what so few allow."""
    rows: list[tuple[str, ...]] = [("data set", "training frames", "backend", "AUROC", "95 % interval", "runs")]
    for cell in metrics["cells"]:
        bounds = "-" if cell["low"] is None else f"{number(cell['low'])} to {number(cell['high'])}"
        frames = str(cell["train_frames"])
        rows.append((cell["dataset"], frames, cell["entry"], number(cell["value"]), bounds, str(cell["runs"])))
    ranks = metrics["ranks"]
    means = ", ".join(f"{rank['name']} {rank['mean']:.2f}" for rank in ranks["ranks"])
    said = [f"mean ranks: {means}", *ranks["limits"]] if means else [f"no ranks: {ranks['reason']}"]
    missing = [f"failed: {gap['name']} on {gap['dataset']} ({gap['shots']}): {gap['reason']}" for gap in metrics["missing"]]
    return "\n".join([align(rows), *said, *missing])
