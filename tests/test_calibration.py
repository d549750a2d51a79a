"""The conformal threshold and what it promises."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import percentileofscore

from medgen.errors import MedgenError
from medgen.metrics.calibration import fewest, group_shares, p_value, quantile, threshold

RATES = st.sampled_from([0.01, 0.05, 0.1, 0.2, 1 / 3, 0.5])
FEW_VALUES = st.lists(st.integers(0, 12), min_size=100, max_size=130)  # many ties


def test_the_threshold_is_the_conformal_quantile_of_numpy() -> None:
    scores = np.random.default_rng(0).normal(size=345)
    expected = np.quantile(scores, np.ceil(346 * 0.95) / 345, method="inverted_cdf")
    assert threshold(scores, 0.05) == expected


@pytest.mark.parametrize("rate", [0.01, 0.05, 0.07, 0.1, 0.29])
def test_a_rank_that_is_whole_is_not_moved_by_rounding(rate: float) -> None:
    assert threshold(np.arange(1, 1000), rate) == round(1000 * (1 - rate))


@pytest.mark.parametrize(("rate", "needed"), [(0.05, 19), (0.01, 99), (0.1, 9), (0.3, 3), (1 / 49, 48)])
def test_too_few_frames_are_refused_with_the_number_needed(rate: float, needed: int) -> None:
    with pytest.raises(MedgenError, match=f"at least {needed} normal frames, got {needed - 1}") as failure:
        threshold(np.arange(needed - 1), rate)
    assert "\n" not in str(failure.value)


@pytest.mark.parametrize(("rate", "needed"), [(0.05, 19), (0.01, 99), (0.1, 9), (0.3, 3), (1 / 49, 48)])
def test_with_the_fewest_frames_the_threshold_is_the_largest_score(rate: float, needed: int) -> None:
    assert threshold(np.arange(needed), rate) == needed - 1


@pytest.mark.parametrize("rate", [0, 1, 5, -0.1])
def test_a_false_alarm_rate_in_percent_is_refused(rate: float) -> None:
    with pytest.raises(MedgenError, match="between 0 and 1"):
        threshold(np.arange(100), rate)


@given(FEW_VALUES, RATES)
def test_of_exchangeable_frames_at_most_the_promised_share_is_flagged(scores: list[int], rate: float) -> None:
    flagged = sum(score > threshold(scores[:i] + scores[i + 1 :], rate) for i, score in enumerate(scores))
    assert flagged <= rate * len(scores) + 1e-9


def test_the_false_alarm_rate_on_fresh_normals_is_the_one_asked_for() -> None:
    generator = np.random.default_rng(1)
    rates = [(generator.normal(size=500) > threshold(generator.normal(size=199), 0.1)).mean() for _ in range(400)]
    assert np.mean(rates) == pytest.approx(0.1, abs=0.004)


@given(FEW_VALUES, RATES)
def test_a_frame_exceeds_the_threshold_exactly_if_its_p_value_is_at_most_the_rate(scores: list[int], rate: float) -> None:
    candidates = np.arange(-1, 14)
    np.testing.assert_array_equal(candidates > threshold(scores, rate), p_value(scores, candidates) <= rate)


@given(FEW_VALUES)
def test_quantile_and_p_value_sum_to_one(scores: list[int]) -> None:
    candidates = np.arange(-1, 14)
    np.testing.assert_allclose(quantile(scores, candidates) + p_value(scores, candidates), 1)


def test_the_quantile_is_the_strict_percentile_of_scipy() -> None:
    normals = np.random.default_rng(2).integers(0, 9, 99)
    candidates = np.arange(-1, 10)
    expected = percentileofscore(normals, candidates, kind="strict") / 100 * 99 / 100
    np.testing.assert_allclose(quantile(normals, candidates), expected)


def test_the_quantile_rises_from_zero_to_less_than_one() -> None:
    assert quantile([1, 2, 3], [0, 1, 2, 3, 4]).tolist() == [0, 0, 0.25, 0.5, 0.75]


@pytest.mark.parametrize("measure", [p_value, quantile])
def test_a_missing_score_is_refused(measure) -> None:
    with pytest.raises(MedgenError, match="1 of 2 scores are NaN"):
        measure([0.0, 1.0], [0.5, float("nan")])


def test_with_groups_the_threshold_is_that_of_shares_counted_by_hand() -> None:
    scores, shares = [1, 2, 3, 4], group_shares(["a", "a", "b", "c"])  # above 3 lies one group of three: p is (1 + 1) / (3 + 1)
    assert shares.tolist() == [0.5, 0.5, 1, 1]
    assert [threshold(scores, rate, shares) for rate in (0.25, 0.5, 0.7, 0.75, 0.9)] == [4, 3, 3, 2, 1]
    assert p_value(scores, [0.5, 1.5, 3, 4.5], shares).tolist() == [1, 0.875, 0.75, 0.25]


def test_frames_that_are_groups_of_their_own_count_as_without_groups() -> None:
    scores = np.random.default_rng(3).integers(0, 9, 99)
    shares = group_shares(range(99))
    assert threshold(scores, 0.1, shares) == threshold(scores, 0.1)
    np.testing.assert_array_equal(quantile(scores, np.arange(10), shares), quantile(scores, np.arange(10)))


def test_with_too_few_groups_the_number_needed_is_of_groups() -> None:
    with pytest.raises(MedgenError, match="at least 19 groups of normal frames, got 4"):
        threshold(np.arange(40), 0.05, group_shares(np.arange(40) // 10))


def test_of_frames_of_new_groups_no_more_are_flagged_than_promised_whatever_they_share() -> None:
    random, flagged = np.random.default_rng(4), []
    for _ in range(400):
        sizes = random.integers(1, 15, 25)
        groups = np.repeat(np.arange(25), sizes)
        scores = random.normal(size=25)[groups] + 0.3 * random.normal(size=len(groups))
        new = random.normal() + 0.3 * random.normal(size=30)
        flagged.append((new > threshold(scores, 0.1, group_shares(groups))).mean())
    assert 0.05 < np.mean(flagged) <= 0.1 + 2 * np.std(flagged) / 20


@pytest.mark.parametrize(("rate", "frames"), [(0.05, 19), (0.01, 99), (0.3, 3), (0.5, 1)])
def test_so_many_frames_have_a_threshold_and_one_fewer_has_none(rate: float, frames: int) -> None:
    assert fewest(rate) == frames
    assert threshold(np.arange(frames), rate) == frames - 1
    with pytest.raises(MedgenError, match=f"at least {frames} normal frames, got {frames - 1};"):
        threshold(np.arange(frames - 1), rate)
