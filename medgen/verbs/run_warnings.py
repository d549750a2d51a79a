"""What a reader has to know before any number of a run: each warning is one function of what is known of the run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import pandas as pd

from medgen import registry
from medgen.data.contents import SIDE_CHANGED
from medgen.data.prepared import TABLE_CHANGED, Prepared
from medgen.data.scorable import is_scored, left_out
from medgen.errors import number_of
from medgen.metrics.units import statistical_units
from medgen.report.study.summary import few_groups
from medgen.runs.datasets import shown_otherwise
from medgen.runs.packages import OF_PACKAGE
from medgen.runs.run import Run
from medgen.types import DataRequirements


class ScoredRun(NamedTuple):
    """A run with the frames that it has scored.

    Attributes
    ----------
    requirements : of the training batches of its backend
    split : whose frames the scores are of
    metrics : of these scores, as the page shows them
    external : whether the frames are known to be of another data set, which the page is about
    """

    run: Run
    requirements: DataRequirements
    data: Prepared
    split: str
    scores: pd.DataFrame
    metrics: Mapping[str, Any]
    external: bool = False


def run_warnings(scored: ScoredRun) -> list[str]:
    """Return the warnings that hold for a run, one sentence or two each, in the order of the page."""
    return [warning for warn in WARNINGS if (warning := warn(scored))]


def _training_saw_more_than_normal_frames(scored: ScoredRun) -> str:
    requirements, other = scored.requirements, scored.run.settings.data.other
    if requirements.abnormal or (requirements.other == "pool" and not other):
        return (
            "The training saw abnormal frames, none of them a test frame: do not put these numbers beside those of a training "
            "that saw normal frames alone without saying so."
        )
    return f"The training saw a second data set besides, {other}." if requirements.other == "pool" else ""


def _frames_are_no_test_frames(scored: ScoredRun) -> str:
    if scored.split == "test" or scored.external:
        return ""
    return f"What is called test here are frames of split “{scored.split}”, which the training may have seen."


def _frames_are_of_another_data_set(scored: ScoredRun) -> str:
    if scored.external or scored.data.digest == scored.run.origin.data_digest:
        return ""
    if TABLE_CHANGED in scored.data.warnings:
        return "The table of the data set (index.csv) was changed after the training; what it says now counts here."
    return "The frames scored here are not from the data set that the run was trained on."


def _frames_are_shown_otherwise(scored: ScoredRun) -> str:
    return shown_otherwise(scored.run, scored.data)


def _splits_share_near_duplicates(scored: ScoredRun) -> str:
    if scored.external or not (leaks := len(scored.data.leaks())):  # frames of its other splits taught this run nothing
        return ""
    return (
        f"Near-duplicate frames stand in different splits ({leaks} {'pair' if leaks == 1 else 'pairs'}); they are listed in "
        "leaks.csv of the data set."
    )


def _splits_divide_groups(scored: ScoredRun) -> str:
    counts = scored.data.divided_groups()["reason"].value_counts().to_dict()
    if scored.external or not counts:
        return ""
    kinds = ", ".join(f"{kind} {count}" for kind, count in counts.items())
    return f"The splits of the source divide what belongs together ({kinds}), so that the test is too easy; leaks.csv lists it."


def _side_tables_were_changed(scored: ScoredRun) -> str:
    """Speak of tables of what is left out and what leaks: the page rests on what they say now."""
    changed = [warning for warning in scored.data.warnings if warning.endswith(SIDE_CHANGED)]
    return f"Of the data set, {' and '.join(changed)}." if changed else ""


def training_warning(run: Run) -> str:
    """Return with what warning a training ended, as a sentence; "" where there was none."""
    return f"The training ended with a warning: {run.about['warning']}." if run.about.get("warning") else ""


def recalibrated_warning(run: Run) -> str:
    """Return what the threshold of a recalibrated run is for, as a sentence; "" for a run as it was trained."""
    if not run.recalibrated_on:
        return ""
    return (
        f"This run was recalibrated on {run.threshold().get('normals', 0)} normal frames of another place "
        f"({run.about.get('recalibrated_with', 'of which nothing is noted')}): its threshold is for frames like those, and not "
        "for frames of the place that it was trained at; what is called normal validation frames here are these."
    )


def other_version(run: Run) -> str:
    """Return that the backend's package has another version than at the training, as a sentence; "" where it has not."""
    then, now = run.about.get(OF_PACKAGE, ""), registry.origin(run.settings.backend)
    changed = f"The backend of this run was of {then or 'medgen'} when it was trained, and is of {now or 'medgen'} here."
    return changed if then != now else ""


def no_threshold(run: Run) -> str:
    """Return why a run has no threshold, as a sentence."""
    return f"No threshold: {run.calibration().get('reason') or 'there were no normal validation frames'}."


def _there_is_no_threshold(scored: ScoredRun) -> str:
    return no_threshold(scored.run) if scored.run.calibration().get("value") is None else ""


def _overlay_was_scored(scored: ScoredRun) -> str:
    if scored.run.settings.data.overlay != "keep":
        return ""
    return "Border, boxes, text and highlights were scored like tissue; a score may see the camera and not the finding."


def _labels_differ_in_frame_size(scored: ScoredRun) -> str:
    sizes = scored.data.index.groupby("label")[["width", "height"]].median()
    if {"normal", "abnormal"} <= set(sizes.index) and (sizes.loc["normal"] != sizes.loc["abnormal"]).any():
        return "Normal and abnormal frames differ in their original size; other traits of the camera may differ as well."
    return ""


def _files_could_not_be_read(scored: ScoredRun) -> str:
    rejected = len(scored.data.rejected())
    return f"{number_of(rejected, 'file', 'files')} could not be read, listed below." if rejected else ""


def _frames_are_of_few_groups(scored: ScoredRun) -> str:
    scores = scored.scores[is_scored(scored.scores)]
    few = few_groups(scores["label"].to_numpy(), statistical_units(scores["group"]))
    return f"{few}." if few else ""


def _frames_have_no_score(scored: ScoredRun) -> str:
    return unscored_warning(scored.scores)


def unscored_warning(table: pd.DataFrame) -> str:
    """Return how many frames of a table of scores have none and what becomes of them, as a sentence or two; "" where all have."""
    paths = table["path"][~is_scored(table)].tolist()
    if not paths:
        return ""
    return (
        f"{left_out(len(paths), len(table), 'frames', paths)}. They have no score and are flagged for review: a person has to "
        "look at them. They count neither as found nor as missed, and in no measure; scores.csv names each (status)."
    )


def _one_label_is_missing(scored: ScoredRun) -> str:
    if scored.metrics["detection"]:
        return ""
    return "Without both normal and abnormal test frames, detection cannot be measured."


def _maps_are_no_better_than_without_a_model(scored: ScoredRun) -> str:
    return str((scored.metrics.get("localisation") or {}).get("warning", ""))


WARNINGS: tuple[Callable[[ScoredRun], str], ...] = (
    _training_saw_more_than_normal_frames,
    _frames_are_no_test_frames,
    _frames_are_of_another_data_set,
    _frames_are_shown_otherwise,
    _splits_share_near_duplicates,
    _splits_divide_groups,
    _side_tables_were_changed,
    lambda scored: training_warning(scored.run),
    lambda scored: recalibrated_warning(scored.run),
    lambda scored: other_version(scored.run),
    _there_is_no_threshold,
    _overlay_was_scored,
    _labels_differ_in_frame_size,
    _files_could_not_be_read,
    _frames_have_no_score,
    _frames_are_of_few_groups,
    _one_label_is_missing,
    _maps_are_no_better_than_without_a_model,
)
