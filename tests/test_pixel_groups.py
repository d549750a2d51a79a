"""The bootstrap of pixel measures against the measures themselves, on the frames that a draw holds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from medgen.metrics.detection import resamples
from medgen.metrics.pixel import PixelHistogram
from medgen.metrics.pixel_groups import GroupedPixels, PixelSample

LEVEL = 3.0


def maps(frames: int = 8, side: int = 24) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Maps of whole numbers, so that no bin joins two scores; masks of several regions in every second frame."""
    generator = np.random.default_rng(0)
    masks = gaussian_filter(generator.normal(size=(frames, side, side)), (0, 2, 2)) > 0.15
    masks[1::2] = False
    return np.round(generator.gamma(2, size=masks.shape) * (1 + masks)), masks, generator.random(masks.shape) < 0.9


def grouped(units: list[str], threshold: float | None = LEVEL) -> GroupedPixels:
    scores, masks, valid = maps()
    counts = GroupedPixels(np.arange(0.0, 40), units, threshold=threshold)
    for part in (slice(0, 3), slice(3, 8)):  # in two blocks, as they are read
        counts.update(scores[part], masks[part], valid[part])
    return counts


@pytest.mark.parametrize("weights", [(1, 1, 1, 1), (2, 0, 1, 1), (0, 3, 0, 1)])
def test_weighted_groups_are_measured_as_frames_that_stand_there_so_often(weights: tuple[int, ...]) -> None:
    scores, masks, valid = (np.repeat(part, np.repeat(weights, 2), axis=0) for part in maps())
    histogram = PixelHistogram(threshold=LEVEL)
    histogram.update(scores, masks, valid)
    figures = grouped([*"aabbccdd"]).figures(np.array([weights]))
    expected = {key: value for key, value in histogram.compute().items() if key not in ("frames", "error_bound")}
    assert {key: value[0] for key, value in figures.items() if key in expected} == pytest.approx(expected, abs=1e-12)


def test_frames_with_a_finding_alone_are_those_of_scikit_learn() -> None:
    scores, masks, valid = (part[::2] for part in maps())
    figures = grouped([*"aabbccdd"]).figures()
    assert figures["auroc_with_finding"][0] == pytest.approx(roc_auc_score(masks[valid], scores[valid]))
    assert figures["average_precision_with_finding"][0] == pytest.approx(average_precision_score(masks[valid], scores[valid]))


def test_dice_is_the_f1_of_scikit_learn() -> None:
    scores, masks, valid = maps()
    figures = grouped([*"aabbccdd"]).figures()
    frames = [f1_score(masks[k][valid[k]], scores[k][valid[k]] > LEVEL) for k in range(0, 8, 2)]
    assert figures["dice"][0] == pytest.approx(np.mean(frames))
    assert figures["dice_pooled"][0] == pytest.approx(f1_score(masks[valid], scores[valid] > LEVEL))


def test_draws_weigh_groups_with_findings_and_groups_without_apart() -> None:
    scores, masks, valid = maps()
    draws = grouped([*"abcdefgh"]).draws(6)["auroc"]
    abnormal = np.array([False] * 8 + [True] * 4)  # each group has pixels beside findings, every second one findings as well
    codes = np.array([*range(8), *range(0, 8, 2)])
    counts = np.concatenate([*resamples(abnormal, codes, 6, 0)])  # (6, 8)
    assert (counts[:, ::2].sum(1) == 4).all() and (counts[:, 1::2].sum(1) == 4).all() and len(set(draws)) > 3
    weights = np.broadcast_to(counts[:, :, None, None], (6, *masks.shape))
    expected = [roc_auc_score(masks[valid], scores[valid], sample_weight=of_draw[valid]) for of_draw in weights]
    assert draws == pytest.approx(expected)


def test_the_same_groups_are_drawn_for_all_maps() -> None:
    assert np.array_equal(grouped([*"aabbccdd"]).draws(50)["auroc"], grouped([*"aabbccdd"], None).draws(50)["auroc"])


def test_one_group_gives_no_draw() -> None:
    assert {values.size for values in grouped(["one"] * 8).draws(50).values()} == {0}


def test_a_group_without_a_valid_pixel_is_no_group() -> None:
    scores, masks, valid = maps()
    valid[6:] = False
    counts = GroupedPixels(np.arange(0.0, 40), [*"aabbccdd"])
    counts.update(scores, masks, valid)
    without = GroupedPixels(np.arange(0.0, 40), [*"aabbcc"])
    without.update(scores[:6], masks[:6], valid[:6])
    assert np.array_equal(counts.draws(50)["auroc"], without.draws(50)["auroc"])


def test_bins_that_a_sample_chose_cost_less_than_a_thousandth() -> None:
    generator = np.random.default_rng(2)
    masks = gaussian_filter(generator.normal(size=(30, 48, 48)), (0, 3, 3)) > 0.15
    scores, valid = generator.gamma(2, size=masks.shape) * (1 + 0.5 * masks), np.ones_like(masks)
    sample, histogram = PixelSample(scores.size), PixelHistogram()
    for block in sample.passing([(scores, masks, valid)]):
        histogram.update(*block)
    counts = GroupedPixels(sample.ends(), np.arange(30))
    counts.update(scores, masks, valid)
    exact, coarse = histogram.compute(), counts.figures()
    assert max(abs(exact[key] - coarse[key][0]) for key in ("auroc", "aupro_0.3", "aupro_0.05")) < 1e-3
    assert abs(exact["average_precision"] - coarse["average_precision"][0]) < 5e-3
