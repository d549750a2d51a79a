"""Paired comparisons against brute force, against hand calculation and against how often they find what is not there."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import average_precision_score, roc_auc_score

from medgen.errors import MedgenError
from medgen.metrics.comparing.paired import compare_pairs, delong, holm, paired_bootstrap
from medgen.metrics.detection import Statistic, auroc, average_precision, bootstrap, sensitivity_at_specificity

RANDOM = np.random.default_rng(0)
LABELS = np.repeat([0, 1], [60, 40])


def detector(labels: np.ndarray, shift: float, common: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Scores that share a part with those of other detectors."""
    return generator.normal(size=labels.size) + common + shift * labels


COMMON = RANDOM.normal(size=100)
FIRST, SECOND, THIRD = (np.round(detector(LABELS, shift, COMMON, RANDOM), 1) for shift in (2.5, 1.2, 1.0))  # rounded: many ties
GROUPS = np.arange(100) // 3


def brute_force_delong(labels: np.ndarray, *detectors: np.ndarray) -> tuple[float, float]:
    """Difference and standard error as DeLong et al. define them: each abnormal frame with each normal one, covariances."""
    above, below = [], []
    for scores in detectors:
        abnormal, normal = scores[labels == 1], scores[labels == 0]
        wins = np.array([[1.0 if a > b else 0.5 if a == b else 0.0 for b in normal] for a in abnormal])
        above.append(wins.mean(1))
        below.append(wins.mean(0))
    covariance = np.cov(above) / len(above[0]) + np.cov(below) / len(below[0])
    contrast = np.array([1, -1])
    return float(contrast @ np.mean(above, 1)), float(np.sqrt(contrast @ covariance @ contrast))


@pytest.mark.parametrize(("first", "second"), [(FIRST, SECOND), (SECOND, FIRST), (np.sign(FIRST), SECOND), (-FIRST, THIRD)])
def test_delong_is_the_brute_force_over_all_pairs_of_frames(first: np.ndarray, second: np.ndarray) -> None:
    value, error = brute_force_delong(LABELS, first, second)
    result = delong(LABELS, first, second)
    assert (result.value, result.error) == pytest.approx((value, error), abs=1e-12)
    assert result.p == pytest.approx(2 * stats.norm.cdf(-abs(value) / error), abs=1e-12)
    assert (result.low, result.high) == pytest.approx(stats.norm.interval(0.95, value, error), abs=1e-12)


def test_delong_differences_are_those_of_scikit_learn() -> None:
    expected = roc_auc_score(LABELS, FIRST) - roc_auc_score(LABELS, SECOND)
    assert delong(LABELS, FIRST, SECOND).value == pytest.approx(expected, abs=1e-12)


def test_delong_finds_a_difference_between_equal_detectors_as_often_as_it_says() -> None:
    generator, labels = np.random.default_rng(1), np.repeat([0, 1], [50, 40])
    found = 0
    for _ in range(1000):
        common = generator.normal(size=90)
        found += delong(labels, *(detector(labels, 1.5, common, generator) for _ in range(2))).p < 0.05
    assert 0.03 <= found / 1000 <= 0.07


def test_frames_in_the_order_of_a_permutation_give_the_same_test() -> None:
    order = RANDOM.permutation(100)
    assert delong(LABELS[order], FIRST[order], SECOND[order]) == pytest.approx(delong(LABELS, FIRST, SECOND), abs=1e-12)


def test_detectors_that_rank_alike_do_not_differ() -> None:
    assert delong(LABELS, FIRST, np.exp(FIRST)) == (0, 0, 0, 0, 1)
    assert paired_bootstrap(auroc, LABELS, FIRST, np.exp(FIRST), GROUPS) == (0, 0, 0, 0, 1)


def test_a_difference_without_spread_has_no_p_value() -> None:
    value, *others = delong([0, 0, 1, 1], [1, 2, 3, 4], [4, 3, 2, 1])
    assert value == 1
    assert np.isnan(others).all()


