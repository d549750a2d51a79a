"""Cross-conformal p-values: counted by hand, equal to split ones where detectors agree, and their bound on small sets."""

from __future__ import annotations

import numpy as np
import pytest

from medgen.errors import MedgenError
from medgen.metrics.calibration import group_shares, p_value
from medgen.metrics.cross_conformal import cross_p_value, group_folds, most_false_alarms


def test_each_frame_is_compared_by_the_detector_that_it_had_no_part_in() -> None:
    # fold 0 holds 1 and 3, fold 1 holds 2 and 4; the new frame has 2 by the first detector and 5 by the second: one is above
    assert cross_p_value([1, 3, 2, 4], [0, 0, 1, 1], [[2], [5]]).tolist() == [(1 + 1) / 5]


def test_where_all_detectors_agree_it_is_the_split_p_value() -> None:
    own, new = np.random.default_rng(0).normal(size=(2, 30))
    np.testing.assert_allclose(cross_p_value(own, np.arange(30) % 5, [new] * 5), p_value(own, new))


def test_a_group_counts_once() -> None:
    shares = group_shares(["a", "a", "b"])
    assert cross_p_value([1, 3, 5], [0, 0, 1], [[2], [2]], shares).tolist() == [(1 + 0.5 + 1) / 3]


def test_groups_stay_whole_and_folds_are_even() -> None:
    groups = np.repeat(np.arange(20), 3)
    folds = group_folds(groups, 5)
    assert all(len(set(folds[groups == group])) == 1 for group in range(20))
    assert np.bincount(folds).tolist() == [12] * 5


def test_with_fewer_groups_than_folds_each_is_a_fold() -> None:
    assert sorted(group_folds(["a", "b", "c"], 10).tolist()) == [0, 1, 2]


@pytest.mark.parametrize(("groups", "count"), [(["a", "a"], 5), (["a", "b"], 1)])
def test_one_group_or_fold_is_refused(groups: list[str], count: int) -> None:
    with pytest.raises(MedgenError, match="expected two or more"):
        group_folds(groups, count)


def test_another_number_of_detectors_than_folds_is_refused() -> None:
    with pytest.raises(MedgenError, match="2 folds and the scores of 1 detectors"):
        cross_p_value([1, 2], [0, 1], [[1]])


def test_a_jackknife_of_a_mean_flags_about_what_is_promised() -> None:
    generator = np.random.default_rng(0)
    flagged = []
    for _ in range(400):
        own, new = generator.normal(size=19), generator.normal(size=20)
        means = np.array([np.delete(own, k).mean() for k in range(19)])
        p_values = cross_p_value(np.abs(own - means), np.arange(19), list(np.abs(new - means[:, None])))
        flagged.append((p_values <= 0.1).mean())
    assert 0.07 < np.mean(flagged) < 0.13


def test_the_bound_of_the_jackknife_is_twice_the_rate_and_of_folds_the_published_term_more() -> None:
    assert most_false_alarms(0.05, 300, 300) == pytest.approx(0.1)
    assert most_false_alarms(0.05, 300, 10) == pytest.approx(0.1 + 1.8 / 31)  # the other term is (29 / 30) / 11
    assert most_false_alarms(0.05, 100, 80) == pytest.approx(0.1 + 0.2 / 81)
    assert most_false_alarms(0.5, 4, 2) == 1
