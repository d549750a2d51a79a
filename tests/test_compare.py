"""Runs against each other: paired, on the same frames, corrected for how many pairs there are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from run_results import make_results
from sklearn.metrics import average_precision_score, roc_auc_score

from medgen.report.page import write_report
from medgen.report.paired import paired_tests
from medgen.report.run_report_data import RunResults

DRAW = np.random.default_rng(0)


def better(run: RunResults, by: float, name: str) -> RunResults:
    """Return a run whose abnormal frames score so much higher."""
    scores = run.scores.assign(
        score=run.scores["score"] + by * (run.scores["label"] == "abnormal") + DRAW.normal(0, 1e-6, len(run.scores))
    )
    return replace(run, scores=scores, name=name)


def test_each_pair_has_its_difference_in_each_measure() -> None:
    first = make_results()
    second = better(first, 0.5, "other")
    found = paired_tests(["a", "b"], [first, second], n_bootstrap=50)
    truth = first.scores["label"] == "abnormal"
    assert [entry["statistic"] for entry in found] == ["AUROC", "Average precision", "Sensitivity at 95 % specificity"]
    for entry, measure in zip(found, (roc_auc_score, average_precision_score), strict=False):
        known = first.scores["label"] != ""
        expected = measure(truth[known], first.scores["score"][known]) - measure(truth[known], second.scores["score"][known])
        assert entry["value"] == pytest.approx(expected)


def test_the_order_of_the_frames_does_not_matter() -> None:
    first = make_results()
    turned = replace(first, scores=first.scores.iloc[::-1].reset_index(drop=True))
    assert all(entry["value"] == 0 for entry in paired_tests(["a", "b"], [first, turned], n_bootstrap=50))


@pytest.mark.parametrize("other", [make_results(abnormals=30), None])
def test_other_frames_or_a_single_run_are_not_compared(other: RunResults | None) -> None:
    runs = [make_results(), *([other] if other else [])]
    assert paired_tests(["a", "b"][: len(runs)], runs, n_bootstrap=50) == []


def test_the_page_says_which_run_is_better_and_where_it_may_be_chance(tmp_path: Path) -> None:
    first = make_results()
    runs = [first, better(first, 5.0, "clear"), better(first, 0.0, "same")]
    page = write_report(runs, tmp_path).read_text()
    assert "Which differences are real?" in page and "is better" in page and "may be chance" in page
