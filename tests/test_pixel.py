"""Streamed pixel metrics against scikit-learn and a brute-force AUPRO."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage.measure import label
from sklearn.metrics import auc, average_precision_score, f1_score, roc_auc_score, roc_curve

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


def cut(scores: np.ndarray, digits: int = 15) -> np.ndarray:
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


@pytest.mark.parametrize("sign", [1, -1])
def test_pixel_auroc_and_average_precision_are_exactly_those_of_the_cut_scores(sign: int) -> None:
    scores, masks, valid = maps()
    result = counted(sign * scores, masks, valid).compute()
    truth, rounded = masks[valid], cut(sign * scores)[valid]
    assert result["auroc"] == pytest.approx(roc_auc_score(truth, rounded), abs=1e-12)
    assert result["average_precision"] == pytest.approx(average_precision_score(truth, rounded), abs=1e-12)


@pytest.mark.parametrize("bits", [10, 14, 24])
def test_each_figure_is_that_of_the_uncut_scores_within_its_stated_error(bits: int) -> None:
    scores, masks, valid = maps(frames=3, side=20)
    expected = {
        "auroc": roc_auc_score(masks[valid], scores[valid]),
        "average_precision": average_precision_score(masks[valid], scores[valid]),
        "aupro_0.3": brute_force_aupro(scores, masks, valid, 0.3),
        "aupro_0.05": brute_force_aupro(scores, masks, valid, 0.05),
    }
    histogram = counted(scores, masks, valid, bits=bits)
    errors, figures = histogram.errors(), histogram.compute()
    assert set(errors) == set(expected)
    assert all(
        abs(figures[name] - value) <= errors[name] + 1e-5 for name, value in expected.items()
    )  # the grid of the brute force


@pytest.mark.parametrize("factor", [1, 4, 0.25])
def test_each_stated_error_is_the_most_that_an_order_within_the_bins_can_make(factor: float) -> None:
    scores, masks, _ = maps(frames=1, side=64)
    masks[:] = False
    masks[0, 20:50, 20:50] = True  # one region, so that its overlap is the true positive rate
    scores *= np.where(masks, factor, 1)
    coarse, truth = cut(scores, 4).ravel(), masks.ravel()
    best, worst = coarse + 1e-6 * truth, coarse - 1e-6 * truth * (1 + np.arange(truth.size) / truth.size)

    def figures(values: np.ndarray) -> dict[str, float]:
        false, true, _ = roc_curve(truth, values, drop_intermediate=False)
        areas = {"auroc": roc_auc_score(truth, values), "average_precision": average_precision_score(truth, values)}
        for limit in (0.3, 0.05):
            below = false <= limit
            end = true[below][-1] if values is not coarse else np.interp(limit, false, true)
            areas[f"aupro_{limit}"] = auc([*false[below], limit], [*true[below], end]) / limit
        return areas

    middle, ends = figures(coarse), [figures(best), figures(worst)]
    expected = {name: max(abs(end[name] - value) for end in ends) for name, value in middle.items()}
    assert counted(scores, masks, np.ones_like(masks), bits=13).errors() == pytest.approx(expected, abs=1e-9)


SPREADS = {
    "uniform": lambda g, n: 1 + g.random(n),
    "gamma": lambda g, n: g.gamma(2, size=n),
    "normal": lambda g, n: g.normal(size=n),
}


@pytest.mark.parametrize("lift", [0, 0.5])
@pytest.mark.parametrize("spread", SPREADS)
def test_scores_over_a_factor_of_two_have_every_error_under_one_in_ten_thousand(spread: str, lift: float) -> None:
    generator = np.random.default_rng(0)
    masks = np.broadcast_to(np.arange(256) % 2 == 0, (8, 256, 256))
    scores = SPREADS[spread](generator, masks.shape) + lift * masks
    errors = counted(scores, masks, np.ones_like(masks)).errors()
    assert 0 < max(errors.values()) < 1e-4


def test_twenty_bits_would_not_reach_that() -> None:
    masks = np.broadcast_to(np.arange(256) % 2 == 0, (8, 256, 256))
    scores = 1 + np.random.default_rng(0).random(masks.shape)
    assert min(counted(scores, masks, np.ones_like(masks), bits=20).errors().values()) > 1e-4


def test_the_stated_error_is_the_largest_of_all() -> None:
    histogram = counted(*maps(), bits=14)
    assert histogram.compute()["error_bound"] == max(histogram.errors().values())


@pytest.mark.parametrize("limit", [0.05, 0.3, 1.0])
def test_aupro_is_that_of_a_brute_force_over_regions_and_thresholds(limit: float) -> None:
    scores, masks, valid = maps(frames=3, side=20)
    scores = np.round(scores, 1)
    result = counted(scores, masks, valid, limits=(limit,)).compute()[f"aupro_{limit:g}"]
    assert result == pytest.approx(brute_force_aupro(scores, masks, valid, limit), abs=1e-4)


def test_one_pass_gives_aupro_at_both_limits() -> None:
    both = counted(*maps()).compute()
    for limit in (0.3, 0.05):
        alone = counted(*maps(), limits=(limit,)).compute()
        assert both[f"aupro_{limit}"] == alone[f"aupro_{limit}"]


def test_dice_of_a_frame_is_the_f1_of_scikit_learn_and_its_mean_runs_over_annotated_frames() -> None:
    scores, masks, valid = maps()
    frames = [f1_score(mask[inside], frame[inside] > 3) for frame, mask, inside in zip(scores, masks, valid, strict=True)]
    assert not masks[-1].any()
    assert counted(scores, masks, valid, threshold=3.0).compute()["dice"] == pytest.approx(np.mean(frames[:-1]), abs=1e-12)


def test_pooled_dice_is_the_f1_of_scikit_learn_over_the_pixels_of_all_frames() -> None:
    scores, masks, valid = maps()
    expected = f1_score(masks[valid], scores[valid] > 3)
    assert counted(scores, masks, valid, threshold=3.0).compute()["dice_pooled"] == pytest.approx(expected, abs=1e-12)


def test_a_pixel_at_the_threshold_is_not_found() -> None:
    masks = np.array([[[True, True]]])
    result = counted(np.array([[[0.1, 0.2]]]), masks, np.ones_like(masks), threshold=0.1).compute()
    assert result["dice"] == pytest.approx(2 / 3)


def test_a_frame_whose_finding_is_all_under_overlay_has_no_dice() -> None:
    scores, masks, valid = maps(frames=2)
    masks[-1, 3:6, 3:6] = True
    valid[-1, 3:6, 3:6] = False
    alone = counted(scores[:1], masks[:1], valid[:1], threshold=3.0).compute()["dice"]
    assert counted(scores, masks, valid, threshold=3.0).compute()["dice"] == alone


def test_without_a_threshold_there_is_no_dice() -> None:
    assert set(counted(*maps()).compute()) == {"auroc", "average_precision", "aupro_0.3", "aupro_0.05", "error_bound", "frames"}


def test_without_annotated_frames_dice_is_undefined() -> None:
    scores, masks, valid = maps()
    result = counted(scores, np.zeros_like(masks), valid, threshold=3.0).compute()
    assert np.isnan([result["dice"], result["dice_pooled"]]).all()


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
    streamed = PixelHistogram(threshold=3.0)
    for i in range(len(scores)):
        streamed.update(scores[i : i + 1], masks[i : i + 1], valid[i : i + 1])
    assert streamed.compute() == pytest.approx(counted(scores, masks, valid, threshold=3.0).compute(), abs=1e-12)


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
    assert np.isnan([result[name] for name in ("auroc", "average_precision", "aupro_0.3", "aupro_0.05", "error_bound")]).all()


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


@pytest.mark.parametrize("wrong", [{"limits": (0.3, 0)}, {"limits": (30,)}, {"bits": 32}])
def test_settings_out_of_range_are_refused(wrong: dict) -> None:
    with pytest.raises(MedgenError, match="expected limits"):
        PixelHistogram(**wrong)
