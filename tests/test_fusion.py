"""Surprise: counts up to the median, an exponential tail beyond it; a fusion is their mean."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medgen.errors import MedgenError
from medgen.metrics.fusion import FEWEST, fuse, neg_log10_p, neg_log10_p_to_either_side

DRAW = np.random.default_rng(0)
NORMAL = DRAW.exponential(size=50_000)


def test_of_exponential_scores_it_is_minus_the_logarithm_of_their_tail() -> None:
    values = np.array([1.0, 2.0, 5.0, 10.0])
    np.testing.assert_allclose(neg_log10_p(NORMAL, values), values / math.log(10), rtol=0.02)


def test_below_the_median_normal_frames_are_counted() -> None:
    expected = -np.log10([(value <= NORMAL).mean() for value in (0.1, 0.4, 0.6)])
    np.testing.assert_allclose(neg_log10_p(NORMAL, [0.1, 0.4, 0.6]), expected, rtol=1e-3)


@given(st.lists(st.floats(-1e3, 1e3), min_size=FEWEST, max_size=30), st.lists(st.floats(-1e4, 1e4), min_size=2, max_size=9))
def test_it_rises_with_the_score_and_is_never_negative(normal: list[float], values: list[float]) -> None:
    found = neg_log10_p(normal, sorted(values))
    assert (np.diff(found) >= -1e-9).all() and found.min() >= 0 and np.isfinite(found).all()


def test_scores_above_every_normal_one_still_differ() -> None:
    first, second = neg_log10_p(np.arange(20.0), [50, 60])
    assert second > first + 0.1


def test_the_unit_of_a_part_does_not_matter() -> None:
    np.testing.assert_allclose(neg_log10_p(NORMAL, NORMAL[:9]), neg_log10_p(1e-3 * NORMAL + 7, 1e-3 * NORMAL[:9] + 7), rtol=1e-6)


def test_a_fusion_is_the_mean_over_the_named_parts() -> None:
    other = DRAW.normal(size=100)
    parts = {"a": NORMAL[:5], "b": other[:5], "c": np.full(5, np.nan)}
    expected = (neg_log10_p(NORMAL, parts["a"]) + neg_log10_p(other, parts["b"])) / 2
    np.testing.assert_allclose(fuse({"a": NORMAL, "b": other}, parts), expected)


def test_too_few_normal_frames_are_refused() -> None:
    with pytest.raises(MedgenError, match=rf"at least {FEWEST} normal validation frames to weigh them by, got 3"):
        neg_log10_p([1, 2, 3], [1])


def test_a_part_without_a_number_is_refused() -> None:
    with pytest.raises(MedgenError, match="NaN or infinite"):
        neg_log10_p(np.arange(20.0), [np.nan])


# to either side


def test_to_either_side_a_normal_score_has_twice_the_smaller_tail() -> None:
    reference, values = DRAW.normal(size=50_001), np.array([-0.6, -0.2, 0.0, 0.3, 0.5])
    expected = -np.log10([min(1, 2 * min((reference >= value).mean(), (reference <= value).mean())) for value in values])
    np.testing.assert_allclose(neg_log10_p_to_either_side(reference, values), expected, atol=0.08)  # tails are exponential


def test_below_every_normal_score_is_as_unusual_as_the_same_way_above() -> None:
    reference = np.arange(-20.0, 21.0)
    low, high = neg_log10_p_to_either_side(reference, [-60, 60])
    assert low == pytest.approx(high) and low > 1 and neg_log10_p(reference, [-60])[0] == 0


def test_the_median_is_usual_to_either_side() -> None:
    assert neg_log10_p_to_either_side(np.arange(41.0), [20]).tolist() == [0]


def test_only_the_named_parts_of_a_fusion_are_unusual_where_they_are_low() -> None:
    reference, low = np.arange(41.0), {"a": [-50.0], "b": [-50.0]}
    expected = neg_log10_p_to_either_side(reference, [-50.0]) / 2  # the other part has 0
    np.testing.assert_allclose(fuse({"a": reference, "b": reference}, low, {"b"}), expected)


def test_a_frame_alone_has_the_bits_that_it_has_among_others_however_many_parts_there_are() -> None:
    draw = np.random.default_rng(0)
    for count in (1, 7, 8, 12):
        normal, values = ({str(k): draw.gamma(2, 1, size) for k in range(count)} for size in (12, 24))
        together = fuse(normal, values)
        alone = [fuse(normal, {name: part[k : k + 1] for name, part in values.items()})[0] for k in range(24)]
        assert np.array_equal(together, alone)
