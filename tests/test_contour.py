"""The field of view of padded real frames is found again, and frames without border stay whole."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as Picture

from medgen.data.field.contour import crop, cut, find_field, square_box
from medgen.data.field.overlay import channel_levels, find_overlay, reduce_valid
from medgen.data.phantom.frames import PhantomSettings, frame_keys, render
from medgen.data.pyramid import Pyramid
from medgen.types import Box

SHAPES = ("rectangular", "octagonal", "round")


def tissue(pixels: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return a random rectangle of a real frame that holds tissue only."""
    height, width = pixels.shape[:2]
    down, across = rng.uniform(0.3, 0.5, 2)
    top, left = rng.uniform(0.14, 0.64 - down), rng.uniform(0.36, 0.88 - across)
    return pixels[int(top * height) : int((top + down) * height), int(left * width) : int((left + across) * width)]


def outline(shape: str, height: int, width: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return which pixels of a rectangle lie inside a field of view of that shape, which touches all four sides."""
    mask = np.zeros((height, width), np.uint8)
    if shape == "rectangular":
        mask[:] = 1
    elif shape == "round":
        cv2.ellipse(mask, (((width - 1) / 2, (height - 1) / 2), (width, height), 0), 1, -1)
    else:
        cut_off = int(rng.uniform(0.08, 0.3) * min(height, width))
        right, bottom = width - 1, height - 1
        corners = [(cut_off, 0), (right - cut_off, 0), (right, cut_off), (right, bottom - cut_off)]
        corners += [(right - cut_off, bottom), (cut_off, bottom), (0, bottom - cut_off), (0, cut_off)]
        cv2.fillPoly(mask, [np.array(corners, dtype=np.int32)], (1,))
    return mask.astype(bool)


def padded(inside: NDArray[np.uint8], shape: str, rng: np.random.Generator) -> tuple[NDArray[np.uint8], Box]:
    """Return the tissue with a dark border of random level and widths, saved as JPEG and read again, and the known box."""
    height, width = inside.shape[:2]
    left, top, right, bottom = rng.integers(0 if shape == "rectangular" else 6, int(0.35 * width), 4)
    level = int(rng.integers(0, 20))
    frame = np.full((height + top + bottom, width + left + right, 3), level, np.uint8)
    frame[top : top + height, left : left + width] = np.where(outline(shape, height, width, rng)[..., None], inside, level)
    return jpeg(frame, int(rng.integers(70, 96))), Box(int(left), int(top), int(left + width), int(top + height))


def jpeg(pixels: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    buffer = BytesIO()
    Picture.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return np.array(Picture.open(buffer))


def real_frames(folder: Path, count: int) -> list[NDArray[np.uint8]]:
    paths = sorted(
        path for name in ("normal-cecum", "bbps-2-3", "polyps") for path in (folder / "hyperkvasir" / name).glob("*.jpg")
    )
    chosen = np.random.default_rng(0).permutation(len(paths))[:count]
    return [np.array(Picture.open(paths[key]).convert("RGB")) for key in chosen]


@pytest.mark.parametrize("shape", SHAPES)
def test_the_known_box_of_padded_real_frames_is_found_within_2_percent_in_99_of_100(real_data: Path, shape: str) -> None:
    rng = np.random.default_rng(1)
    hits = []
    for pixels in real_frames(real_data, 200):
        frame, known = padded(tissue(pixels, rng), shape, rng)
        error = np.abs(np.array(find_field(frame).box) - np.array(known))
        hits.append((error <= 0.02 * np.array([known.width, known.height] * 2)).all())
    assert np.mean(hits) >= 0.99


def test_real_frames_without_border_lose_under_2_percent(real_data: Path) -> None:
    rng = np.random.default_rng(2)
    for pixels in real_frames(real_data, 200):
        inside = jpeg(tissue(pixels, rng), 90)
        box = find_field(inside).box
        assert box.width * box.height >= 0.98 * inside.shape[0] * inside.shape[1]


def ramp(height: int = 120, width: int = 160) -> NDArray[np.uint8]:
    """Return tissue that fades from bright on the right to black on the left, as towards a lumen."""
    fade = np.linspace(0, 200, width)[None, :, None] * np.ones((height, 1, 3)) * [1.0, 0.6, 0.5]
    return fade.astype(np.uint8)


def test_tissue_that_fades_to_black_is_no_border() -> None:
    assert find_field(ramp()).box == Box(0, 0, 160, 120)


def test_a_dark_lumen_inside_a_border_is_not_cut_away() -> None:
    frame = np.zeros((160, 200, 3), np.uint8)
    frame[20:140, 20:180] = (150, 80, 70)
    cv2.circle(frame, (60, 80), 38, (2, 2, 2), -1)
    assert find_field(frame).box == Box(20, 20, 180, 140)


def test_a_black_frame_stays_whole() -> None:
    assert find_field(np.zeros((50, 60, 3), np.uint8)).box == Box(0, 0, 60, 50)


def test_float_and_uint8_pixels_give_the_same_field() -> None:
    frame = np.zeros((100, 100, 3), np.uint8)
    frame[10:90, 15:85] = (180, 90, 80)
    assert find_field(frame).box == find_field((frame / 255).astype(np.float32)).box


@pytest.mark.parametrize(("square", "expected"), [("crop", Box(30, 10, 90, 70)), ("pad", Box(10, -10, 110, 90))])
def test_a_box_is_squared_about_its_centre(square: str, expected: Box) -> None:
    assert square_box(Box(10, 10, 110, 70), square) == expected  # type: ignore[arg-type]


def test_what_lies_outside_the_frame_is_filled() -> None:
    assert cut(np.ones((4, 4), np.uint8), Box(-1, -1, 3, 3)).sum() == 9


def test_the_crop_has_the_asked_size_and_marks_the_padding_invalid() -> None:
    frame = np.full((60, 100, 3), (170, 90, 75), np.uint8)
    found, _ = crop(Pyramid.of(frame), 32, square="pad")
    assert found.pixels.shape == (32, 32, 3) and not found.valid[:4].any() and found.valid[12:20].all()


@pytest.mark.parametrize("square", ["crop", "pad"])
def test_masks_handed_on_are_those_found_anew_in_the_crop(square: Literal["crop", "pad"]) -> None:
    settings = PhantomSettings(train=4, val=0, test_normal=2, test_abnormal=2)
    for key in frame_keys(settings):
        pixels, _ = render(settings, key)
        found, field = crop(Pyramid.of(pixels), 64, square)
        inside = cut(np.ones(pixels.shape[:2], dtype=bool), found.box)
        overlay = find_overlay(channel_levels(cut(pixels, found.box)), field.threshold)
        np.testing.assert_array_equal(found.valid, reduce_valid(inside & ~overlay.any, 64))


def test_a_green_box_that_the_field_was_found_with_is_not_looked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = np.full((300, 300, 3), (150, 90, 80), np.uint8)
    frame[:9] = frame[-9:] = frame[:, :9] = frame[:, -9:] = 0
    frame[200:280, 20:100] = (20, 170, 140)
    field = find_field(frame)
    assert field.bordered and field.green_box is not None and field.green_box.any()
    levels = channel_levels(frame)
    monkeypatch.setattr("medgen.data.field.overlay.green_box", None)  # calling it would fail
    assert find_overlay(levels, field.threshold, field.green_box).green_box is field.green_box


def softened(inside: NDArray[np.uint8], shares: tuple[float, ...], border: int) -> NDArray[np.uint8]:
    """Return a frame in a black border, with lines around it that have these shares of the brightness of its outermost ones."""
    lines = len(shares)
    frame = np.pad(inside, ((lines, lines), (lines, lines), (0, 0)), mode="edge").astype(float)
    for row, share in enumerate(shares):
        for line in (frame[row], frame[-1 - row], frame[:, row], frame[:, -1 - row]):
            line *= share
    return np.pad(frame.round().astype(np.uint8), ((border, border), (border, border), (0, 0)))


@pytest.mark.parametrize("border", [17, 20, 33])
@pytest.mark.parametrize("shares", [(0.25, 0.7), (0.5,), (0.15, 0.4, 0.7)])
def test_a_half_dark_rim_is_no_part_of_the_field_of_view(shares: tuple[float, ...], border: int) -> None:
    rng = np.random.default_rng(3)
    grain = cv2.GaussianBlur(rng.normal(0, 80, (500, 560)).astype(np.float32), (0, 0), 6)
    inside = np.clip(np.array([170, 90, 75]) + grain[..., None], 40, 250).astype(np.uint8)
    sharp, _ = crop(Pyramid.of(softened(inside, (), border + len(shares))), 448)
    soft, _ = crop(Pyramid.of(softened(inside, shares, border)), 448)
    assert soft.box == sharp.box
    np.testing.assert_array_equal(soft.pixels, sharp.pixels)


@pytest.mark.parametrize("shares", [(0.25, 0.7), (0.15, 0.4, 0.7)])
def test_a_half_dark_rim_of_the_sides_blanks_no_more_in_dark_corners(shares: tuple[float, ...]) -> None:
    inside = np.full((500, 500, 3), (170, 90, 75), np.uint8)
    inside[np.add.outer(np.arange(500), np.arange(500)) < 90] = 4
    sharp, soft = (crop(Pyramid.of(softened(inside, lines, 22 - len(lines))), 448)[0].valid for lines in ((), shares))
    assert 0.01 < (~sharp).mean() < 0.03
    assert (sharp != soft).mean() < 0.0003


def test_the_packing_of_real_frames_changes_their_crops_by_less_than_a_grey_level(real_data: Path) -> None:
    changes = []
    for pixels in real_frames(real_data, 24):
        sharp, soft = (softened(pixels, shares, 20 - len(shares)) for shares in ((), (0.25, 0.7)))
        crops = [crop(Pyramid.of(frame), 96)[0].pixels.astype(int) for frame in (sharp, soft)]
        changes.append(np.abs(crops[0] - crops[1]).mean())
    assert np.mean(np.array(changes) < 1) >= 0.9 and np.median(changes) < 0.05


@pytest.mark.parametrize(("shape", "apart"), [("octagonal", 1), ("round", 3)])
def test_a_half_dark_rim_round_a_field_that_is_no_rectangle_is_left_out(real_data: Path, shape: str, apart: int) -> None:
    for number, pixels in enumerate(real_frames(real_data, 12)):
        inside = cv2.resize(tissue(pixels, np.random.default_rng(number)), (600, 520), interpolation=cv2.INTER_CUBIC)
        lit = np.pad(outline(shape, 520, 600, np.random.default_rng(number)), 24)
        rim = cv2.dilate(lit.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool) & ~lit
        frame = np.pad(inside, ((24, 24), (24, 24), (0, 0)), mode="edge")
        lights = (lit[..., None], (lit + 0.5 * rim)[..., None])
        sharp, soft = (crop(Pyramid.of((frame * light).astype(np.uint8)), 448) for light in lights)
        assert np.abs(np.array(soft[1].box) - np.array(sharp[1].box)).max() <= apart
        shares = cut((0.5 * rim).astype(np.float32), soft[0].box)
        half_dark = cv2.resize(shares, (448, 448), interpolation=cv2.INTER_AREA) > 0.4
        assert (half_dark & soft[0].valid).mean() < 0.0005
