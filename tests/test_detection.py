"""Detection statistics against scikit-learn, their intervals against scipy and against the truth."""

from __future__ import annotations

import time
from functools import partial
from math import erf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from medgen.errors import MedgenError
from medgen.metrics.detection import auroc, average_precision, bootstrap, roc, sensitivity_at_specificity

STATISTICS = [auroc, average_precision, partial(sensitivity_at_specificity, specificity=0.9)]
RANDOM = np.random.default_rng(0)
LABELS = np.repeat([0, 1], [60, 40])
SCORES = np.round(RANDOM.normal(size=100) + LABELS, 1)  # rounded: many ties
WEIGHTS = RANDOM.integers(0, 4, 100)


def two_classes(size: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    labels = np.repeat([0, 1], size)
    return labels, generator.normal(size=2 * size) + labels


@pytest.mark.parametrize("weights", [None, WEIGHTS, RANDOM.random(100)])
@pytest.mark.parametrize(("ours", "theirs"), [(auroc, roc_auc_score), (average_precision, average_precision_score)])
def test_areas_are_those_of_scikit_learn(ours, theirs, weights) -> None:
    assert ours(LABELS, SCORES, weights=weights) == pytest.approx(theirs(LABELS, SCORES, sample_weight=weights), abs=1e-12)


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_roc_points_are_those_of_scikit_learn(weights) -> None:
    kept = np.ones(100, bool) if weights is None else weights > 0
    weights = None if weights is None else weights[kept]
    expected = roc_curve(LABELS[kept], SCORES[kept], sample_weight=weights, drop_intermediate=False)
    for ours, theirs in zip(roc(LABELS[kept], SCORES[kept], weights), expected, strict=False):
        np.testing.assert_allclose(ours, theirs, atol=1e-12)


@pytest.mark.parametrize("specificity", [0.0, 0.5, 0.9, 0.95, 1.0])
def test_sensitivity_at_specificity_is_the_best_point_of_the_scikit_learn_curve(specificity: float) -> None:
    false, true, _ = roc_curve(LABELS, SCORES, drop_intermediate=False)
    assert sensitivity_at_specificity(LABELS, SCORES, specificity) == pytest.approx(true[1 - false >= specificity - 1e-9].max())


def test_a_specificity_that_is_reached_exactly_counts_as_reached() -> None:
    labels, scores = np.repeat([0, 1], [20, 2]), [*range(20), 18.5, 18.5]
    assert sensitivity_at_specificity(labels, scores, 0.95) == 1


def test_ties_between_the_classes_do_not_lift_sensitivity() -> None:
    assert sensitivity_at_specificity([0, 0, 1, 1], [1, 2, 2, 2], 0.9) == 0


@given(st.lists(st.tuples(st.booleans(), st.integers(-50, 50)), min_size=2, max_size=40))
def test_auroc_and_average_precision_stay_under_monotone_maps(frames: list[tuple[bool, int]]) -> None:
    labels, scores = np.array(frames, dtype=int).T
    for statistic in STATISTICS:
        np.testing.assert_array_equal(statistic(labels, np.exp(scores / 10)), statistic(labels, scores))


@given(st.lists(st.tuples(st.booleans(), st.integers(-9, 9)), min_size=2, max_size=40))
def test_auroc_of_turned_scores_is_its_complement(frames: list[tuple[bool, int]]) -> None:
    labels, scores = np.array(frames, dtype=int).T
    np.testing.assert_allclose(auroc(labels, -scores), 1 - auroc(labels, scores), atol=1e-12)


@pytest.mark.parametrize("statistic", STATISTICS)
def test_integer_weights_are_repeated_frames(statistic) -> None:
    repeated = statistic(np.repeat(LABELS, WEIGHTS), np.repeat(SCORES, WEIGHTS))
    assert statistic(LABELS, SCORES, weights=WEIGHTS) == pytest.approx(repeated, abs=1e-12)


@pytest.mark.parametrize("statistic", STATISTICS)
def test_a_batch_of_weights_gives_each_row_its_own_value(statistic) -> None:
    rows = RANDOM.integers(0, 3, (5, 100))
    expected = [statistic(LABELS, SCORES, weights=row) for row in rows]
    assert statistic(LABELS, SCORES, weights=rows) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("statistic", STATISTICS)
@pytest.mark.parametrize("labels", [[], [0, 0], [1, 1]])
def test_a_missing_class_is_nan(statistic, labels: list[int]) -> None:
    assert np.isnan(statistic(labels, np.arange(len(labels), dtype=float)))


@pytest.mark.parametrize("statistic", STATISTICS)
def test_an_interval_with_each_frame_its_own_group_is_that_of_scipy(statistic) -> None:
    def of_samples(normal: np.ndarray, abnormal: np.ndarray, axis: int) -> np.ndarray:
        rows = np.concatenate([normal, abnormal], axis=-1).reshape(-1, 100)
        return np.array([statistic(LABELS, row) for row in rows]).reshape(normal.shape[:-1])

    ours = bootstrap(statistic, LABELS, SCORES, np.arange(100), n_bootstrap=4000)
    samples = (SCORES[LABELS == 0], SCORES[LABELS == 1])
    theirs = stats.bootstrap(samples, of_samples, method="percentile", n_resamples=4000, rng=1, vectorized=True)
    assert (ours.low, ours.high) == pytest.approx(tuple(theirs.confidence_interval), abs=0.025)


def test_the_interval_covers_the_true_auroc_as_often_as_promised() -> None:
    truth, generator = 0.5 * (1 + erf(0.5)), np.random.default_rng(3)
    intervals = [bootstrap(auroc, *two_classes(60, generator), np.arange(120), n_bootstrap=300, seed=i) for i in range(300)]
    assert 0.92 <= np.mean([interval.low <= truth <= interval.high for interval in intervals]) <= 0.98


def test_groups_of_like_frames_are_covered_by_group_and_not_by_frame() -> None:
    truth, generator = 0.5 * (1 + erf(0.5)), np.random.default_rng(4)
    covered = {"group": 0, "frame": 0}
    for seed in range(200):
        labels, centres = two_classes(40, generator)
        labels, scores = np.repeat(labels, 5), np.repeat(centres, 5)
        for by, groups in (("group", np.repeat(np.arange(80), 5)), ("frame", np.arange(400))):
            interval = bootstrap(auroc, labels, scores, groups, n_bootstrap=200, seed=seed)
            covered[by] += interval.low <= truth <= interval.high
    assert covered["group"] >= 180
    assert covered["frame"] < 150


def test_groups_that_hold_both_classes_leave_both_in_every_draw() -> None:
    labels, groups = np.array([0, 1, 0, 1, 0]), np.array(["a", "a", "b", "b", "c"])
    interval = bootstrap(auroc, labels, np.array([0.1, 0.9, 0.5, 0.3, 0.2]), groups)
    assert 0 <= interval.low < interval.value < interval.high <= 1


def test_a_class_from_one_group_has_no_bounds() -> None:
    value, low, high = bootstrap(auroc, [0, 0, 1, 1], [0, 1, 2, 3], ["a", "b", "c", "c"])
    assert value == 1
    assert np.isnan([low, high]).all()


@pytest.mark.parametrize("labels", [[], [0, 0, 0], [1, 1, 1]])
def test_an_interval_without_one_of_the_classes_is_nan(labels: list[int]) -> None:
    assert np.isnan(bootstrap(auroc, labels, np.arange(len(labels), dtype=float), np.arange(len(labels)))).all()


def test_the_order_of_the_frames_does_not_change_the_interval() -> None:
    groups, order = np.arange(100) // 3, RANDOM.permutation(100)
    assert bootstrap(auroc, LABELS, SCORES, groups) == bootstrap(auroc, LABELS[order], SCORES[order], groups[order])


def test_another_seed_gives_another_interval() -> None:
    assert bootstrap(auroc, LABELS, SCORES, np.arange(100), seed=0) != bootstrap(auroc, LABELS, SCORES, np.arange(100), seed=1)


def test_a_bootstrap_of_ten_thousand_frames_takes_less_than_five_seconds() -> None:
    labels, scores = two_classes(5000, np.random.default_rng(0))

    def seconds() -> float:
        start = time.process_time()
        bootstrap(auroc, labels, scores, np.arange(10_000))
        return time.process_time() - start

    assert any(seconds() < 5 for _ in range(3))  # shared cores are slower at times


@pytest.mark.parametrize(
    ("labels", "scores", "message"),
    [
        ([0, 2], [0.0, 1.0], "0 .normal. or 1"),
        ([0, -1], [0.0, 1.0], "label is unknown"),
        ([0, 1], [0.0, np.nan], "1 of 2 scores are NaN"),
        ([0, 1, 1], [0.0, 1.0], "do not fit"),
    ],
)
def test_wrong_input_is_refused_in_one_line(labels, scores, message: str) -> None:
    with pytest.raises(MedgenError, match=message) as failure:
        auroc(labels, scores)
    assert "\n" not in str(failure.value)


def test_a_negative_weight_is_refused() -> None:
    with pytest.raises(MedgenError, match="negative"):
        auroc([0, 1], [0, 1], weights=[1, -1])


def test_a_specificity_in_percent_is_refused() -> None:
    with pytest.raises(MedgenError, match="from 0 to 1"):
        sensitivity_at_specificity([0, 1], [0, 1], 95)


@pytest.mark.parametrize("wrong", [{"n_bootstrap": 0}, {"level": 95}, {"groups": ["a"]}])
def test_a_bootstrap_that_makes_no_sense_is_refused(wrong: dict) -> None:
    with pytest.raises(MedgenError, match="expected"):
        bootstrap(auroc, [0, 1], [0, 1], **({"groups": ["a", "b"]} | wrong))