@pytest.mark.parametrize("labels", [[0, 1], [0, 0, 1], [0, 1, 1]])
def test_a_class_of_one_frame_has_a_difference_and_no_test(labels: list[int]) -> None:
    scores = np.arange(len(labels), dtype=float)
    value, *others = delong(labels, scores, -scores)
    assert value == 1
    assert np.isnan(others).all()


@pytest.mark.parametrize("labels", [[], [0, 0], [1, 1]])
def test_without_one_of_the_classes_the_comparison_is_nan(labels: list[int]) -> None:
    scores = np.arange(len(labels), dtype=float)
    assert np.isnan(delong(labels, scores, -scores)).all()
    assert np.isnan(paired_bootstrap(auroc, labels, scores, -scores, np.arange(len(labels)))).all()


@pytest.mark.parametrize("statistic", [auroc, average_precision, partial(sensitivity_at_specificity, specificity=0.9)])
def test_the_paired_interval_is_that_of_a_bootstrap_of_the_differences(statistic: Statistic) -> None:
    class Both:
        """The difference as one statistic of the row numbers, for the bootstrap of a single detector."""

        def __call__(self, labels, scores, *, weights=None):
            rows = np.asarray(scores, dtype=int)
            return statistic(labels, FIRST[rows], weights=weights) - statistic(labels, SECOND[rows], weights=weights)

    expected = bootstrap(Both(), LABELS, np.arange(100), GROUPS, n_bootstrap=500)
    result = paired_bootstrap(statistic, LABELS, FIRST, SECOND, GROUPS, n_bootstrap=500)
    assert (result.value, result.low, result.high) == pytest.approx(tuple(expected), abs=1e-12)


def test_the_paired_interval_is_that_of_scipy_with_each_frame_its_own_group() -> None:
    def difference(normal: np.ndarray, abnormal: np.ndarray) -> float:
        rows = np.concatenate([normal, abnormal])
        return float(auroc(LABELS, FIRST[rows])) - float(auroc(LABELS, SECOND[rows]))

    samples = (np.flatnonzero(LABELS == 0), np.flatnonzero(LABELS == 1))
    theirs = stats.bootstrap(samples, difference, method="percentile", n_resamples=2000, rng=1, vectorized=False)
    ours = paired_bootstrap(auroc, LABELS, FIRST, SECOND, np.arange(100), n_bootstrap=4000)
    assert (ours.low, ours.high) == pytest.approx(tuple(theirs.confidence_interval), abs=0.02)
    assert ours.error == pytest.approx(theirs.standard_error, rel=0.1)


def test_bootstrap_and_delong_agree_on_the_standard_error_of_independent_frames() -> None:
    drawn = paired_bootstrap(auroc, LABELS, FIRST, SECOND, np.arange(100), n_bootstrap=4000)
    assert drawn.error == pytest.approx(delong(LABELS, FIRST, SECOND).error, rel=0.1)


def test_pairing_narrows_the_interval_of_detectors_that_err_alike() -> None:
    paired = paired_bootstrap(auroc, LABELS, FIRST, SECOND, GROUPS)
    alone = [bootstrap(auroc, LABELS, scores, GROUPS, seed=seed) for seed, scores in enumerate((FIRST, SECOND))]
    assert paired.high - paired.low < 0.9 * np.hypot(*[interval.high - interval.low for interval in alone])


@pytest.mark.parametrize("second", [SECOND, THIRD, FIRST + RANDOM.normal(size=100)])
def test_the_p_value_is_under_five_percent_exactly_if_the_interval_leaves_zero_out(second: np.ndarray) -> None:
    for seed in range(5):
        result = paired_bootstrap(auroc, LABELS, FIRST, second, GROUPS, n_bootstrap=999, seed=seed)
        assert (result.p <= 0.05) == (not result.low <= 0 <= result.high)


