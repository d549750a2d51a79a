"""Intensity rules against their formula in float64."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medgen.data.intensity import FULL, Intensity, picture
from medgen.data.pixel_format import StoredFrame, stored
from medgen.errors import ConfigError, ImageError

CT = np.array([[-1000, -160, 40, 240, 3000]], dtype=np.int16)


@pytest.mark.parametrize("text", ["auto", "full", "window:-160,240", "percentile:1,99"])
def test_a_rule_is_read(text: str) -> None:
    assert Intensity.parse(text).rule == text.partition(":")[0]


@pytest.mark.parametrize(
    "text", ["otto", "full:1,2", "window", "window:3,1", "window:a,b", "percentile:-1,99", "percentile:0,101"]
)
def test_what_is_no_rule_is_an_error(text: str) -> None:
    with pytest.raises(ConfigError):
        Intensity.parse(text)


def test_a_window_is_black_below_and_white_above() -> None:
    pixels = picture(stored(CT), Intensity.parse("window:-160,240"))
    np.testing.assert_allclose(pixels[..., 0], [[0, 0, 0.5, 1, 1]])


def test_an_inverted_frame_is_windowed_the_other_way_round() -> None:
    frame = stored(CT)._replace(black=1.0, white=0.0)
    np.testing.assert_allclose(picture(frame, Intensity.parse("window:-160,240"))[..., 0], [[1, 1, 0.5, 0, 0]])


@given(st.lists(st.integers(-(2**15), 2**15 - 1), min_size=1))
def test_the_whole_range_of_a_signed_type_does_not_run_over(values: list[int]) -> None:
    pixels = picture(stored(np.array([values], dtype=np.int16)), FULL)
    np.testing.assert_allclose(pixels[0, :, 0], (np.array(values, dtype=np.float64) + 2**15) / (2**16 - 1), atol=1e-6)


def test_what_is_rendered_is_shown_by_auto_alone() -> None:
    frame = StoredFrame(np.array([[[50.0]]]), 0, 100, rendered=np.array([[[0.25]]], dtype=np.float32))
    assert (picture(frame).item(), picture(frame, FULL).item()) == (0.25, 0.5)


def test_floats_beyond_their_convention_have_no_whole_range() -> None:
    with pytest.raises(ImageError, match="from 0 to 7"):
        picture(stored(np.array([[0.0, 7.0]])))
