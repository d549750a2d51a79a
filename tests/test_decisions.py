"""Measures of decisions against scikit-learn, intervals and tests against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import balanced_accuracy_score, f1_score, precision_score, recall_score

from medgen.errors import MedgenError
from medgen.metrics.calibration import p_value
from medgen.metrics.comparing.paired import paired_bootstrap
from medgen.metrics.decisions import (
    balanced_accuracy,
    binomial,
    f1,
    false_alarms,
    measure_decisions,
    precision,
    sensitivity,
    specificity,
    uniformity,
)
from medgen.metrics.detection import bootstrap
from medgen.metrics.intervals import mean_interval

RANDOM = np.random.default_rng(0)
LABELS = np.repeat([0, 1], [60, 40])
CALLED = RANDOM.normal(size=100) + LABELS > 0.8
GROUPS = np.arange(100) // 3
REFERENCES = {
    "sensitivity": (sensitivity, lambda *given, **weights: recall_score(*given, **weights)),
    "specificity": (specificity, lambda *given, **weights: recall_score(*given, pos_label=0, **weights)),
    "precision": (precision, lambda *given, **weights: precision_score(*given, **weights)),
    "f1": (f1, lambda *given, **weights: f1_score(*given, **weights)),
    "balanced_accuracy": (balanced_accuracy, lambda *given, **weights: balanced_accuracy_score(*given, **weights)),
}
BY_NAME = pytest.mark.parametrize("name", REFERENCES)


@BY_NAME
@pytest.mark.parametrize("weights", [None, RANDOM.integers(0, 4, 100), RANDOM.random(100)])
def test_each_measure_is_that_of_scikit_learn(name: str, weights: np.ndarray | None) -> None:
    ours, theirs = REFERENCES[name]
    assert ours(LABELS, CALLED, weights=weights) == pytest.approx(theirs(LABELS, CALLED, sample_weight=weights), abs=1e-12)


@BY_NAME
def test_a_batch_of_weights_gives_each_row_its_own_value(name: str) -> None:
    measure, rows = REFERENCES[name][0], RANDOM.integers(0, 3, (5, 100))
    expected = [measure(LABELS, CALLED, weights=row) for row in rows]
    assert measure(LABELS, CALLED, weights=rows) == pytest.approx(expected, abs=1e-12)


@BY_NAME
def test_the_value_of_each_interval_is_that_of_scikit_learn(name: str) -> None:
    assert measure_decisions(LABELS, CALLED, n_bootstrap=20)[name].value == pytest.approx(
        REFERENCES[name][1](LABELS, CALLED), abs=1e-12
    )


@BY_NAME
def test_each_value_lies_inside_its_interval(name: str) -> None:
    value, low, high = measure_decisions(LABELS, CALLED, GROUPS)[name]
    assert 0 < low < value < high < 1


@pytest.mark.parametrize(("name", "label"), [("sensitivity", 1), ("specificity", 0)])
def test_shares_of_frames_that_are_their_own_groups_have_the_exact_interval(name: str, label: int) -> None:
    right = CALLED[label == LABELS] == label
    expected = stats.binomtest(int(right.sum()), right.size).proportion_ci(0.9, method="exact")
    found = measure_decisions(LABELS, CALLED, n_bootstrap=20, level=0.9)[name]
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=1e-9)


@pytest.mark.parametrize(("name", "label"), [("sensitivity", 1), ("specificity", 0)])
def test_shares_of_frames_in_groups_have_the_interval_over_groups(name: str, label: int) -> None:
    kind = label == LABELS
    assert measure_decisions(LABELS, CALLED, GROUPS)[name] == mean_interval(CALLED[kind] == label, GROUPS[kind])


@pytest.mark.parametrize("name", ["precision", "f1", "balanced_accuracy"])
def test_measures_of_both_classes_have_the_interval_of_the_bootstrap(name: str) -> None:
    assert measure_decisions(LABELS, CALLED, GROUPS)[name] == bootstrap(REFERENCES[name][0], LABELS, CALLED, GROUPS)


def test_normal_frames_alone_have_specificity_and_nothing_else() -> None:
    result = measure_decisions(np.zeros(20, int), np.arange(20) < 3)
    assert result["specificity"].value == 17 / 20
    assert 0 < result["specificity"].low < result["specificity"].high < 1
    assert result["precision"].value == 0
    assert np.isnan([result["sensitivity"], result["f1"], result["balanced_accuracy"]]).all()


def test_abnormal_frames_alone_have_sensitivity_and_no_specificity() -> None:
    result = measure_decisions(np.ones(20, int), np.arange(20) < 3)
    assert result["sensitivity"].value == 3 / 20
    assert np.isnan([result["specificity"], result["balanced_accuracy"]]).all()


def test_with_no_frame_called_abnormal_precision_is_undefined_and_f1_is_zero() -> None:
    result = measure_decisions(LABELS, np.zeros(100, bool))
    assert np.isnan(result["precision"]).all()
    assert result["f1"] == (0, 0, 0)


def test_draws_without_an_alarm_do_not_spoil_the_interval_of_precision() -> None:
    called = np.arange(100) == 99
    assert np.isfinite(measure_decisions(LABELS, called)["precision"]).all()


def test_no_frames_at_all_are_undefined() -> None:
    assert np.isnan(list(measure_decisions([], []).values())).all()


def test_two_thresholds_can_be_compared() -> None:
    scores = RANDOM.normal(size=100) + LABELS
    result = paired_bootstrap(f1, LABELS, scores > 0.5, scores > 9, GROUPS)
    assert result.value == pytest.approx(f1_score(LABELS, scores > 0.5), abs=1e-12)
    assert result.p < 0.05


@pytest.mark.parametrize(("count", "of"), [(0, 30), (3, 30), (30, 30), (7, 400)])
def test_at_each_exact_bound_the_count_is_as_rare_as_the_level_says(count: int, of: int) -> None:
    value, low, high = binomial(count, of)
    assert value == count / of
    assert stats.binom.sf(count - 1, of, low) == pytest.approx(0.025) if count else low == 0
    assert stats.binom.cdf(count, of, high) == pytest.approx(0.025) if count < of else high == 1


def test_a_share_of_nothing_is_undefined() -> None:
    assert np.isnan(binomial(0, 0)).all()


@pytest.mark.parametrize(("alarms", "kept"), [(0, True), (2, True), (5, True), (10, True), (12, False), (40, False)])
def test_a_promise_is_kept_if_the_exact_test_does_not_find_more_alarms(alarms: int, kept: bool) -> None:
    result = false_alarms(np.arange(100) < alarms, 0.05)
    assert result[:3] == binomial(alarms, 100)
    assert result.kept == kept
    assert kept == (stats.binom.sf(alarms - 1, 100, 0.05) >= 0.025)


def test_a_rate_that_is_kept_is_found_to_be_kept_at_least_as_often_as_promised() -> None:
    counts = np.arange(31)  # more are as good as impossible
    kept = [false_alarms(np.arange(200) < count, 0.05).kept for count in counts]
    assert 0.975 <= stats.binom.pmf(counts, 200, 0.05)[kept].sum() < 0.99


def test_the_distance_from_uniform_is_the_largest_gap_of_the_step_curve() -> None:
    values = RANDOM.random(50) ** 1.5
    steps = np.linspace(0, 1, 200_001)
    curve = (values[:, None] <= steps).mean(0)
    assert uniformity(values).distance == pytest.approx(np.abs(curve - steps).max(), abs=1e-5)


def test_p_values_of_held_out_normals_are_found_uniform_as_often_as_promised() -> None:
    generator = np.random.default_rng(2)
    found = [uniformity(p_value(generator.normal(size=20_000), generator.normal(size=100))).p < 0.05 for _ in range(200)]
    assert 0.01 <= np.mean(found) <= 0.1


def test_p_values_of_a_drifted_detector_are_found_not_uniform() -> None:
    generator = np.random.default_rng(3)
    assert uniformity(p_value(generator.normal(size=500), generator.normal(0.6, size=200))).p < 0.001


@pytest.mark.parametrize("values", [[], [0.5, np.nan], [0.5, 1.5], [[0.5]]])
def test_p_values_that_are_none_are_refused(values: list) -> None:
    with pytest.raises(MedgenError, match="each from 0 to 1"):
        uniformity(values)


def test_scores_in_the_place_of_decisions_are_refused() -> None:
    with pytest.raises(MedgenError, match=r"True .called abnormal. or False"):
        measure_decisions([0, 1], [0.2, 0.9])


@pytest.mark.parametrize("promised", [0, 5])
def test_a_promise_in_percent_is_refused(promised: float) -> None:
    with pytest.raises(MedgenError, match="between 0 and 1"):
        false_alarms([True, False], promised)


def test_a_promise_without_frames_is_refused() -> None:
    with pytest.raises(MedgenError, match="without normal frames"):
        false_alarms([], 0.05)


def test_more_frames_than_there_are_is_refused() -> None:
    with pytest.raises(MedgenError, match="from 0 to all"):
        binomial(3, 2)


def test_groups_that_do_not_fit_are_refused() -> None:
    with pytest.raises(MedgenError, match="one group for each"):
        measure_decisions(LABELS, CALLED, GROUPS[1:])
