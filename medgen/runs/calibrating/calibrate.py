"""The normal validation frames of a run: how rare a score is among them, and where the threshold lies.

A run is calibrated at the end of its training. From then on each of its raw scores gets its quantile among those frames and a
decision from here; a calibration that other code made is made again before it is used.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from medgen.data.prepared import Prepared
from medgen.data.scorable import is_scored
from medgen.engine.device import Device, find_device
from medgen.errors import ConfigError, MedgenError, RunError, did_you_mean
from medgen.files import write_json
from medgen.metrics.calibration import quantile, threshold
from medgen.metrics.fusion import fuse
from medgen.outputs.leftovers import remove_dead
from medgen.report.evaluate import COMPONENT
from medgen.report.run_metrics import Threshold
from medgen.runs.calibrating.normal_frames import frames_left_out, validation_frames
from medgen.runs.datasets import open_trained_on
from medgen.runs.run import CALIBRATION, Calibration, Run, open_run
from medgen.runs.versions import is_current, made_by
from medgen.types import OnProgress, Progress, no_progress

PIXELS_BELOW = 99.0  # per cent of the pixels of normal validation frames below the level at which a map is cut


def calibrate(
    run: Run,
    data: Prepared,
    device: torch.device,
    on_progress: OnProgress = no_progress,
    *,
    false_alarm_rate: float | None = None,
) -> None:
    """Score the normal validation frames and store their scores, with the threshold for a false-alarm rate, in the run.

    Where `scoring.calibration` leaves folds out, they are all frames that were fitted to, each scored without its fold, and the
    model is told of their scores.

    Where the backend draws maps, the level below which 99 % of their pixels lie is stored, too. Without enough normal frames for
    that rate there is no threshold, and ``calibration.json`` says why. Without any, nothing is stored. Frames that show next to
    nothing (`data/scorable.py`) are left out.

    Parameters
    ----------
    data : the data set that the run was trained on
    device : where the frames are scored
    false_alarm_rate : of normal frames, above 0 and below 1; by default the one in the run's settings
    """
    ways = frames_left_out if run.settings.scoring.leaves_out else validation_frames
    frames = ways(run, data, device, on_progress)
    if frames is None:
        return
    rows, table, pixels, groups, shares = frames
    rate = false_alarm_rate or run.settings.false_alarm_rate
    facts: Calibration = {"made_by": made_by("calibration"), "false_alarm_rate": rate, "value": None, "reason": ""}
    if names := run.settings.scoring.fuse:  # even rows fit the p-values, odd rows, which had no say in them, the threshold
        facts["components"] = {name: table[name][::2].tolist() for name in fused_components([*table.columns], names)}
        table = table[1::2].reset_index(drop=True)
        table["score"] = _fused(run, facts["components"], table)
        rows, groups = rows[1::2], groups[1::2]
    if (scoring := run.settings.scoring).leaves_out:
        facts |= {"method": scoring.calibration, "folds": int(run.settings.model["folds"]), "by_group": scoring.by_group}
    if pixels is not None:
        facts["pixel_level"] = float(np.percentile(pixels, PIXELS_BELOW))
    scores = table["score"].to_numpy(dtype=np.float64)
    facts["normals"], facts["groups"] = len(scores), len(set(groups.tolist()))
    try:
        facts["value"] = float(threshold(scores, rate, shares))
    except MedgenError as error:
        facts["reason"] = str(error)
        on_progress(Progress("calibrate", 0, 0, {}, f"no threshold: {error}"))
    order = np.argsort(scores, kind="stable")
    facts["weights"], facts["scores"] = run.weights_digest(), scores[order].tolist()
    if shares is not None:
        facts["shares"] = shares[order].tolist()
    write_json(run.folder / CALIBRATION, facts)


def renew_calibration(
    run: Run, datasets: Iterable[Prepared] = (), *, device: Device = "auto", on_progress: OnProgress = no_progress
) -> None:
    """Make a calibration again that another version of the code made; its false-alarm rate stays.

    A current one stays as it is, and a run that never had one still has none. What killed writes left in the run goes.

    Parameters
    ----------
    datasets : opened ones that may be the one the run was trained on, in case that has moved

    Raises
    ------
    RunError : if it has to be made again and the data set of the training is not there, or the run stays as it is.
    """
    if run.writable():
        remove_dead(run.folder)
    stored = run.stored_calibration()
    if not stored or is_current("calibration", stored):
        return
    if run.recalibrated_on:
        raise RunError(f"'{run.folder}' was recalibrated by another version of medgen; run `medgen recalibrate` again")
    if not run.writable():
        raise RunError(
            f"the calibration of '{run.folder}' was made by another version of medgen, and nothing is written into the run here; "
            f"`medgen report {run.folder}` makes it again"
        )
    data = _same_data(run, datasets)
    message = f"the calibration of '{run.folder}' was made by another version of medgen and is made again"
    on_progress(Progress("calibrate", 0, 0, {}, message))
    calibrate(run, data, find_device(device), on_progress, false_alarm_rate=stored.get("false_alarm_rate"))


def _same_data(run: Run, datasets: Iterable[Prepared]) -> Prepared:
    """Return the data set that the run was trained on.

    Raises
    ------
    RunError : if it is not there.
    """
    try:
        datasets = [open_trained_on(run), *datasets]
    except MedgenError:
        datasets = [*datasets]
    for data in datasets:
        if data.digest == run.origin.data_digest:
            return data
    raise RunError(
        f"the calibration of '{run.folder}' was made by another version of medgen, and the data set to make it again, "
        f"'{run.origin.dataset}', is not there as it was; run `medgen report {run.folder} --data DATASET` with its new place"
    )


def set_threshold(run_folder: Path, false_alarm_rate: float) -> Threshold:
    """Put the threshold of a run where another false-alarm rate has it; no weight, score or quantile changes.

    Parameters
    ----------
    run_folder : a trained run
    false_alarm_rate : share of normal frames that may be called abnormal, above 0 and below 1

    Returns
    -------
    "value" (the threshold), "false_alarm_rate", "normals" and "groups" (how many normal frames it rests on, and of how many
        groups they are), and what else is known of it

    Raises
    ------
    RunError : if the run has no scores of normal validation frames.
    MedgenError : if they are too few for the rate; the run stays as it was.

    Examples
    --------
    >>> api.set_threshold(RUN, 0.1)["normals"]
    24
    """
    run = open_run(run_folder)
    renew_calibration(run)
    calibration = run.calibration()
    if not calibration:
        raise RunError(
            f"'{run_folder}' has no scores of normal validation frames, so no rate can be promised; train it with some"
        )
    value = threshold(calibration["scores"], false_alarm_rate, calibration.get("shares"))
    chosen: Threshold = {"value": value, "false_alarm_rate": false_alarm_rate}
    write_json(run.folder / CALIBRATION, {**calibration, **chosen, "reason": ""})
    return open_run(run_folder).threshold()


def fused_components(columns: Sequence[str], names: Sequence[str]) -> list[str]:
    """Return the columns of the components that are fused.

    Raises
    ------
    ConfigError : if there is no such component, or the score has none at all.
    """
    known = [name.removeprefix(COMPONENT) for name in columns if name.startswith(COMPONENT)]
    if names and not known:
        raise ConfigError(
            "scoring.fuse joins the components of a score, and the score of this backend has none; leave scoring.fuse away, or "
            "add a component, such as scoring.feature_distance=true"
        )
    if names == ("*",):
        return [f"{COMPONENT}{name}" for name in known]
    if unknown := [name for name in names if name not in known]:
        raise ConfigError(f"scoring.fuse names '{unknown[0]}', which is no part of this score; {did_you_mean(unknown[0], known)}")
    return [f"{COMPONENT}{name}" for name in names]


def decide(run: Run, table: pd.DataFrame) -> pd.DataFrame:
    """Return a table of raw scores with what the calibration makes of them: "quantile" among normal frames, and "abnormal".

    A frame that cannot be scored (its "status" says so) has neither.

    Raises
    ------
    MedgenError : if the calibration belongs to other weights, or is missing where the score cannot be had without it.
    """
    table = table.drop(columns=["quantile", "abnormal"], errors="ignore")
    calibration = run.calibration()
    if not calibration:
        if run.settings.scoring.fuse:
            raise MedgenError(
                f"'{run.folder}' fuses parts, which takes normal validation frames, and had none; train without fuse"
            )
        return table
    if calibration["weights"] != run.weights_digest():
        raise MedgenError(f"the calibration of '{run.folder}' belongs to other weights; finish the training with --resume")
    scored = is_scored(table)
    if "components" in calibration and scored.any():
        table.loc[scored, "score"] = _fused(run, calibration["components"], table[scored])
    scores = table["score"].to_numpy(dtype=np.float64)
    quantiles = np.full(len(table), np.nan)
    quantiles[scored] = quantile(calibration["scores"], scores[scored], calibration.get("shares"))
    column = [*table.columns].index("score") + 1
    table.insert(column, "quantile", quantiles)
    if calibration["value"] is not None:
        flags = pd.Series(scores > calibration["value"], index=table.index)
        table.insert(column + 1, "abnormal", flags if scored.all() else flags.astype("boolean").mask(~scored))
    return table


def _fused(run: Run, reference: dict[str, list[float]], table: pd.DataFrame) -> NDArray[np.float64]:
    either = fused_components([*table.columns], run.settings.scoring.two_sided)
    return fuse(reference, {name: table[name].to_numpy() for name in reference}, either)