def test_swapping_the_detectors_turns_the_sign_and_keeps_the_p_value() -> None:
    there, back = (paired_bootstrap(auroc, LABELS, *pair, GROUPS) for pair in ((SECOND, THIRD), (THIRD, SECOND)))
    assert (back.value, back.error, back.p) == pytest.approx((-there.value, there.error, there.p))
    assert (back.low, back.high) == pytest.approx((-there.high, -there.low), abs=1e-12)


def test_like_frames_of_a_group_mislead_delong_and_not_the_bootstrap_by_group() -> None:
    generator, found = np.random.default_rng(2), {"group": 0, "frame": 0}
    labels, groups = np.repeat([0, 1], 200), np.repeat(np.arange(80), 5)
    for seed in range(200):
        common = generator.normal(size=80)
        first, second = (np.repeat(detector(labels[::5], 1.5, common, generator), 5) for _ in range(2))
        found["group"] += paired_bootstrap(auroc, labels, first, second, groups, n_bootstrap=199, seed=seed).p <= 0.05
        found["frame"] += delong(labels, first, second).p <= 0.05
    assert found["group"] <= 20
    assert found["frame"] > 50


def test_holm_by_hand() -> None:
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])


def test_holm_never_exceeds_one() -> None:
    assert holm([0.6, 0.9]).tolist() == [1, 1]


def test_an_undefined_p_value_does_not_count_among_the_many() -> None:
    np.testing.assert_allclose(holm([0.02, np.nan, 0.01]), [0.02, np.nan, 0.02])


def test_holm_keeps_the_chance_of_any_false_finding() -> None:
    rows = np.random.default_rng(3).random((2000, 6))
    false = [(holm(row) < 0.05).any() for row in rows]
    assert 0.035 <= np.mean(false) <= 0.065


def test_each_pair_is_one_row_in_the_order_given() -> None:
    rows = compare_pairs(LABELS, {"c": FIRST, "a": SECOND, "b": THIRD}, GROUPS, n_bootstrap=50)
    assert [(row.first, row.second) for row in rows] == [("c", "a"), ("c", "b"), ("a", "b")]


def test_the_rows_are_those_of_the_single_comparisons_with_p_adjusted_over_all() -> None:
    scores = {"a": FIRST, "b": SECOND, "c": THIRD}
    rows = compare_pairs(LABELS, scores, GROUPS, n_bootstrap=200)
    drawn = [paired_bootstrap(auroc, LABELS, scores[row.first], scores[row.second], GROUPS, n_bootstrap=200) for row in rows]
    tests = [delong(LABELS, scores[row.first], scores[row.second]) for row in rows]
    assert [row[2:7] for row in rows] == drawn
    assert [row[8:12] for row in rows] == [test[1:] for test in tests]
    np.testing.assert_array_equal([row.p_holm for row in rows], holm([difference.p for difference in drawn]))
    np.testing.assert_array_equal([row.delong_p_holm for row in rows], holm([test.p for test in tests]))


def test_a_comparison_by_another_statistic_has_no_delong() -> None:
    (row,) = compare_pairs(LABELS, {"a": FIRST, "b": SECOND}, GROUPS, average_precision, n_bootstrap=50)
    expected = average_precision_score(LABELS, FIRST) - average_precision_score(LABELS, SECOND)
    assert row.value == pytest.approx(expected, abs=1e-12)
    assert np.isnan(row[8:]).all()


def test_one_detector_alone_is_refused() -> None:
    with pytest.raises(MedgenError, match="scores of 1 detectors; expected at least 2"):
        compare_pairs(LABELS, {"a": FIRST}, GROUPS)


@pytest.mark.parametrize("compare", [delong, partial(paired_bootstrap, auroc, groups=GROUPS)])
@pytest.mark.parametrize(("wrong", "message"), [({"level": 95}, "between 0 and 1"), ({"second": FIRST[1:]}, "do not fit")])
def test_wrong_input_is_refused(compare, wrong: dict, message: str) -> None:
    with pytest.raises(MedgenError, match=message):
        compare(**({"labels": LABELS, "first": FIRST, "second": SECOND} | wrong))
