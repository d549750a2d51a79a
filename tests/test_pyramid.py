"""A picture at a half, a quarter and an eighth: the means of its pixels, whether it was decoded small or made small."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as Picture

from medgen.data.field.contour import crop
from medgen.data.images import opened, read_image
from medgen.data.pyramid import DIVISORS, Pyramid
from medgen.errors import ImageError
from medgen.types import Box


def scene(height: int = 203, width: int = 301, channels: int = 3) -> NDArray[np.uint8]:
    """Return a smooth picture, as a JPEG keeps it nearly as it is."""
    down, across = np.mgrid[:height, :width]
    planes = [127 + 100 * np.sin(down / (23 + 5 * channel) + across / 31) for channel in range(channels)]
    return np.stack(planes, axis=2).astype(np.uint8)


def saved(path: Path, pixels: NDArray[np.uint8], **options: object) -> Path:
    Picture.fromarray(pixels if pixels.shape[2] == 3 else pixels[..., 0]).save(path, "JPEG", quality=95, **options)
    return path


@pytest.mark.parametrize("divisor", DIVISORS)
def test_each_pixel_is_the_mean_of_those_it_stands_for(divisor: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (37, 53, 3), dtype=np.uint8)
    rows, columns = 37 // divisor, 53 // divisor
    blocks = pixels[: rows * divisor, : columns * divisor].reshape(rows, divisor, columns, divisor, 3)
    np.testing.assert_allclose(Pyramid.of(pixels).at(divisor), blocks.mean(axis=(1, 3)), atol=0.51)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("divisor", DIVISORS)
def test_a_jpeg_decoded_small_is_the_jpeg_made_small(tmp_path: Path, divisor: int, channels: int) -> None:
    path = saved(tmp_path / "a.jpg", scene(channels=channels))
    with opened(path) as content:
        assert content.pyramid is not None
        pyramid = content.pyramid()
        small, whole = pyramid.at(divisor), read_image(path).pixels
    expected = Pyramid.of(whole.astype(np.uint8)).at(divisor)
    assert small.shape == expected.shape and (pyramid.height, pyramid.width, pyramid.channels) == whole.shape
    assert np.abs(small.astype(int) - expected).max() <= 3


def test_a_jpeg_decoded_whole_has_the_same_bytes_by_both_ways(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.jpg", scene(), subsampling=2)
    with opened(path) as content:
        assert content.pyramid is not None
        np.testing.assert_array_equal(content.pyramid().at(1), next(content.frames).values)


def test_a_turned_jpeg_is_not_decoded_small(tmp_path: Path) -> None:
    exif = Picture.Exif()
    exif[274] = 6
    with opened(saved(tmp_path / "a.jpg", scene(), exif=exif)) as content:
        assert content.pyramid is None and next(content.frames).values.shape == (301, 203, 3)


def test_a_truncated_jpeg_is_refused_and_not_filled_up(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.jpg", scene())
    path.write_bytes(path.read_bytes()[:-400])
    with opened(path) as content, pytest.raises(ImageError, match="truncated"):
        assert content.pyramid is None
        next(content.frames)


def test_cmyk_is_left_to_the_reader_that_knows_it(tmp_path: Path) -> None:
    buffer = BytesIO()
    Picture.fromarray(scene()).convert("CMYK").save(buffer, "JPEG")
    (tmp_path / "a.jpg").write_bytes(buffer.getvalue())
    with opened(tmp_path / "a.jpg") as content:
        assert content.pyramid is None


@pytest.mark.parametrize(
    ("shape", "side", "divisor"), [((530, 630), 240, 2), ((1080, 1920), 480, 2), ((2160, 3840), 480, 4), ((96, 96), 240, 1)]
)
def test_the_smallest_picture_that_is_large_enough(shape: tuple[int, int], side: int, divisor: int) -> None:
    assert Pyramid.of(np.zeros((*shape, 1), np.uint8)).divisor_for(side) == divisor


def test_a_jpeg_so_large_that_an_eighth_is_still_large_is_cropped(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.jpg", np.repeat(np.repeat(scene(500, 500), 8, axis=0), 8, axis=1))
    with opened(path) as content:
        assert content.pyramid is not None
        cropped, field = crop(content.pyramid(), 32)
    assert cropped.box == field.box == Box(0, 0, 4000, 4000) and cropped.pixels.shape == (32, 32, 3)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_jpeg_that_opencv_does_not_know_is_left_to_pillow(
    tmp_path: Path, channels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path / "a.jpg", scene(channels=channels))
    monkeypatch.setattr("cv2.imdecode", lambda data, flags: None)
    with opened(path) as content:
        assert content.pyramid is not None
        whole = next(content.frames).values.astype(np.uint8)
        np.testing.assert_array_equal(content.pyramid().at(2), Pyramid.of(whole).at(2))
