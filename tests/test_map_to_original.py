"""Maps find the way back to the frame that a crop was cut from."""

from __future__ import annotations

from math import pi
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates

from medgen.data.field.contour import crop, cut, resize
from medgen.data.preparing.prepare import prepare
from medgen.data.pyramid import Pyramid
from medgen.data.writers.map_to_original import find_originals, outlines, overlay, smoothed, to_original
from medgen.types import Box

SHAPE = (120, 160)  # of an original frame
BOXES = [
    Box(20, 10, 120, 110),  # inside
    Box(-30, -25, 100, 105),  # outside on the left and above
    Box(60, 40, 180, 160),  # outside on the right and below
    Box(-20, -40, 180, 160),  # all around the frame
    Box(70, 40, 110, 80),  # smaller than the crop
]
DRAW = np.random.default_rng(11)


def disc(x: float, y: float, radius: float, shape: tuple[int, int] = SHAPE) -> NDArray[np.bool_]:
    rows, columns = np.indices(shape)
    return (rows - y) ** 2 + (columns - x) ** 2 <= radius**2


def overlap(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    return float((a & b).sum() / (a | b).sum())


@pytest.mark.parametrize("box", BOXES)
def test_a_disc_comes_back_to_where_it_was(box: Box) -> None:
    drawn = disc(88, 62, 15)
    small = resize(cut(drawn.astype(np.uint8)[..., None] * np.uint8(255), box), 64)[..., 0]  # (64, 64)
    found = to_original((small / 255).astype(np.float32), box, SHAPE)
    assert found.shape == SHAPE and overlap(np.nan_to_num(found) > 0.5, drawn) > 0.9


@pytest.mark.parametrize("square", ["crop", "pad"])
def test_a_disc_comes_back_from_the_crop_of_a_whole_frame(square: str) -> None:
    drawn = disc(200, 150, 40, (300, 400))
    pixels = np.where(drawn, np.uint8(220), np.uint8(90))[..., None].repeat(3, axis=2)
    made, _ = crop(Pyramid.of(pixels), 96, square)  # type: ignore[arg-type]
    values = np.where(made.valid, made.pixels[..., 0], np.nan).astype(np.float32)
    found = to_original(values, made.box, (300, 400))
    assert (made.box.left < 0 or made.box.top < 0) == (square == "pad")
    assert overlap(np.nan_to_num(found) > 155, drawn) > 0.95


@pytest.mark.parametrize("box", BOXES)
def test_only_what_lies_in_the_crop_has_a_score(box: Box) -> None:
    found = to_original(np.ones((64, 64), np.float32), box, SHAPE)
    rows, columns = np.indices(SHAPE)
    inside = (rows >= box.top) & (rows < box.bottom) & (columns >= box.left) & (columns < box.right)
    assert np.array_equal(~np.isnan(found), inside)


def test_scores_between_pixels_are_those_of_scipy() -> None:
    scores, box = DRAW.random((32, 32)).astype(np.float32), Box(5, 3, 105, 103)
    rows, columns = np.indices((100, 100))
    places = (np.stack([rows, columns]) + 0.5) * 32 / 100 - 0.5  # middles of pixels onto middles of pixels
    expected = map_coordinates(scores, places, order=1, mode="nearest")
    np.testing.assert_allclose(to_original(scores, box, SHAPE)[3:103, 5:105], expected, atol=2e-5)


def test_whether_a_pixel_is_valid_the_nearest_one_of_the_crop_says() -> None:
    valid, box = DRAW.random((24, 24)) > 0.3, Box(10, 10, 111, 111)
    found = to_original(np.where(valid, np.float32(1), np.float32(np.nan)), box, SHAPE)
    nearest = [int((k + 0.5) * 24 / 101) for k in range(101)]  # of two middles, none is ever as near as the other
    assert np.array_equal(~np.isnan(found[10:111, 10:111]), valid[nearest][:, nearest])


@pytest.mark.parametrize("box", [Box(10, 10, 110, 110), Box(70, 40, 87, 57)])
def test_pixels_that_are_not_valid_lend_nothing(box: Box) -> None:
    scores = np.where(DRAW.random((24, 24)) > 0.3, np.float32(7), np.float32(np.nan))
    found = to_original(scores, box, SHAPE)
    np.testing.assert_allclose(found[~np.isnan(found)], 7, rtol=1e-6)


def test_smoothing_is_that_of_scipy() -> None:
    scores = DRAW.random((40, 40)).astype(np.float32)
    np.testing.assert_allclose(smoothed(scores, 2.0), gaussian_filter(scores, 2.0, mode="mirror"), atol=2e-4)


def test_smoothing_lends_nothing_from_pixels_that_are_not_valid() -> None:
    scores = np.where(DRAW.random((24, 24)) > 0.3, np.float32(7), np.float32(np.nan))
    found = smoothed(scores, 1.5)
    assert np.array_equal(np.isnan(found), np.isnan(scores))
    np.testing.assert_allclose(found[~np.isnan(found)], 7, rtol=1e-5)


def test_the_outline_of_a_disc_holds_its_area_and_its_place() -> None:
    (line,) = outlines(disc(88, 62, 30).astype(np.float32), 0.5)
    assert cv2.contourArea(line) == pytest.approx(pi * 30**2, rel=0.05)
    assert line[:, 0].mean(axis=0) == pytest.approx([88, 62], abs=0.5)


def test_a_ring_has_two_outlines() -> None:
    assert len(outlines((disc(80, 60, 40) & ~disc(80, 60, 20)).astype(np.float32), 0.5)) == 2


def test_nothing_is_outlined_where_there_is_no_score() -> None:
    assert len(outlines(np.full(SHAPE, np.nan, np.float32), -1.0)) == 0


def test_heat_is_mixed_by_its_strength() -> None:
    frame, colours = (DRAW.integers(0, 256, (*SHAPE, 3), dtype=np.uint8) for _ in range(2))
    strength = DRAW.random(SHAPE).astype(np.float32)
    mixed = overlay(frame, strength, colours)
    expected = [[np.interp(strength[y, x], [0, 1], [frame[y, x, 0], colours[y, x, 0]]) for x in range(9)] for y in range(9)]
    np.testing.assert_allclose(mixed[:9, :9, 0], expected, atol=0.51)


def test_where_there_is_no_score_the_frame_stays_as_it_was() -> None:
    frame = DRAW.integers(1, 255, (*SHAPE, 3), dtype=np.uint8)
    scores = np.where(disc(80, 60, 50), np.float32(1), np.float32(np.nan))
    laid = overlay(frame, scores, np.zeros_like(frame), outlines(scores, 0.5))
    assert np.array_equal(laid[np.isnan(scores)], frame[np.isnan(scores)]) and (laid[~np.isnan(scores)] == 255).any()


def test_lines_run_along_the_outline() -> None:
    scores = disc(80, 60, 30).astype(np.float32)
    laid = overlay(np.full((*SHAPE, 3), 90, np.uint8), 0 * scores, np.zeros((*SHAPE, 3), np.uint8), outlines(scores, 0.5))
    y, x = np.nonzero((laid == 255).all(axis=2))
    assert len(x) > 100 and np.abs(np.hypot(x - 80, y - 60) - 30).max() < 1.5


def test_a_frame_that_a_manifest_names_is_found_in_its_file(tmp_path: Path) -> None:
    source = tmp_path / "raw"
    source.mkdir()
    np.save(source / "a.npy", np.random.default_rng(0).integers(0, 256, (4, 20, 20), dtype=np.uint8))
    (source / "manifest.csv").write_text("file,label\na.npy#2,normal\n", encoding="utf-8")
    (original,) = find_originals(prepare(source, tmp_path / "data", workers=1), np.array([0]))
    assert (original.file, original.number, original.path) == (source / "a.npy", 2, "a.npy#2")
