"""Traits of frames and files, against Pillow, SciPy, matplotlib and brute force; boxes against drawn and real ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import rgb_to_hsv
from numpy.typing import NDArray
from PIL import Image as Picture
from PIL import ImageStat
from scipy import ndimage

from medgen.data.field.contour import crop
from medgen.data.images import read_image
from medgen.data.native.addresses import open_dataset
from medgen.data.pixel_format import to_uint8
from medgen.data.prepared import Prepared, PrepareSettings
from medgen.data.preparing.prepare import prepare
from medgen.data.pyramid import Pyramid
from medgen.data.shortcut_features import (
    TRAITS,
    frame_traits,
    jpeg_quality,
    mean_distance,
    overlay_traits,
    picture_traits,
    why_left_out,
)
from medgen.types import Progress

SIDES = (48, 64, 96, 256)
CORNERS = {"top left": (1, 1), "top right": (1, -1), "bottom left": (-1, 1), "bottom right": (-1, -1)}


def tissue(side: int = 96, seed: int = 0) -> NDArray[np.uint8]:
    """A smooth reddish frame."""
    random = np.random.default_rng(seed).uniform(0, 60, (4, 4, 3))
    smooth = ndimage.zoom(random, (side / 4, side / 4, 1), order=1)
    return (smooth + np.array([140, 70, 50])).astype(np.uint8)


def octagon(side: int, share: float) -> NDArray[np.uint8]:
    """Tissue whose corners are cut off: dark triangles with legs of `share` of the side."""
    pixels = tissue(side)
    down, across = np.indices((side, side))
    near = np.minimum(down, side - 1 - down) + np.minimum(across, side - 1 - across)
    pixels[near < share * side] = 0
    return pixels


def boxed(side: int, corner: str, height: float = 0.3, width: float = 0.25, cut: float = 0.15) -> NDArray[np.uint8]:
    """An octagon with a black box in one corner."""
    pixels = octagon(side, cut)
    down, across = CORNERS[corner]
    pixels[::down, ::across][: round(height * side), : round(width * side)] = 0
    return pixels


def overlay(pixels: NDArray[np.uint8]) -> dict[str, float]:
    return overlay_traits(pixels, np.ones(pixels.shape[:2], dtype=bool))


@pytest.fixture(scope="module")
def valid() -> NDArray[np.bool_]:
    return np.random.default_rng(1).random((96, 96)) > 0.1


def test_light_and_colour_are_those_of_pillow_over_the_valid_pixels(valid: NDArray[np.bool_]) -> None:
    found, mask = picture_traits(tissue(), valid), Picture.fromarray(valid)
    colours = ImageStat.Stat(Picture.fromarray(tissue()), mask)
    grey = ImageStat.Stat(Picture.fromarray(tissue()).convert("L"), mask)
    assert [found["red"], found["green"], found["blue"]] == pytest.approx(colours.mean, rel=1e-6)
    assert found["brightness"] == pytest.approx(grey.mean[0], abs=0.5)  # both round
    assert found["contrast"] == pytest.approx(grey.stddev[0], abs=0.1)


def test_saturation_is_that_of_matplotlib(valid: NDArray[np.bool_]) -> None:
    expected = rgb_to_hsv(tissue() / 255)[valid][:, 1].mean()
    assert picture_traits(tissue(), valid)["saturation"] == pytest.approx(expected, rel=1e-6)


def test_sharpness_is_the_variance_of_the_laplacian_of_scipy() -> None:
    grey = np.random.default_rng(2).integers(0, 255, (32, 32, 1), dtype=np.uint8)
    edges = ndimage.laplace(grey[..., 0].astype(float), mode="mirror")
    assert picture_traits(grey, np.ones((32, 32), dtype=bool))["sharpness"] == pytest.approx(edges.var(), rel=1e-5)


def test_what_is_not_valid_changes_no_trait_of_the_picture(valid: NDArray[np.bool_]) -> None:
    other = np.where(valid[..., None], tissue(), 255).astype(np.uint8)
    assert picture_traits(other, valid) == picture_traits(tissue(), valid)


def test_a_frame_without_valid_pixels_has_no_traits_of_the_picture() -> None:
    assert all(np.isnan(value) for value in picture_traits(tissue(), np.zeros((96, 96), dtype=bool)).values())


def test_quality_is_what_pillow_was_told_to_save_with(tmp_path: Path) -> None:
    for quality in range(1, 101):
        Picture.fromarray(tissue(16)).save(tmp_path / "a.jpg", quality=quality)
        with Picture.open(tmp_path / "a.jpg") as picture:
            assert jpeg_quality(np.array(picture.quantization[0])) == quality  # type: ignore[attr-defined]


@pytest.mark.parametrize("corner", CORNERS)
@pytest.mark.parametrize("side", SIDES)
def test_a_box_in_a_corner_is_found_with_its_area_and_place(side: int, corner: str) -> None:
    found = overlay(boxed(side, corner))
    down, across = CORNERS[corner]
    assert found["black_box"] == 1
    assert found["black_box_share"] == pytest.approx(0.3 * 0.25, abs=0.035)
    assert found["black_box_y"] == pytest.approx(0.15 if down > 0 else 0.85, abs=0.04)
    assert found["black_box_x"] == pytest.approx(0.125 if across > 0 else 0.875, abs=0.04)


@pytest.mark.parametrize("share", [0, 0.05, 0.1, 0.2, 0.3, 0.45])
@pytest.mark.parametrize("side", SIDES)
def test_the_dark_corners_of_a_field_of_view_are_no_box(side: int, share: float) -> None:
    assert overlay(octagon(side, share))["black_box"] == 0


@pytest.mark.parametrize("side", SIDES)
def test_the_dark_corners_of_a_round_field_of_view_are_no_box(side: int) -> None:
    down, across = np.indices((side, side)) - (side - 1) / 2
    pixels = tissue(side)
    pixels[np.hypot(down, across) > 0.52 * side] = 0
    assert overlay(pixels)["black_box"] == 0


@pytest.mark.parametrize("side", SIDES)
def test_a_dark_strip_along_an_edge_is_no_box(side: int) -> None:
    pixels = tissue(side)
    pixels[:, : side // 5] = 0
    found = overlay(pixels)
    assert found["black_box"] == 0 and found["border_share"] == pytest.approx(0.2, abs=0.05)


def test_a_box_a_little_away_from_the_edge_is_found() -> None:
    pixels = boxed(96, "bottom left")
    pixels[-2:] = 120
    assert overlay(pixels)["black_box"] == 1


def test_a_free_standing_box_is_found_in_a_frame_without_a_border() -> None:
    pixels = tissue()
    pixels[40:60, 30:60] = 0
    found = overlay(pixels)
    assert found["black_box"] == 1 and found["black_box_share"] == pytest.approx(600 / 96**2, abs=0.015)


def test_the_box_is_no_part_of_the_border_share() -> None:
    bare, with_box = overlay(octagon(96, 0.15)), overlay(boxed(96, "bottom left"))
    assert with_box["border_share"] == pytest.approx(0.75 * bare["border_share"], abs=0.004)  # the box hides one corner of four


def test_the_boxes_of_real_frames_are_found_where_they_are(real_data: Path) -> None:
    def found(folder: str, step: int) -> pd.DataFrame:
        crops = [
            crop(Pyramid.of(to_uint8(read_image(path).pixels)), 96)[0]
            for path in sorted((real_data / "hyperkvasir" / folder).iterdir())[::step]
        ]
        return pd.DataFrame([overlay_traits(cropped.pixels, cropped.valid) for cropped in crops])

    normal, polyps, green = found("normal-cecum", 24), found("polyps", 30), found("green-overlay", 3)
    assert normal["black_box"].mean() > 0.9 and 0.3 < polyps["black_box"].mean() < 0.8
    assert normal["black_box_x"].dropna().between(0.1, 0.2).all() and normal["black_box_y"].dropna().between(0.8, 0.9).all()
    assert green["green_box"].all() and not green["black_box"].any() and not normal["green_box"].any()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """Ten normal JPEG frames and four polyps, two of them PNG; three of the normal ones are test frames."""
    folder = tmp_path_factory.mktemp("traits")
    rows = ["file,finding,label,split,group,mask"]
    for place in range(14):
        label, split = ("polyp", "test") if place > 9 else ("normal", "test" if place > 6 else "val" if place == 6 else "train")
        name = f"{place:02}.{'png' if place > 11 else 'jpg'}"
        path = folder / "frames" / name
        path.parent.mkdir(exist_ok=True)
        Picture.fromarray(tissue(80, place)[:, : 80 - 4 * (label == "polyp")]).save(path, quality=80)
        rows.append(f"{name},{label},{'abnormal' if label == 'polyp' else 'normal'},{split},g{place},")
    (folder / "frames" / "manifest.csv").write_text("\n".join(rows) + "\n")
    return prepare(folder / "frames", folder / "data", PrepareSettings(size=32), workers=1)


def test_every_trait_is_there_while_the_raw_frames_are(data: Prepared) -> None:
    table = frame_traits(data, data.rows("test"))
    assert {*table} == {*TRAITS} and len(table) == 7 and why_left_out(data, table) == ""


def test_traits_of_the_file_are_those_on_disk(data: Prepared) -> None:
    rows = data.rows("test")
    table = frame_traits(data, rows)
    for row, path in zip(table.to_dict("records"), data.index["path"].iloc[rows], strict=True):
        size = (Path(data.source) / path).stat().st_size
        width = 76 if path >= "10" else 80
        assert (row["bytes"], row["jpeg"]) == (size, path.endswith("jpg"))
        assert (row["width"], row["height"], row["aspect"]) == (width, 80, width / 80)
        assert row["bytes_per_pixel"] == pytest.approx(size / (width * 80))
        assert row["jpeg_quality"] == 80 if path.endswith("jpg") else np.isnan(row["jpeg_quality"])


def test_with_the_raw_frames_gone_their_traits_are_left_out_and_that_is_said(data: Prepared) -> None:
    gone = replace(data, source="nowhere")
    whole, table = frame_traits(data, data.rows("test")), frame_traits(gone, data.rows("test"))
    assert {*whole} - {*table} == {"jpeg", "jpeg_quality", "bytes", "bytes_per_pixel"}
    assert whole[[*table]].equals(table) and "'nowhere'" in why_left_out(gone, table)


def test_a_raw_frame_that_has_changed_is_taken_for_gone(data: Prepared) -> None:
    rows = data.rows("test")
    changed = replace(data, index=data.index.assign(digest=data.index["digest"].mask(data.index.index == rows[0], "other")))
    assert frame_traits(changed, rows)["bytes"].isna().tolist() == [True] + [False] * 6


def test_frames_at_native_size_have_traits_of_the_picture_alone(data: Prepared, tmp_path: Path) -> None:
    for name in ("normal", "polyp"):
        (tmp_path / name).mkdir()
        for seed in range(30):
            Picture.fromarray(tissue(32, seed)).convert("L").save(tmp_path / name / f"{seed}.png")
    opened = open_dataset(f"folder:{tmp_path}")
    table = frame_traits(opened, opened.rows("test"))
    assert {*table} == {"brightness", "contrast", "sharpness"} and "native size" in why_left_out(opened, table)


def test_progress_ends_with_the_last_frame(data: Prepared) -> None:
    seen: list[Progress] = []
    frame_traits(data, data.rows(), seen.append)
    assert (seen[-1].done, seen[-1].total) == (14, 14)


def test_the_distance_from_the_mean_normal_frame_is_that_of_a_masked_array(data: Prepared) -> None:
    valid = np.array(data.valid)
    valid[:, :4] = False  # no frame shows anything there
    masked = np.ma.masked_array(np.asarray(data.frames, float), np.repeat(~valid[..., None], 3, axis=3))
    mean = masked[data.rows("train")].mean(axis=0)
    expected = [np.sqrt(((masked[row] - mean) ** 2).mean()) for row in data.rows("test")]
    assert mean_distance(replace(data, valid=valid), data.rows("test")) == pytest.approx(expected)


def test_without_training_frames_there_is_no_mean_to_be_far_from(data: Prepared) -> None:
    alone = replace(data, index=data.index.assign(split="test"))
    assert np.isnan(mean_distance(alone, data.rows("test"))).all()
