"""Recalibrate a run on few normal frames of another place: a run of its own, whose threshold is for frames like those."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from medgen.data.native.addresses import address_from
from medgen.engine import checkpoint
from medgen.engine.device import Device, find_device
from medgen.engine.fit import WEIGHTS
from medgen.errors import RunError
from medgen.files import short_digest, shown_source, write_csv, write_json
from medgen.metrics.calibration import group_shares, p_value, threshold
from medgen.outputs.folder import output_folder
from medgen.report.guarantee import MOVED, promised
from medgen.report.recalibration import FACTS, RecalibrationMetrics, side, write_recalibration
from medgen.runs.calibrating.calibrate import PIXELS_BELOW, decide
from medgen.runs.calibrating.left_out import Movable, fuse_left_out, score_left_out
from medgen.runs.calibrating.normal_frames import score_normals
from medgen.runs.made_of import made_of
from medgen.runs.run import CALIBRATION, COMMON_MASK, NORMALS, RUN, Calibration, Run, open_run, write_normal_reference
from medgen.runs.versions import made_by
from medgen.types import OnProgress, no_progress
from medgen.verbs.recalibrating.normals import Normals, check_rate, open_normals
from medgen.verbs.score import Split

KEPT = (COMMON_MASK, "log.csv", "steps.csv", "cost.json")  # of the run, where it has them


def recalibrate(
    run_folder: Path,
    normals: Path,
    out: Path,
    *,
    false_alarm_rate: float | None = None,
    split: Split | None = None,
    by_group: bool = True,
    move: bool = True,
    device: Device = "auto",
    command: str = "",
    on_progress: OnProgress = no_progress,
) -> Run:
    """Make a run whose threshold, and what it holds for normal as far as few frames carry it, are for frames of another place.

    The new run is one like any other; the old one stays as it is and is named in the new one's ``run.toml`` with the digest of
    its weights. ``recalibration.html`` shows threshold, false alarms and scores before and after, ``recalibration.json`` has its
    numbers and ``normals.csv`` the frames.

    Parameters
    ----------
    run_folder : a trained run
    normals : 20 or more normal frames of the other place: raw ones (all of them), or a data set (its splits train and val, or
        `split`)
    out : folder of the new run
    false_alarm_rate : of normal frames, in (0, 1); by default that of the threshold of the run
    split : of a data set: "train", "val", "test" or "all"
    by_group : groups (patients, videos, near-duplicates) count, and not frames
    move : False moves the threshold alone, and nothing that scores are computed from
    device : "auto" takes a GPU where there is one
    command : how this can be repeated; kept in ``run.toml``

    Raises
    ------
    RunError : if the run is not trained, or was recalibrated itself.
    DataError, MedgenError : if there are too few frames, or too few for the rate.
    FolderError : if `out` holds something else, or another process writes into it.

    Examples
    --------
    >>> local = api.recalibrate(RUN, FRAMES, OUT / "local", false_alarm_rate=0.2)
    >>> local.calibration()["normals"], local.calibration()["groups"]
    (32, 4)
    """
    run, with_device = _finished_run(run_folder), find_device(device)
    stored = run.threshold().get("false_alarm_rate", run.settings.false_alarm_rate)  # `set_threshold` may have moved it since
    rate = stored if false_alarm_rate is None else false_alarm_rate
    of = made_of(out, [run], normals, split or "train and val")
    with output_folder(out, "recalibrate", (FACTS,), of=of):
        (out / RUN).unlink(missing_ok=True)  # the last that is written
        frames = open_normals(run, normals, out, split, by_group, on_progress)
        lowest = check_rate(frames.groups, rate, by_group)
        before = _scores_before(run, frames, with_device, on_progress)
        detector = Movable(run, frames.data, frames.rows, with_device, on_progress, fixed=not move)
        after, facts = _calibration(run, frames, detector, rate, by_group, move, with_device, on_progress)
        local, shares = _write_run(run, frames, detector, rate, out, command)
        exact = not (any(shares.values()) or (move and run.settings.scoring.fuse))
        if not exact:
            facts["method"] = MOVED
        write_json(out / CALIBRATION, {**facts, "weights": local.weights_digest()})
        flagged = p_values_of_others(after, frames.groups) <= rate
        table = frames.data.index.iloc[frames.rows][["path", "group", "digest"]].assign(score_before=before, score_after=after)
        limit = run.threshold().get("value")
        decisions = {"abnormal_before": None if limit is None else before > limit, "abnormal_after": flagged}
        write_csv(out / NORMALS, table.assign(**decisions))
        before_promised = promised({**run.threshold(), "false_alarm_rate": stored})
        metrics: RecalibrationMetrics = {
            "run": run.name,
            "weights": run.weights_digest(),
            "source": shown_source(frames.data.source),
            "normals": len(frames.rows),
            "groups": facts["groups"],
            "by_group": by_group,
            "lowest_rate": lowest,
            "shares": shares,
            "exact": exact,
            "before": side(limit, stored, None if limit is None else before > limit, before_promised),
            "after": side(facts["value"], rate, flagged, promised(facts)),
        }
        write_recalibration(metrics, before, after, out)
        return local.write()


def p_values_of_others(scores: NDArray[np.float64], groups: NDArray[np.str_]) -> NDArray[np.float64]:
    """Return the conformal p-value (N,) of each score among those of other groups, each of which counts once."""
    p_values = np.ones(len(scores))
    for group in np.unique(groups):
        own = groups == group
        if not own.all():
            p_values[own] = p_value(scores[~own], scores[own], group_shares(groups[~own]))
    return p_values


def _finished_run(folder: Path) -> Run:
    """Open a run that can be recalibrated; it is only read.

    Raises
    ------
    RunError : if it is not finished, was recalibrated itself, or its calibration is of another version of the code.
    """
    run = open_run(folder)
    run.require_weights()
    if not run.finished():
        raise RunError(f"'{folder}' is not finished; finish it with `medgen train ... --resume`")
    if run.recalibrated_on:
        raise RunError(f"'{folder}' was recalibrated itself; recalibrate the run that its run.toml names, on all frames at once")
    if run.stored_calibration() and not run.calibration():
        raise RunError(f"the calibration of '{folder}' is of another version of medgen; `medgen report {folder}` makes it anew")
    if run.settings.scoring.fuse and not run.calibration():
        raise RunError(f"'{folder}' fuses parts and had no normal validation frames to do so by; train it with some")
    return run


def _scores_before(run: Run, frames: Normals, device: torch.device, on_progress: OnProgress) -> NDArray[np.float64]:
    """Return the score (N,) of each frame by the run as it is."""
    table, _ = score_normals(run, frames.data, frames.rows, run.trained_model(), run.normal_reference(), device, on_progress)
    return decide(run, table)["score"].to_numpy(dtype=np.float64)


def _calibration(
    run: Run,
    frames: Normals,
    detector: Movable,
    rate: float,
    by_group: bool,
    move: bool,
    device: torch.device,
    on_progress: OnProgress,
) -> tuple[NDArray[np.float64], Calibration]:
    """Return the score (N,) of each frame by what the others made of the run, and the calibration that follows."""
    facts: Calibration = {"made_by": made_by("calibration"), "false_alarm_rate": rate, "reason": ""}
    table, pixels = score_left_out(run, frames.data, frames.rows, frames.groups, detector, device, on_progress)
    scores = table["score"].to_numpy(dtype=np.float64)
    if run.settings.scoring.fuse and move:
        scores, facts["components"] = fuse_left_out(run, table, frames.groups)
    elif run.settings.scoring.fuse:
        facts["components"] = run.calibration()["components"]
        scores = decide(run, table)["score"].to_numpy(dtype=np.float64)
    if pixels is not None:
        facts["pixel_level"] = float(np.percentile(pixels, PIXELS_BELOW))
    order = np.argsort(scores, kind="stable")
    shares = group_shares(frames.groups)[order]
    facts["scores"], facts["normals"], facts["groups"] = scores[order].tolist(), len(scores), len(set(frames.groups.tolist()))
    if facts["groups"] < facts["normals"]:
        facts["shares"], facts["by_group"] = shares.tolist(), True
    facts["value"] = threshold(scores[order], rate, shares)
    return scores, facts


def _write_run(
    run: Run, frames: Normals, detector: Movable, rate: float, out: Path, command: str
) -> tuple[Run, dict[str, float]]:
    """Write all of the new run but its calibration and ``run.toml``; return it with the shares of the frames in what moved."""
    everything = np.ones(len(frames.rows), dtype=bool)
    moved = detector.move(everything if detector.moves else ~everything)
    for name in KEPT:
        if (run.folder / name).is_file():
            shutil.copyfile(run.folder / name, out / name)
    if moved.shares.get("model"):
        checkpoint.save(out / WEIGHTS, moved.weights, checkpoint.load(run.folder / WEIGHTS)[1])
    else:
        shutil.copyfile(run.folder / WEIGHTS, out / WEIGHTS)
    if run.settings.scoring.needs_reference:
        write_normal_reference(out, moved.reference)
    about = {
        "recalibrated_from": address_from(str(run.folder.resolve()), out.resolve()),
        "recalibrated_from_weights": run.weights_digest(),
        "recalibrated_on": short_digest(frames.data.digest, frames.rows.tobytes(), *frames.groups, str(moved.shares)),
        "recalibrated_with": f"{len(frames.rows)} frames of '{shown_source(frames.data.source)}'",
        "trained_by": run.about.get("command", ""),
        "command": command,
    }
    settings = run.settings.model_copy(update={"false_alarm_rate": rate})
    return replace(run, folder=out, settings=settings, about={**run.about, **about}), moved.shares
