"""Evaluate a finished run on frames of another data set than its own: another hospital, another camera, another year."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medgen.data.prepared import Prepared
from medgen.engine.device import Device, find_device
from medgen.engine.runtime import Runtime
from medgen.errors import DataError, FolderError
from medgen.files import shown_source, write_csv
from medgen.outputs.folder import output_folder
from medgen.report.evaluate import evaluate as measure
from medgen.report.external import LookedAt, compare_measures, measure_shift, shift_in_words, values_of, verdict
from medgen.report.groups import MOST
from medgen.report.measures import measured_values
from medgen.report.page import write_report
from medgen.report.run_metrics import ExternalMetrics, GroupMetrics, RunMetrics
from medgen.report.run_report_data import RunResults
from medgen.runs.made_of import made_of
from medgen.runs.run import Run, open_run
from medgen.types import OnProgress, no_progress
from medgen.verbs.audit import Training, cached_traits
from medgen.verbs.external.own_test import own_test
from medgen.verbs.external.places import unseen_places
from medgen.verbs.external.seen import PAIR, seen_in_training, seen_in_words
from medgen.verbs.report import EVALUATED, REPORTS
from medgen.verbs.results import OVERLAYS, evaluate_run
from medgen.verbs.score import Split, open_input
from medgen.verbs.subgroups import check_columns


class External(NamedTuple):
    """The frames that a run is evaluated on: a data set, rows of it, and what it was called."""

    data: Prepared
    rows: NDArray[np.int64]
    name: str


def evaluate(
    run_folder: Path,
    input_path: Path,
    out: Path | None = None,
    *,
    by: Sequence[str] = (),
    split: Split | None = None,
    assume: Literal["", "normal"] = "",
    device: Device = "auto",
    runtime: Runtime = "torch",
    on_progress: OnProgress = no_progress,
) -> Path:
    """Measure a finished run on labelled frames of another data set, and write one page about them; return its path.

    Beside ``report.html`` stand ``metrics.json`` with every number, ``measures.csv``, ``groups.csv``, ``shift.csv``,
    ``duplicates.csv`` and ``scores.csv``. The run stays byte for byte as it is.

    Parameters
    ----------
    run_folder : a trained run, which may be read-only
    input_path : raw frames in folders or by a manifest (all of them), or a prepared data set or archive (its test split)
    out : folder of the page, by default ``reports/runs/RUN-on-INPUT``; not within the run
    by : columns of the manifest (centre, sex, ...) by whose values the measures are repeated; "group" for the groups themselves
    split : of a data set: "train", "val", "test" or "all"
    assume : label of raw frames that their source leaves unlabelled
    device : "auto" takes a GPU where there is one
    runtime : what runs the nets, see `engine/runtime.py`

    Raises
    ------
    RunError : if the run is not trained, or its calibration is of another version of medgen.
    DataError : if there are no frames, they do not fit the run, they are the run's own, or there is no such column.
    FolderError : if `out` holds something else or lies in the run, or another process writes into it.

    Examples
    --------
    >>> page = api.evaluate(RUN, FRAMES / "polyp", OUT / "external")
    >>> page.with_name("shift.csv").is_file()
    True
    """
    run = open_run(run_folder, kept=True)
    run.require_weights()
    find_device(device)  # one that is not there is refused before frames are prepared for it
    name = input_path.resolve().stem if input_path.suffix == ".csv" else input_path.resolve().name
    out = out or REPORTS / f"{run.name}-on-{name}"
    if out.resolve().is_relative_to(run.folder.resolve()):
        raise FolderError(f"'{out}' lies in the run '{run.folder}', which stays as it is; choose another --out")
    with output_folder(out, "evaluate", EVALUATED, of=made_of(out, [run], input_path, split, assume=assume)):
        data, rows = open_input(run, input_path, out, split, on_progress, assume=assume, shows_unread=True)
        _check_other(run, data)
        check_columns(data, by)
        results = _results(run, External(data, rows, name), out, by, device, runtime, on_progress)
        _write_tables(results, out)
        return write_report([results], out)


def _check_other(run: Run, data: Prepared) -> None:
    """Refuse the run's own data set."""
    if data.digest == run.origin.data_digest or data.address == run.origin.dataset:
        raise DataError(f"'{data.address}' is the data set that '{run.folder}' was trained on; `medgen report` measures that")


