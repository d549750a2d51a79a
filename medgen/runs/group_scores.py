"""Scores of patients, videos and volumes of a run: test groups, and groups of normal validation frames that decide for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medgen.contract.backend import Backend
from medgen.data.prepared import Prepared
from medgen.data.scorable import is_scored, scorable
from medgen.data.source_file import file_and_frame
from medgen.engine.device import Device
from medgen.report.localisation.group_scores import GroupedFrames, score_groups
from medgen.report.localisation.local_metrics import GroupedScores
from medgen.runs.datasets import recalibrated_on
from medgen.runs.run import Run
from medgen.runs.score_table import ScoreTable
from medgen.runs.scores import score_rows, scores_folder
from medgen.types import OnProgress, no_progress

GROUP, FILE = "group (patient, video, near-duplicates)", "video or volume"
OTHER_DATA = "the frames are not of the data set of the training, whose validation frames would give it"
FITTED = "the validation frames of this run were fitted to as well, so that there are none to decide for groups by"
NOT_THERE = "the frames that the run was recalibrated on are not named in its folder"
NOT_NAMED = "the frames that the run was recalibrated on have no groups of this kind"
SHARED = "test and validation share groups of this kind, so that one says nothing of the other"

Kinds = Callable[[Prepared, NDArray[np.int64]], Mapping[str, Sequence[str]]]


def group_kinds(data: Prepared, rows: NDArray[np.int64]) -> dict[str, list[str]]:
    """Return what frames belong to, by kind: the groups of the data set, and the file where it holds several frames.

    A frame without a group is one of its own.
    """
    index = data.index.iloc[rows]
    ids = index["id"].astype(str)
    groups = [str(group) or f"frame {frame}" for group, frame in zip(index["group"], ids, strict=True)]
    return {GROUP: groups, FILE: [file_and_frame(str(path))[0] for path in index["path"]]}


def grouped_scores(
    run: Run,
    scored: ScoreTable,
    kinds: Kinds,
    out_of_validation: Callable[[Prepared, NDArray[np.int64]], ScoreTable],
) -> dict[str, GroupedScores]:
    """Return how groups of each kind are told apart and decided; kinds whose groups have one frame each are left out.

    Parameters
    ----------
    scored : the frames that are measured on
    kinds : names of kinds -> the group of each of some rows, "" for none; those of which a name comes twice say nothing new
    out_of_validation : scores validation frames; asked only where there are groups of several frames
    """
    data, fitted, elsewhere = scored.data, run.settings.scoring.leaves_out, bool(run.recalibrated_on)
    own = scored.data.digest == run.origin.data_digest and not (fitted or elsewhere)
    kept = is_scored(scored.table)
    scores, labels = (scored.table[name].to_numpy()[kept] for name in ("score", "label"))
    found: dict[str, GroupedScores] = {}
    normals: tuple[ScoreTable, NDArray[np.bool_]] | None = None
    seen: list[list[int]] = []
    rate = run.threshold().get("false_alarm_rate") or run.settings.false_alarm_rate
    for name, values in kinds(data, scored.rows).items():
        groups = np.array(values, dtype=str)[kept]
        inside = groups != ""
        pattern = np.unique(groups, return_inverse=True)[1].tolist()
        if not 2 <= len(set(groups[inside])) < inside.sum() or pattern in seen:
            continue
        seen.append(pattern)
        if own and normals is None:
            normals = _normals(run, data, out_of_validation)
        reason, calibration = "" if own else FITTED if fitted else OTHER_DATA, None
        if elsewhere:
            calibration = _of_the_other_place(run) if name == GROUP else None
            reason = NOT_NAMED if name != GROUP else NOT_THERE if calibration is None else ""
        if normals is not None:
            table, chosen = normals
            of_normals = np.array(kinds(data, table.rows)[name], dtype=str)[chosen]
            within = of_normals != ""
            normal_scores = table.table["score"].to_numpy(dtype=float)[chosen]
            calibration = GroupedFrames(normal_scores[within], of_normals[within])
        if calibration is not None and set(calibration.groups) & set(groups[inside]):
            reason = SHARED
        test = GroupedFrames(scores[inside].astype(float), groups[inside])
        found[name] = score_groups(test, labels[inside].astype(str), calibration, rate, reason)
    return found


def _of_the_other_place(run: Run) -> GroupedFrames | None:
    """Return the frames of the other place, each scored by what the others made of the run: those that its threshold is of."""
    table = recalibrated_on(run)
    if table is None:
        return None
    names = [str(group) or f"frame {number}" for number, group in enumerate(table["group"])]
    return GroupedFrames(table["score_after"].to_numpy(dtype=float), np.array(names, dtype=str))


def _normals(
    run: Run, data: Prepared, score: Callable[[Prepared, NDArray[np.int64]], ScoreTable]
) -> tuple[ScoreTable, NDArray[np.bool_]] | None:
    """Return the scores of the normal validation frames and which of them count: those that had no say in the score itself."""
    rows = data.rows("val")
    usable = scorable(data, rows, run.settings.data.overlay)
    if run.settings.scoring.fuse:
        usable = usable[1::2]  # the others told the p-values that are fused
    if not len(usable) or not run.calibration():
        return None
    table = score(data, rows)
    return table, np.isin(rows, usable) & is_scored(table.table)


def validation_scorer(
    run: Run, model: Backend, out: Path, device: Device = "auto", on_progress: OnProgress = no_progress
) -> Callable[[Prepared, NDArray[np.int64]], ScoreTable]:
    """Return what scores validation frames of the run's own data set, into the folder that a report on them would use.

    `out` takes them where the run cannot be written.
    """

    def score(data: Prepared, rows: NDArray[np.int64]) -> ScoreTable:
        folder = scores_folder(run, data, "val", out)
        return score_rows(run, data, rows, folder, model=model, device=device, on_progress=on_progress)

    return score
