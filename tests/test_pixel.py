"""Streamed pixel metrics against scikit-learn and a brute-force AUPRO."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage.measure import label
from sklearn.metrics import auc, average_precision_score, roc_auc_score, roc_curve

from medgen.errors import MedgenError
from medgen.metrics.pixel import PixelHistogram


def maps(frames: int = 6, side: int = 24, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Smooth masks of several regions, the last frame normal; maps that see them dimly; about a tenth of the pixels invalid."""
    generator = np.random.default_rng(seed)
    smooth = gaussian_filter(generator.normal(size=(frames, side, side)), (0, 2, 2))
    masks = smooth > 0.2
    masks[-1] = False
    scores = (generator.gamma(2, size=masks.shape) * (1 + masks)).astype(np.float32)
    return scores, masks, gaussian_filter(generator.normal(size=masks.shape), (0, 2, 2)) < 0.18


def counted(scores: np.ndarray, masks: np.ndarray, valid: np.ndarray, **settings) -> PixelHistogram:
    histogram = PixelHistogram(**settings)
    histogram.update(scores, masks, valid)
    return histogram


def cut(scores: np.ndarray, digits: int = 11) -> np.ndarray:
    """Scores cut to so many binary digits behind the leading one."""
    fraction, exponent = np.frexp(scores.astype(np.float64))
    return np.ldexp(np.trunc(np.ldexp(fraction, digits + 1)), exponent - digits - 1)


def brute_force_aupro(scores: np.ndarray, masks: np.ndarray, valid: np.ndarray, limit: float) -> float:
    """AUPRO as its definition reads: each threshold, each region."""
    regions = [
        (i, label(mask, connectivity=2) == k)
        for i, mask in enumerate(masks)
        for k in range(1, label(mask, connectivity=2).max() + 1)
    ]
    false, overlap = [0.0], [0.0]
    for threshold in np.unique(scores)[::-1]:
        found = scores >= threshold
        shares = [found[i][region & valid[i]].mean() for i, region in regions if (region & valid[i]).any()]
        false.append(found[valid & ~masks].mean())
        overlap.append(np.mean(shares))
    grid = np.union1d(np.array(false)[np.array(false) <= limit], np.linspace(0, limit, 20_001))
    return auc(grid, np.interp(grid, false, overlap)) / limit


def test_pixel_auroc_is_that_of_scikit_learn_within_the_stated_error() -> None:
    scores, masks, valid = maps()
    histogram = counted(scores, masks, valid)
    error = abs(histogram.compute()["auroc"] - roc_auc_score(masks[valid], scores[valid]))
    assert error <= histogram.auroc_error() < 1e-3


@pytest.mark.parametrize("sign", [1, -1])
def test_pixel_auroc_and_average_precision_are_exactly_those_of_the_cut_scores(sign: int) -> None:
    scores, masks, valid = maps()
    result = counted(sign * scores, masks, valid).compute()
    truth, rounded = masks[valid], cut(sign * scores)[valid]
    assert result["auroc"] == pytest.approx(roc_auc_score(truth, rounded), abs=1e-12)
    assert result["average_precision"] == pytest.approx(average_precision_score(truth, rounded), abs=1e-12)


def test_pixel_average_precision_is_close_to_that_of_scikit_learn() -> None:
    scores, masks, valid = maps()
    expected = average_precision_score(masks[valid], scores[valid])
    assert counted(scores, masks, valid).compute()["average_precision"] == pytest.approx(expected, abs=2e-3)


@pytest.mark.parametrize("limit", [0.05, 0.3, 1.0])
def test_aupro_is_that_of_a_brute_force_over_regions_and_thresholds(limit: float) -> None:
    scores, masks, valid = maps(frames=3, side=20)
    scores = np.round(scores, 1)
    result = counted(scores, masks, valid, limit=limit).compute()[f"aupro_{limit:g}"]
    assert result == pytest.approx(brute_force_aupro(scores, masks, valid, limit), abs=1e-4)


def test_aupro_of_one_region_is_the_partial_auroc_of_scikit_learn() -> None:
    scores, masks, valid = maps(frames=1)
    masks = np.zeros_like(masks)
    masks[0, 5:12, 5:12] = True
    false, true, _ = roc_curve(masks[valid], cut(scores)[valid], drop_intermediate=False)
    below = false <= 0.3
    area = auc([*false[below], 0.3], [*true[below], np.interp(0.3, false, true)])
    assert counted(scores, masks, valid).compute()["aupro_0.3"] == pytest.approx(area / 0.3, abs=1e-9)


