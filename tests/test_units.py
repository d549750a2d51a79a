"""The statistical unit of a frame: its group, else itself, by the same rule wherever something is counted or drawn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from run_results import make_results
from studies import make_audit, make_comparison

from medgen.errors import MedgenError
from medgen.metrics.units import statistical_units
from medgen.report.paired import paired_tests
from medgen.report.study.summary import common_frames


def test_frames_of_a_group_are_one_unit() -> None:
    assert len(set(statistical_units(["patient 1", "patient 1", "patient 2"]))) == 2


@pytest.mark.parametrize("nothing", ["", None, np.nan, pd.NA])
def test_frames_without_a_group_are_units_of_their_own(nothing: object) -> None:
    assert len(set(statistical_units([nothing, nothing, "patient 1"]))) == 3


def test_a_group_named_like_a_frame_is_not_that_frame() -> None:
    assert len(set(statistical_units(["", "frame a", "a"], ["a", "b", "c"]))) == 3


def test_two_frames_of_one_name_are_refused() -> None:
    with pytest.raises(MedgenError, match="expected one for each frame"):
        statistical_units(["", ""], ["a", "a"])


def test_the_audit_takes_frames_without_a_group_for_units_of_their_own() -> None:
    frames = make_comparison(seeds=1).entries[0].runs[0].scores
    alone = make_audit(frames.assign(group=""), {})
    assert make_audit(frames.assign(group=None), {})["traits"] == alone["traits"]


def test_the_paired_test_keeps_a_group_apart_from_the_frame_that_it_is_named_like() -> None:
    run = make_results(2, 2)
    table = run.scores.assign(group=["frame " + run.scores["path"].iloc[1], "", "", ""])
    runs = [replace(run, scores=table), replace(run, scores=table.assign(score=table["score"].to_numpy()[::-1]))]
    area = next(pair for pair in paired_tests(["a", "b"], runs, 50) if pair["statistic"] == "AUROC")
    assert np.isfinite(area["low"])  # two normal frames as one unit could not be resampled


def test_a_comparison_counts_the_units_of_its_frames() -> None:
    made = make_comparison(10, 10, {"vae": 1.0}, seeds=1)
    run = made.entries[0].runs[0]
    bare = replace(run, scores=run.scores.assign(group=["patient 1", "patient 1", *[""] * 18]))
    frames = common_frames(replace(made, entries=[replace(made.entries[0], runs=[bare])]))
    assert len(set(frames.units)) == 19
