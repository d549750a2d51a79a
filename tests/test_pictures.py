"""Pictures against a second reader."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest
import skimage.io
from PIL import ImageOps
from writers import DEEP, DRAW, GREY, RGB, monai_reads, save, smooth

from medgen.data.images import read_image
from medgen.data.intensity import Intensity, picture
from medgen.data.pixel_format import to_uint8
from medgen.data.readers.pictures import frame_of


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif", "a.webp", "a.tiff", "A.PNG"])
def test_lossless_colour_equals_opencv(tmp_path: Path, name: str) -> None:
    path = save(tmp_path / name, RGB, **({"lossless": True} if name.endswith("webp") else {}))
    image = read_image(path)
    assert image.pixels.dtype == np.uint8 and image.spacing is None and image.source == str(path)
    np.testing.assert_array_equal(image.pixels, cv2.imread(str(path))[..., ::-1])
    np.testing.assert_array_equal(image.pixels, RGB)


@pytest.mark.parametrize("name", ["a.jpg", "a.jpeg", "a.webp"])
def test_lossy_colour_is_within_three_grey_levels_of_opencv(tmp_path: Path, name: str) -> None:
    path = save(tmp_path / name, smooth(), quality=95)
    theirs = cv2.imread(str(path))[..., ::-1].astype(int)
    assert np.abs(read_image(path).pixels.astype(int) - theirs).max() <= 3


@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_monai_returns_the_transposed_picture(tmp_path: Path, name: str) -> None:
    path = save(tmp_path / name, smooth())
    np.testing.assert_array_equal(read_image(path).pixels, monai_reads(path, "PILReader").swapaxes(0, 1))


def test_grey_has_one_channel(tmp_path: Path) -> None:
    np.testing.assert_array_equal(read_image(save(tmp_path / "a.png", GREY)).pixels, GREY[..., None])


def test_one_bit_masks_become_0_and_255(tmp_path: Path) -> None:
    mask = GREY > 127
    np.testing.assert_array_equal(read_image(save(tmp_path / "a.png", mask)).pixels[..., 0], np.where(mask, 255, 0))


def test_16_bit_grey_png_is_divided_by_65535(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", DEEP[..., 0])
    image = read_image(path)
    assert image.pixels.dtype == np.float32
    np.testing.assert_allclose(image.pixels[..., 0], skimage.io.imread(path) / 65535, atol=1e-7)


def test_16_bit_colour_png_keeps_its_16_bits(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), DEEP[..., ::-1])
    np.testing.assert_array_equal(np.rint(read_image(tmp_path / "a.png").pixels * 65535), DEEP)


def test_16_bit_alpha_is_laid_over_black(tmp_path: Path) -> None:
    alpha = DRAW.integers(0, 65536, (22, 34, 1), dtype=np.uint16)
    cv2.imwrite(str(tmp_path / "a.png"), np.concatenate([DEEP[..., ::-1], alpha], axis=-1))
    np.testing.assert_allclose(read_image(tmp_path / "a.png").pixels, DEEP / 65535 * (alpha / 65535), atol=1e-6)


def test_alpha_is_laid_over_black_as_pillow_does(tmp_path: Path) -> None:
    rgba = np.concatenate([RGB, GREY[..., None]], axis=-1)
    path = save(tmp_path / "a.png", rgba)
    black = PIL.Image.new("RGBA", (34, 22), (0, 0, 0, 255))
    theirs = np.asarray(PIL.Image.alpha_composite(black, PIL.Image.open(path)))[..., :3].astype(int)
    assert np.abs(read_image(path).pixels - theirs).max() <= 1


def test_grey_with_alpha_stays_grey(tmp_path: Path) -> None:
    pixels = read_image(save(tmp_path / "a.png", np.stack([GREY, np.full_like(GREY, 255)], axis=-1))).pixels
    np.testing.assert_array_equal(pixels, GREY[..., None])


def test_palette_becomes_its_colours(tmp_path: Path) -> None:
    picture = PIL.Image.fromarray(RGB).quantize(16)
    picture.save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png").pixels, np.asarray(picture.convert("RGB")))


def test_transparent_palette_entries_are_black(tmp_path: Path) -> None:
    picture = PIL.Image.fromarray(RGB).quantize(16)
    picture.save(tmp_path / "a.png", transparency=3)
    pixels, clear = read_image(tmp_path / "a.png").pixels, np.asarray(picture) == 3
    assert not pixels[clear].any()
    np.testing.assert_array_equal(pixels[~clear], np.asarray(picture.convert("RGB"))[~clear])


def test_cmyk_jpeg_becomes_rgb(tmp_path: Path) -> None:
    PIL.Image.fromarray(smooth()).convert("CMYK").save(tmp_path / "a.jpg", quality=100)
    theirs = PIL.Image.open(tmp_path / "a.jpg").convert("RGB")
    np.testing.assert_array_equal(read_image(tmp_path / "a.jpg").pixels, np.asarray(theirs))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.jpg", "a.png", "deep.png", "a.webp", "a.tif"])
def test_exif_orientation_is_honoured(tmp_path: Path, name: str, orientation: int) -> None:
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    small = PIL.Image.fromarray(DEEP[..., 0] if name == "deep.png" else smooth())
    small.save(tmp_path / name, exif=exif)
    small.save(tmp_path / f"plain_{name}")
    if name == "deep.png":  # 16-bit colour goes another way through the reader
        cv2.imwrite(str(tmp_path / name), DEEP)
        _add_exif_to_png(tmp_path / name, exif.tobytes().removeprefix(b"Exif\0\0"))
        plain = PIL.Image.fromarray((DEEP[..., 2] >> 8).astype(np.uint8))
    else:
        plain = PIL.Image.open(tmp_path / f"plain_{name}")
    plain.getexif()[0x0112] = orientation
    theirs = np.asarray(ImageOps.exif_transpose(plain))
    ours = read_image(tmp_path / name).pixels
    np.testing.assert_array_equal(np.floor(ours[..., 0] * 65535 / 256) if name == "deep.png" else ours, theirs)


def _add_exif_to_png(path: Path, exif: bytes) -> None:
    data, chunk = path.read_bytes(), b"eXIf" + exif
    path.write_bytes(data[:33] + struct.pack(">I", len(exif)) + chunk + struct.pack(">I", zlib.crc32(chunk)) + data[33:])


def test_real_frames_equal_opencv(real_data: Path) -> None:
    for path in sorted((real_data / "hyperkvasir" / "polyps").iterdir())[:5]:
        theirs = cv2.imread(str(path))[..., ::-1].astype(int)
        assert np.abs(read_image(path).pixels.astype(int) - theirs).mean() < 1


def in_memory(path: Path) -> np.ndarray:
    """Return the picture of a file that Pillow has opened."""
    return to_uint8(picture(frame_of(PIL.Image.open(path)), Intensity()))


def test_a_picture_in_memory_is_shown_as_its_file_is(tmp_path: Path) -> None:
    drawn = PIL.Image.fromarray(RGB)
    turned = PIL.Image.Exif()
    turned[0x0112] = 6
    drawn.save(tmp_path / "turned.png", exif=turned)
    drawn.quantize(16).save(tmp_path / "palette.png")
    PIL.Image.fromarray(np.dstack([RGB, GREY])).save(tmp_path / "alpha.png")
    drawn.convert("LA").save(tmp_path / "grey-alpha.png")
    PIL.Image.fromarray(DEEP[..., 0]).save(tmp_path / "deep.png")
    for name in ("turned.png", "palette.png", "alpha.png", "grey-alpha.png", "deep.png"):
        np.testing.assert_array_equal(in_memory(tmp_path / name), to_uint8(read_image(tmp_path / name).pixels), name)
