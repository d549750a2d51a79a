"""Curves and their draws: equal to scikit-learn's, and to the bootstrap of each measure alone."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

from medgen.metrics.curves import ALARMS, RECALLS, measure, measure_draws
from medgen.metrics.detection import auroc, average_precision, replicates, sensitivity_at_specificity

CASES = [(0, 8), (1, 1), (2, 0)]  # seed, decimals that the scores keep: with few of them many are equal


def scored(seed: int, decimals: int, count: int = 300) -> tuple[NDArray, NDArray, NDArray]:
    random = np.random.default_rng(seed)
    labels = (random.random(count) < 0.4).astype(int)
    return labels, np.round(random.normal(labels, 1), decimals), random.integers(0, 60, count)


@pytest.mark.parametrize(("seed", "decimals"), CASES)
def test_areas_are_those_of_scikit_learn(seed: int, decimals: int) -> None:
    labels, scores, _ = scored(seed, decimals)
    found = measure(labels, scores)
    assert found.auroc[0] == pytest.approx(roc_auc_score(labels, scores))
    assert found.average_precision[0] == pytest.approx(average_precision_score(labels, scores))


@pytest.mark.parametrize(("seed", "decimals"), CASES)
def test_sensitivity_is_the_largest_of_scikit_learn_at_each_false_alarm_rate(seed: int, decimals: int) -> None:
    labels, scores, _ = scored(seed, decimals)
    alarms, hits, _ = roc_curve(labels, scores, drop_intermediate=False)
    expected = [hits[alarms <= rate + 1e-12].max() for rate in ALARMS]
    assert measure(labels, scores).sensitivity[0] == pytest.approx(expected)


@pytest.mark.parametrize(("seed", "decimals"), CASES)
def test_precision_is_that_of_scikit_learn_at_the_highest_threshold_for_each_recall(seed: int, decimals: int) -> None:
    labels, scores, _ = scored(seed, decimals)
    precision, recall, _ = precision_recall_curve(labels, scores)  # recall falls from 1 to 0
    expected = [precision[np.flatnonzero(recall >= share - 1e-12)[-1]] for share in RECALLS]
    assert measure(labels, scores).precision[0] == pytest.approx(expected)


@pytest.mark.parametrize(("seed", "decimals"), CASES)
def test_draws_are_those_of_the_bootstrap_of_each_measure_alone(seed: int, decimals: int) -> None:
    labels, scores, groups = scored(seed, decimals)
    drawn = measure_draws(labels, scores, groups, 50, seed)
    at_95 = partial(sensitivity_at_specificity, specificity=0.95)
    for found, statistic in (
        (drawn.auroc, auroc),
        (drawn.average_precision, average_precision),
        (drawn.sensitivity[:, 5], at_95),
    ):
        np.testing.assert_allclose(found, replicates(statistic, labels, scores, groups, 50, seed))


def test_a_class_from_one_group_gives_no_draw() -> None:
    drawn = measure_draws([0, 0, 1, 1], [1, 2, 3, 4], ["a", "b", "c", "c"], 10)
    assert drawn.auroc.shape == (0,) and drawn.precision.shape == (0, RECALLS.size)


def test_a_missing_class_has_no_value() -> None:
    found = measure([0, 0], [1.0, 2.0])
    assert np.isnan(found.auroc[0]) and np.isnan(found.average_precision[0]) and np.isnan(found.sensitivity).all()
