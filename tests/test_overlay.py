"""What is not tissue is marked; tissue is not."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as Picture

from medgen.data.field.contour import crop
from medgen.data.field.overlay import channel_levels, find_overlay, green_box, highlights, levels_at, reduce_valid, rules_for
from medgen.data.pyramid import Pyramid

SIDE = 400


@pytest.fixture
def mucosa() -> NDArray[np.uint8]:
    """Smooth reddish tissue with a dark lumen."""
    rng = np.random.default_rng(0)
    grain = cv2.GaussianBlur(rng.normal(0, 60, (SIDE, SIDE)).astype(np.float32), (0, 0), 8)
    frame = np.clip(np.array([170, 90, 75]) + grain[..., None], 40, 220).astype(np.uint8)
    cv2.circle(frame, (200, 180), 45, (12, 6, 5), -1)
    return cv2.GaussianBlur(frame, (0, 0), 2)


def test_plain_tissue_is_left_alone(mucosa: NDArray[np.uint8]) -> None:
    assert not find_overlay(channel_levels(mucosa), 15).any.any()


def test_a_dark_lumen_is_no_black_box(mucosa: NDArray[np.uint8]) -> None:
    assert not find_overlay(channel_levels(mucosa), 15).black_box.any()


def test_a_free_standing_black_box_is_found(mucosa: NDArray[np.uint8]) -> None:
    mucosa[300:360, 40:140] = 0
    found = find_overlay(channel_levels(mucosa), 15).black_box
    assert found[300:360, 40:140].all() and found.sum() < 1.2 * 60 * 100


def test_a_black_box_at_the_edge_counts_as_border(mucosa: NDArray[np.uint8]) -> None:
    mucosa[300:, :120] = 0
    assert find_overlay(channel_levels(mucosa), 15).border[300:, :120].all()


def test_a_green_box_is_filled_with_what_is_drawn_in_it(mucosa: NDArray[np.uint8]) -> None:
    mucosa[280:380, 20:130] = (16, 163, 133)
    cv2.line(mucosa, (40, 300), (110, 360), (20, 20, 20), 3)
    found = green_box(channel_levels(mucosa).green)
    assert found[280:380, 20:130].all() and found.sum() < 1.2 * 100 * 110


def test_burned_in_text_is_covered(mucosa: NDArray[np.uint8]) -> None:
    clean = mucosa.copy()
    cv2.putText(mucosa, "08/10/2013", (10, 60), cv2.FONT_HERSHEY_PLAIN, 1.2, (235, 235, 235), 1)
    glyphs = (mucosa.min(axis=2).astype(int) - clean.min(axis=2)) > 60
    assert highlights(channel_levels(mucosa))[glyphs].mean() > 0.98


def test_a_specular_spot_is_covered_and_little_else(mucosa: NDArray[np.uint8]) -> None:
    cv2.circle(mucosa, (300, 100), 4, (250, 248, 245), -1)
    found = highlights(channel_levels(mucosa))
    assert found[96:105, 296:305].all() and found.sum() < 250


def test_half_covered_pixels_are_invalid_after_reduction() -> None:
    valid = np.ones((8, 8), bool)
    valid[:, 1] = False  # the first reduced column is half covered
    assert not reduce_valid(valid, 4)[:, 0].any() and reduce_valid(valid, 4)[:, 1:].all()


def test_real_green_boxes_are_found_and_real_frames_without_have_none(real_data: Path) -> None:
    folder = real_data / "hyperkvasir"
    with_box = [np.array(Picture.open(path).convert("RGB")) for path in sorted((folder / "green-overlay").glob("*.jpg"))]
    without = [np.array(Picture.open(path).convert("RGB")) for path in sorted((folder / "normal-cecum").glob("*.jpg"))[:30]]
    assert all(0.02 < green_box(channel_levels(pixels).green).mean() < 0.2 for pixels in with_box)
    assert not any(green_box(channel_levels(pixels).green).any() for pixels in without)


def test_the_black_box_of_real_normal_frames_is_invalid(real_data: Path) -> None:
    paths = sorted((real_data / "hyperkvasir" / "bbps-2-3").glob("*.jpg"))[:30]
    corner = []
    for path in paths:
        found, _ = crop(Pyramid.of(np.array(Picture.open(path).convert("RGB"))), 96)
        dark = found.pixels[76:90, 6:20].max(axis=2) < 12
        corner.append(found.valid[76:90, 6:20][dark].mean() if dark.any() else 0.0)
    assert max(corner) < 0.02


def test_the_levels_of_a_pixel_are_those_of_numpy() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    levels, (red, green, blue) = channel_levels(pixels), np.moveaxis(pixels.astype(int), -1, 0)
    np.testing.assert_array_equal(levels.brightest, pixels.max(axis=2))
    np.testing.assert_array_equal(levels.darkest, pixels.min(axis=2))
    np.testing.assert_array_equal(levels.green, (green > red + 50) & (green > blue + 8) & (green > 90))


def test_a_grey_frame_has_one_level_and_no_green(mucosa: NDArray[np.uint8]) -> None:
    levels = channel_levels(mucosa[..., :1])
    assert np.array_equal(levels.brightest, mucosa[..., 0]) and levels.darkest is levels.brightest and not levels.green.any()


@pytest.mark.parametrize(("white", "blanked"), [(1.0, 1.0), (0.5, 0.0)])
def test_a_grey_frame_is_blanked_where_it_is_white_nearly_all_over(white: float, blanked: float) -> None:
    pixels = np.full((100, 100, 1), 120, dtype=np.uint8)
    pixels[: round(100 * white)] = 255
    assert find_overlay(channel_levels(pixels), -1, rules="dark").any.mean() == blanked


@pytest.mark.parametrize("seed", range(4))
def test_noise_in_colour_is_no_stained_section(seed: int) -> None:
    assert rules_for(Pyramid.of(np.random.default_rng(seed).integers(0, 256, (96, 96, 3), dtype=np.uint8))) == "endoscopy"


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("divisor", [2, 4, 8])
def test_the_peak_of_a_smaller_picture_is_the_darkest_channel_of_the_highest_values(channels: int, divisor: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (37, 51, channels), dtype=np.uint8)
    rows, columns = 37 // divisor, 51 // divisor
    blocks = pixels[: rows * divisor, : columns * divisor].reshape(rows, divisor, columns, divisor, channels)
    expected = blocks.max(axis=1).min(axis=-1).max(axis=-1)  # of the rows of a block, of the channels, of its columns
    assert np.array_equal(levels_at(Pyramid.of(pixels), divisor).peak, expected)
