"""Regions of maps as a table: measured as SciPy does, placed on the original frame, in mm where its file states the spacing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from commands import ONE_EPOCH, succeed
from run_results import make_results, report_page
from scipy import ndimage
from writers import nifti

from medgen.data.writers.map_to_original import to_original
from medgen.metrics.regions import region_table
from medgen.runs.localising.regions import COLUMNS, IN_MM, in_mm, on_frame
from medgen.types import Box

pytestmark = pytest.mark.usefixtures("blank_charts")

LEVEL = 0.6
CORNERS = np.ones((3, 3))


@pytest.fixture(scope="module")
def score_map() -> np.ndarray:
    """A map of blobs, a corner of which has no score."""
    drawn = ndimage.gaussian_filter(np.random.default_rng(0).random((40, 40)), 1.5)
    drawn = ((drawn - drawn.min()) / (drawn.max() - drawn.min())).astype(np.float32)
    drawn[:9, :9] = np.nan
    return drawn


@pytest.fixture(scope="module")
def expected(score_map: np.ndarray) -> pd.DataFrame:
    """The same by SciPy, in no order."""
    scores = np.nan_to_num(score_map)
    labels, count = ndimage.label(scores > LEVEL, CORNERS)
    numbers = np.arange(1, count + 1)
    centres = np.array(ndimage.center_of_mass(labels > 0, labels, numbers))
    boxes = [(rows.start, columns.start, rows.stop, columns.stop) for rows, columns in ndimage.find_objects(labels)]
    return pd.DataFrame(np.array(boxes, dtype=float), columns=["top", "left", "bottom", "right"]).assign(
        area=ndimage.sum_labels(labels > 0, labels, numbers),
        y=centres[:, 0],
        x=centres[:, 1],
        mean_score=ndimage.mean(scores, labels, numbers),
        max_score=ndimage.maximum(scores, labels, numbers),
    )


def test_regions_are_those_of_scipy(score_map: np.ndarray, expected: pd.DataFrame) -> None:
    found = region_table(score_map, LEVEL, most=1000)
    assert len(expected) > 5
    ours, theirs = (table.sort_values(["top", "left", "area"], ignore_index=True) for table in (found, expected))
    pd.testing.assert_frame_equal(ours, theirs[ours.columns], rtol=1e-5, check_dtype=False)


def test_the_largest_regions_come_first_and_others_are_left_out(score_map: np.ndarray, expected: pd.DataFrame) -> None:
    assert list(region_table(score_map, LEVEL, most=3)["area"]) == sorted(expected["area"], reverse=True)[:3]


def test_pixels_that_touch_at_a_corner_are_one_region() -> None:
    assert list(region_table(np.eye(5, dtype=np.float32), 0.5)["area"]) == [5]


def test_a_level_below_zero_leaves_pixels_without_a_score_out() -> None:
    scores = np.full((6, 6), -1, np.float32)
    scores[:2] = np.nan
    (row,) = region_table(scores, -2.0).to_dict("records")
    assert (row["area"], row["top"], row["mean_score"]) == (24, 2, -1)


def test_a_map_without_a_region_has_an_empty_table() -> None:
    assert len(region_table(np.zeros((4, 4), np.float32), 0.5)) == 0


def test_a_region_of_a_crop_lies_where_its_map_on_the_original_frame_has_it() -> None:
    crop = np.zeros((8, 8), np.float32)
    crop[2:4, 3:6] = 1
    original = to_original(crop, Box(10, 20, 42, 52), (60, 60)) > 0.5  # four pixels of the frame under each of the crop
    (row,) = on_frame(region_table(crop, 0.5), 10.0, 20.0, 4.0, 4.0).to_dict("records")
    rows, columns = np.nonzero(original)
    assert (row["y_px"], row["x_px"]) == pytest.approx((rows.mean() + 0.5, columns.mean() + 0.5))
    edges = (row["left_px"], row["top_px"], row["right_px"], row["bottom_px"])
    assert edges == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    assert row["area_px"] == pytest.approx(original.sum(), rel=0.05)  # interpolation rounds its corners


def test_sizes_in_mm_are_pixels_times_their_spacing() -> None:
    table = on_frame(region_table(np.pad(np.ones((2, 6), np.float32), 3), 0.5), 0.0, 0.0, 1.0, 1.0)
    (row,) = in_mm(table, down=0.5, across=0.25).to_dict("records")
    assert [row[name] for name in IN_MM] == [12 * 0.125, 6 * 0.25, 4 * 0.5, 6 * 0.25, 2 * 0.5]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on slices of a volume, whose pixels are 0.5 mm wide and 0.25 mm high, its maps and its report."""
    root = tmp_path_factory.mktemp("study")
    for name, seed in (("normal", 0), ("bad", 1)):
        voxels = np.random.default_rng(seed).integers(60, 200, (32, 32, 16)).astype(np.uint8)
        (root / "source" / name).mkdir(parents=True)
        for k in range(8):
            nifti(root / "source" / name / f"{k}.nii", voxels[:, :, 2 * k : 2 * k + 2], np.diag([-0.5, -0.25, 3.0, 1.0]))
    succeed("prepare", root / "source", "--out", root / "data", "--size", 16, "--overlay", "none")
    succeed("train", "vae", root / "data", "--out", root / "run", *ONE_EPOCH)
    succeed("maps", root / "run", root / "data", "--out", root / "maps")
    succeed("report", root / "run", "--out", root / "page")
    return root


@pytest.mark.parametrize("place", ["maps", "page"])
def test_regions_stand_beside_maps_and_report_in_pixels_and_mm(study: Path, place: str) -> None:
    table = pd.read_csv(study / place / "regions.csv")
    assert list(table.columns) == [*COLUMNS, *IN_MM] and len(table)
    np.testing.assert_allclose(table["area_mm2"], table["area_px"] * 0.125)


def test_every_region_of_the_maps_is_above_their_level(study: Path) -> None:
    level = json.loads((study / "maps" / "maps.json").read_text())["level"]
    table = pd.read_csv(study / "maps" / "regions.csv")
    assert (table["mean_score"] > level).all() and set(table["path"]) <= set(pd.read_csv(study / "maps" / "scores.csv")["path"])


def test_the_page_shows_the_largest_regions_with_their_sizes(study: Path) -> None:
    page = (study / "page" / "report.html").read_text()
    largest = pd.read_csv(study / "page" / "regions.csv")["area_px"].max()
    assert "Largest flagged regions" in page and "Area, mm²" in page and f"<td>{round(largest)}</td>" in page


def test_a_page_of_a_run_without_maps_speaks_of_no_regions(tmp_path: Path) -> None:
    assert "flagged regions" not in report_page([make_results()], tmp_path) and not (tmp_path / "regions.csv").exists()


def test_regions_of_several_runs_say_whose_they_are(tmp_path: Path) -> None:
    table = on_frame(region_table(np.eye(3, dtype=np.float32), 0.5), 0.0, 0.0, 1.0, 1.0).assign(path="a.png", region=1)
    report_page([make_results(name=name, regions=table) for name in ("one", "two")], tmp_path)
    assert list(pd.read_csv(tmp_path / "regions.csv")["run"]) == ["one", "two"]