def test_small_regions_weigh_as_much_as_large_ones_in_aupro() -> None:
    scores, masks, valid = np.zeros((1, 32, 32)), np.zeros((1, 32, 32), bool), np.ones((1, 32, 32), bool)
    masks[0, :10, :10] = masks[0, 20:22, 20:22] = True
    scores[0, :10, :10] = 1  # the large one found, the small one at the level of the background
    overlap_at_limit = 0.5 + 0.5 * 0.3
    assert counted(scores, masks, valid).compute()["aupro_0.3"] == pytest.approx((0.5 + overlap_at_limit) / 2)


def test_regions_of_different_frames_never_join() -> None:
    masks = np.ones((3, 4, 4), bool)
    assert counted(np.zeros((3, 4, 4)), masks, masks).regions == 3


def test_a_region_that_overlay_cuts_in_two_is_one_region() -> None:
    masks, valid = np.ones((1, 5, 5), bool), np.ones((1, 5, 5), bool)
    valid[0, 2] = False
    assert counted(np.zeros((1, 5, 5)), masks, valid).regions == 1


def test_a_region_under_overlay_does_not_count() -> None:
    scores, masks, valid = maps()
    with_hidden, hidden = masks.copy(), valid.copy()
    with_hidden[-1, 3:6, 3:6] = True
    hidden[-1, 3:6, 3:6] = False
    assert counted(scores, with_hidden, hidden).compute() == counted(scores, masks, hidden).compute()


def test_invalid_pixels_change_nothing() -> None:
    scores, masks, valid = maps()
    noisy = np.where(valid, scores, np.nan)
    assert counted(noisy, masks, valid).compute() == counted(scores, masks, valid).compute()


def test_blocks_add_up_to_the_whole() -> None:
    scores, masks, valid = maps()
    streamed = PixelHistogram()
    for i in range(len(scores)):
        streamed.update(scores[i : i + 1], masks[i : i + 1], valid[i : i + 1])
    assert streamed.compute() == pytest.approx(counted(scores, masks, valid).compute(), abs=1e-12)


def test_memory_does_not_grow_with_the_number_of_frames() -> None:
    scores, masks, valid = maps(frames=8, side=256)

    def peak(frames: int) -> int:
        histogram = PixelHistogram()
        everything = [np.broadcast_to(array[0], (frames, 256, 256)) for array in (scores, masks, valid)]
        tracemalloc.start()
        histogram.update(*everything)
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    assert peak(96) < 1.1 * peak(32)


def test_scores_of_any_scale_give_the_same_result() -> None:
    scores, masks, valid = maps()
    assert counted(scores * 2.0**-60, masks, valid).compute() == counted(scores * 2.0**40, masks, valid).compute()


def test_negative_zero_is_zero() -> None:
    masks = np.array([[[False, True]]])
    assert counted(np.array([[[0.0, -0.0]]]), masks, np.ones_like(masks)).compute()["auroc"] == 0.5


@pytest.mark.parametrize("value", [False, True])
def test_one_kind_of_pixel_alone_is_undefined(value: bool) -> None:
    masks = np.full((2, 8, 8), value)
    result = counted(np.random.default_rng(0).random((2, 8, 8)), masks, np.ones_like(masks)).compute()
    assert np.isnan([result["auroc"], result["average_precision"], result["aupro_0.3"]]).all()


def test_no_frames_at_all_are_undefined() -> None:
    assert np.isnan(PixelHistogram().compute()["aupro_0.3"])


def test_the_frames_are_counted() -> None:
    assert counted(*maps(frames=6)).compute()["frames"] == 6


def test_shapes_that_differ_are_refused() -> None:
    with pytest.raises(MedgenError, match=r"expected \(B, S, S\) each"):
        PixelHistogram().update(np.zeros((2, 1, 8, 8)), np.zeros((2, 8, 8), bool), np.ones((2, 8, 8), bool))


def test_a_valid_pixel_without_score_is_refused() -> None:
    with pytest.raises(MedgenError, match="NaN at a valid pixel"):
        PixelHistogram().update(np.full((1, 8, 8), np.nan), np.zeros((1, 8, 8), bool), np.ones((1, 8, 8), bool))


@pytest.mark.parametrize("wrong", [{"limit": 0}, {"limit": 30}, {"bits": 32}])
def test_settings_out_of_range_are_refused(wrong: dict) -> None:
    with pytest.raises(MedgenError, match="expected a limit"):
        PixelHistogram(**wrong)
