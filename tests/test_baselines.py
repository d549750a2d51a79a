"""Maps that no model made: each as it reads, their measures by scikit-learn, and what is said where a model is not above them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt
from sklearn.metrics import roc_auc_score
from untrained import make_frames, make_run

from medgen.report.evaluate import pixel_values
from medgen.report.localisation.baselines import compare_maps, measure_maps, pack, unpack
from medgen.runs.datasets import open_trained_on
from medgen.runs.localising import localisation
from medgen.runs.localising.localisation import cached_baselines, localise, measure_baselines, score_maps, with_known_truth
from medgen.runs.localising.no_model_maps import (
    brightness,
    difference,
    mean_frame,
    nearness,
    no_model_maps,
    normal_levels,
    prior_map,
    redness,
)
from medgen.runs.score_table import ScoreTable
from medgen.runs.scores import score_rows

RANDOM = np.random.default_rng(0)
FRAMES = RANDOM.integers(0, 256, (3, 16, 16, 3), dtype=np.uint8)
VALID = np.ones((3, 16, 16), bool)


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> ScoreTable:
    """An untrained run's scores of 16 test frames; the abnormal ones have a square in a corner for their truth."""
    root = tmp_path_factory.mktemp("baselines")
    run = make_run(make_frames(root / "frames"), root / "run")
    data = open_trained_on(run)
    abnormal = (data.index["label"] == "abnormal").to_numpy()
    masks = np.zeros((len(data.index), 32, 32), bool)
    masks[abnormal, 2:12, 2:12] = True
    index = data.index.assign(annotated=abnormal.astype(int))
    return score_rows(run, replace(data, masks=masks, index=index), data.rows("test"), root / "scores", device="cpu")


# maps


def test_nearness_falls_by_the_distance_from_the_middle_of_the_valid_rectangle() -> None:
    valid = VALID.copy()
    valid[:, :, :5] = False  # a border at the left: the middle moves right, to row 7.5 and column 10
    centre = nearness(FRAMES, valid)
    rows, columns = np.mgrid[:16, :16]
    expected = -np.sqrt((rows - 7.5) ** 2 + (columns - 10.0) ** 2) / 16
    np.testing.assert_allclose(centre[1], expected, rtol=1e-6)


def test_nearness_is_the_distance_transform_of_a_point() -> None:
    frames, valid = np.zeros((1, 15, 15, 3), np.uint8), np.ones((1, 15, 15), bool)
    point = np.ones((15, 15))
    point[7, 7] = 0
    np.testing.assert_allclose(nearness(frames, valid)[0], -distance_transform_edt(point) / 15, rtol=1e-6)


def test_redness_and_brightness_of_a_pixel_by_hand() -> None:
    pixel = np.array([[[[200, 100, 60]]]], np.uint8)
    assert redness(pixel, VALID).item() == 120 and brightness(pixel, VALID).item() == pytest.approx(120)


def test_the_mean_frame_is_that_of_valid_pixels(scored: ScoreTable) -> None:
    valid = np.ones((len(scored.data.index), 32, 32), bool)
    valid[0, :4], valid[:, 0, 0] = False, False
    mean = mean_frame(replace(scored.data, valid=valid), np.arange(3))
    frames = scored.data.frames[np.arange(3)].astype(float)
    np.testing.assert_allclose(mean[1:4], frames[1:, 1:4].mean(0), rtol=1e-5)
    np.testing.assert_allclose(mean[4:], frames[:, 4:].mean(0), rtol=1e-5)
    assert np.isnan(mean[0, 0]).all() and difference(FRAMES[:, :1, :1], mean[:1, :1])[0] == 0


def test_the_difference_from_a_mean_frame_is_absolute() -> None:
    mean = FRAMES.mean(0).astype(np.float32)
    np.testing.assert_allclose(difference(FRAMES, mean), np.abs(FRAMES - FRAMES.mean(0)).mean(3), rtol=1e-4)


def test_synthetic_anomalies_lie_in_the_middle_more_than_in_corners_and_nowhere_else_than_in_tissue(scored: ScoreTable) -> None:
    prior = prior_map(scored.data, np.arange(4))
    assert 0 < prior[0, 0] < prior[16, 16] / 3 < 1
    half = np.zeros((len(scored.data.index), 32, 32), bool)
    half[:, :, :16] = True
    assert prior_map(replace(scored.data, valid=half), np.arange(4))[:, 28:].max() < 1e-6


def test_grey_frames_have_no_redness(scored: ScoreTable) -> None:
    settings = scored.data.settings.model_copy(update={"channels": 1})
    grey = replace(scored.data, frames=scored.data.frames[np.arange(40)][..., :1], settings=settings)
    assert [way.name for way in no_model_maps(grey)] == ["centre", "brightness", "mean_frame", "prior"]