def _results(
    run: Run,
    external: External,
    out: Path,
    by: Sequence[str],
    device: Device,
    runtime: Runtime,
    on_progress: OnProgress,
) -> RunResults:
    """Score and measure the frames, and compare them with those of the run's own test."""
    data, rows, name = external
    own = own_test(run, out, device, runtime, on_progress)
    seen = seen_in_training(run, own.data, data, rows, on_progress)
    evaluated = evaluate_run(
        run,
        data,
        rows,
        out,
        by=by,
        training=Training(own.data, seen.pairs),
        device=device,
        runtime=runtime,
        on_progress=on_progress,
    )
    results, metrics = evaluated.results, evaluated.results.metrics
    within, words = verdict(metrics["threshold"], metrics["frames"]["normal"])
    about: ExternalMetrics = {
        "verdict": words,
        "within": within,
        "own": own.note,
        "seen": seen.counts,
        "measures": [],
        "shift": [],
    }
    if own.frames is not None:
        on_own = measure(own.frames.scores, None, run.threshold())
        about["own_frames"] = on_own["frames"]
        about["measures"] = compare_measures(metrics, on_own)
        about["shift"] = measure_shift(LookedAt(results.scores, cached_traits(data, rows, trained=own.data)), own.frames)
    about["warnings"] = _warnings(about, metrics, own.data, data, rows, by)
    return replace(
        results,
        name=f"{run.name} on {name}",
        dataset=_dataset(run, data, rows),
        metrics={**metrics, "external": about},
        warnings=[*about["warnings"], *results.warnings],
    )


def _warnings(
    about: ExternalMetrics,
    metrics: RunMetrics,
    own: Prepared | None,
    data: Prepared,
    rows: NDArray[np.int64],
    by: Sequence[str],
) -> list[str]:
    """Return what a reader has to know first of frames of another data set."""
    sentences = [
        about["verdict"] if about["within"] is False else "",
        seen_in_words(about["seen"], len(rows)),
        left_in_other_splits(data, rows),
        unseen_places(own, data, rows),
        *(
            f"There are fewer than 2 or more than {MOST} different values of “{column}”, so that nothing is measured by it."
            for column in by
            if not metrics["groups"][column]
        ),
        shift_in_words(about["shift"]),
    ]
    return [*filter(None, sentences)]


def left_in_other_splits(data: Prepared, rows: NDArray[np.int64]) -> str:
    """Return how many labelled frames of a data set stand in splits that are not measured, a sentence; "" where none does."""
    others = data.index.drop(index=data.index.index[rows])
    count = int(((others["copy"] == 0) & (others["label"] != "")).sum())
    if not count:
        return ""
    return (
        f"{count} labelled frames of this data set stand in other splits and are not measured; --split all takes them too, and "
        "`medgen prepare --all-test` makes a set of test frames alone."
    )


def _dataset(run: Run, data: Prepared, rows: NDArray[np.int64]) -> dict[str, str | int]:
    """Return what the run was trained on and is measured on, in words and counts."""
    frames = data.index.iloc[rows]
    facts: dict[str, str | int] = {
        "run": run.name,
        "trained on": run.origin.source,
        "measured on": shown_source(data.source),
        "crop": f"{data.size} x {data.size} x {data.channels}",
        "overlay": OVERLAYS[run.settings.data.overlay],
    }
    for (label, finding), members in frames.groupby(["label", "finding"]):
        facts[f"{label or 'unlabelled'}: {finding or 'no finding named'}"] = len(members)
    return facts | {"groups": frames["group"].nunique(), "rejected files": len(data.rejected())}


def _write_tables(results: RunResults, out: Path) -> None:
    """Write the numbers of the page as tables: measures, groups, shift, and near-duplicates."""
    metrics = results.metrics
    for name, table in (
        ("measures", _measures(metrics)),
        ("groups", _groups(metrics["groups"])),
        ("shift", pd.DataFrame(metrics["external"]["shift"])),
        ("duplicates", pd.DataFrame(results.audit["duplicates"], columns=PAIR)),
    ):
        write_csv(out / f"{name}.csv", table)


def _measures(metrics: RunMetrics) -> pd.DataFrame:
    own = {(entry["section"], entry["key"]): entry for entry in metrics["external"]["measures"]}
    rows = []
    for value in measured_values(metrics):
        measure = value.measure
        entry = own.get((measure.section, measure.key))
        compared = (*values_of(entry["own"]), *values_of(entry["difference"])) if entry else (None,) * 6
        rows.append((measure.section, measure.key, value.of, value.value, value.low, value.high, *compared))
    beside = [f"{name}{bound}" for name in ("own_test", "difference") for bound in ("", "_low", "_high")]
    return pd.DataFrame(rows, columns=["section", "measure", "of", "value", "low", "high", *beside])


def _groups(kinds: dict[str, list[GroupMetrics]]) -> pd.DataFrame:
    rows = []
    for kind, groups in kinds.items():
        for group in groups:
            intervals = [
                values_of(part) for part in (group["auroc"], group.get("flagged_abnormal", {}), group.get("flagged_normal", {}))
            ]
            shares = [number for interval in intervals for number in interval]
            rows.append((kind, group["name"], group["normal"], group["abnormal"], group["against"], *shares, group.get("within")))
    bounds = [f"{name}{bound}" for name in ("auroc", "flagged_abnormal", "flagged_normal") for bound in ("", "_low", "_high")]
    return pd.DataFrame(rows, columns=["by", "name", "normal", "abnormal", "against", *bounds, "within"])
