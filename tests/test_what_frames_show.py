"""Frames that show nothing: one colour, and noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import pearsonr

from medgen.data.field.contour import crop
from medgen.data.images import read_image
from medgen.data.pixel_format import to_uint8
from medgen.data.pyramid import Pyramid
from medgen.data.scorable import NOISE, is_one_colour, likeness, noise_sentence, noise_warning

ALL = np.ones((32, 32), bool)
RANDOM = np.random.default_rng(3)


def shade(level: int, *spots: int) -> np.ndarray:
    """A frame of one level, with other levels in its first pixels."""
    frame = np.full((32, 32, 3), level, np.uint8)
    frame[0, : len(spots)] = np.array(spots)[:, None]
    return frame


@pytest.mark.parametrize(("spots", "expected"), [((), True), ((92, 88), False), ((92, 89), True), ((94,), False)])
def test_one_colour_is_what_a_compression_leaves_of_it(spots: tuple[int, ...], expected: bool) -> None:
    assert is_one_colour(shade(90, *spots), ALL) is expected


def test_what_is_no_tissue_has_no_part_in_the_colour() -> None:
    valid = ALL.copy()
    valid[0, :2] = False
    assert is_one_colour(shade(90, 0, 255), valid)


def test_a_frame_without_valid_pixels_has_no_colour() -> None:
    assert not is_one_colour(shade(90), ~ALL)


def test_the_likeness_is_the_mean_correlation_of_pixels_two_apart() -> None:
    frame = RANDOM.integers(0, 256, (32, 32, 1), dtype=np.uint8)
    frame = np.cumsum(frame, axis=1, dtype=np.uint8)
    grey = frame[..., 0].astype(float)
    expected = np.mean([pearsonr(grey[:, 2:].ravel(), grey[:, :-2].ravel())[0], pearsonr(grey[2:].ravel(), grey[:-2].ravel())[0]])
    assert likeness(frame, ALL, 400) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("side", [16, 48, 64, 100, 128, 300])
@pytest.mark.parametrize("size", [16, 32, 96])
def test_independent_pixels_are_noise_however_they_are_scaled(side: int, size: int) -> None:
    frame = RANDOM.integers(0, 256, (side, side, 3), dtype=np.uint8)
    cropped, _ = crop(Pyramid.of(frame), size, rules="none")
    assert likeness(cropped.pixels, cropped.valid, cropped.box.width) < NOISE


@pytest.mark.parametrize(
    "places", ["hyperkvasir/polyps/*.jpg", "hyperkvasir/normal-cecum/*.jpg", "bsds500/**/*.jpg", "faces/test/*/*"]
)
@pytest.mark.parametrize("size", [32, 96])
def test_real_frames_are_no_noise(real_data: Path, places: str, size: int) -> None:
    for path in sorted(real_data.glob(places))[::25]:
        cropped, _ = crop(Pyramid.of(to_uint8(read_image(path).pixels)), size, rules="dark")
        assert likeness(cropped.pixels, cropped.valid, cropped.box.width) > NOISE + 0.1
        assert not is_one_colour(cropped.pixels, cropped.valid)


@pytest.mark.parametrize(
    ("found", "noisy"),
    [
        ([0.0] * 20, "20 of 20"),
        ([0.0] * 19 + [0.9], "19 of 20"),
        ([0.0] * 18 + [0.9] * 2, ""),
        ([np.nan, 0.1], "1 of 1"),
        ([np.nan], ""),
    ],
)
def test_nearly_all_frames_have_to_be_noise(found: list[float], noisy: str) -> None:
    assert noise_sentence(found).startswith(noisy) and bool(noise_sentence(found)) == bool(noisy)


@pytest.mark.parametrize(("noisy", "said"), [("normal", True), ("abnormal", False)])
def test_normal_frames_alone_count(noisy: str, said: bool) -> None:
    ramp = np.add.outer(np.arange(32, dtype=np.uint8), np.arange(32, dtype=np.uint8))[..., None]
    labels = ["normal"] * 4 + ["abnormal"] * 4
    frames = np.stack([RANDOM.integers(0, 256, (32, 32, 1), dtype=np.uint8) if label == noisy else ramp for label in labels])
    index = pd.DataFrame({"label": labels, "left": 0, "right": 32})
    assert bool(noise_warning(index, frames, np.ones((8, 32, 32), bool))) is said