def test_maps_are_cut_where_99_per_cent_of_normal_validation_pixels_lie_below(scored: ScoreTable) -> None:
    way = next(way for way in no_model_maps(scored.data) if way.name == "brightness")
    light = scored.data.frames[scored.data.rows("val")].mean(3)
    assert normal_levels(way, scored.data) == pytest.approx((np.percentile(light, 99), -np.percentile(light, 1)), abs=0.01)


# measures


def test_rows_are_measured_as_scikit_learn_does_whichever_way_round_finds_more(scored: ScoreTable) -> None:
    rows = scored.rows
    measured = measure_baselines(scored.data, scored.data, rows, rows.astype(str))
    truth = scored.data.masks[rows].ravel()
    light = scored.data.frames[rows].mean(3).ravel()
    area = roc_auc_score(truth, light)
    assert measured["brightness"].values["auroc"] == pytest.approx(max(area, 1 - area), abs=1e-3)
    assert measured["brightness"].title == ("brightness" if area >= 0.5 else "darkness")
    assert measured["centre"].title == "distance from the centre of the field"  # the findings are in a corner
    assert measured["prior"].values["auroc"] < 0.5  # whose direction is given


def blocks(shift: float) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    random = np.random.default_rng(3)
    masks = np.zeros((12, 16, 16), bool)
    masks[::2, 4:9, 4:9] = True
    return [((random.normal(size=masks.shape) + shift * masks).astype(np.float32), masks, np.ones_like(masks))]


def compared(model: float, other: float, units: np.ndarray | None = None):
    names = np.arange(12) if units is None else units
    maps = [measure_maps("maps", lambda shift=shift: blocks(shift), names, 12 * 256, n_bootstrap=200) for shift in (model, other)]
    return compare_maps(maps[0], {"light": maps[1]}, 200)


def test_a_model_above_the_best_row_gets_no_warning() -> None:
    found = compared(2, 1)
    difference = found["against"]["auroc"]
    assert found["warning"] == "" and difference["above"] and 0 < difference["low"] < difference["value"] < difference["high"]


def test_a_model_that_is_not_above_is_warned_of_with_the_difference() -> None:
    found = compared(1, 1.02)
    start = "The maps are not shown to find pixels better than the best map that no model made, in 7 of 7 measures: Pixel AUROC"
    assert found["warning"].startswith(start) and not found["against"]["auroc"]["above"]
    assert found["warning"].count("“maps”") == 3 and ", and 4 more;" in found["warning"]


def test_differences_are_paired() -> None:
    """The same maps on both sides differ in no draw, however wide the interval of either is."""
    difference = compared(1, 1)["against"]["auroc"]
    assert (difference["low"], difference["value"], difference["high"]) == (0, 0, 0)


def test_of_one_group_there_is_no_interval_and_a_warning_that_says_so() -> None:
    found = compared(2, 1, np.zeros(12))
    assert found["model"]["auroc"]["low"] is None and "no interval, as the pixels come from too few groups" in found["warning"]


def test_stored_rows_are_read_as_they_were() -> None:
    maps = {"light": measure_maps("light", lambda: blocks(1), np.arange(12), 12 * 256, n_bootstrap=20)}
    again = unpack(pack(maps))["light"]
    assert (again.title, again.values) == ("light", maps["light"].values)
    np.testing.assert_allclose(again.draws["auroc"], maps["light"].draws["auroc"], rtol=1e-6)


# of a run


def test_a_run_has_its_maps_beside_the_rows(scored: ScoreTable, tmp_path: Path) -> None:
    run = make_run(make_frames(tmp_path / "frames"), tmp_path / "run")
    positions = with_known_truth(scored)
    values = pixel_values(score_maps(scored, positions), run.threshold()["pixel_level"])
    found = localise(run, scored, values)
    assert [row["name"] for row in found["baselines"]] == ["centre", "redness", "brightness", "mean_frame", "prior"]
    assert found["model"]["auroc"]["value"] == values["auroc"] and set(found["model"]) == set(values) - {"frames", "error_bound"}
    assert all(set(row["measures"]) == set(found["model"]) for row in found["baselines"])
    assert found["warning"]  # of a model that learnt nothing


def test_rows_of_other_code_are_measured_again(scored: ScoreTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDGEN_CACHE", str(tmp_path))
    answers = iter([measure_maps(title, lambda: blocks(1), np.arange(12), 3072, n_bootstrap=2) for title in ("first", "second")])
    monkeypatch.setattr(localisation, "measure_baselines", lambda *arguments: {"row": next(answers)})

    def ask() -> str:
        return cached_baselines(scored.data, scored.data, scored.rows, scored.rows.astype(str))["row"].title

    before = [ask(), ask()]
    monkeypatch.setattr(localisation, "made_by", lambda kind: "baselines 2")
    assert before == ["first", "first"] and ask() == "second"
