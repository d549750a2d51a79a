"""Pictures of rarer formats and kinds, against a second reader or a value computed by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import imagecodecs
import numpy as np
import PIL.Image
import pytest
from numpy.typing import NDArray
from sample_pictures import write_png
from writers import DEEP, DRAW, GREY, RGB, rejected, save, smooth

from medgen.data.images import count_frames, is_image, opened, read_image, read_images
from medgen.data.intensity import FULL
from medgen.data.pixel_format import StoredFrame


def stored_frame(path: Path) -> StoredFrame:
    with opened(path) as file:
        return next(file.frames)


LOSSLESS: dict[str, dict[str, Any]] = {
    "a.bmp": {}, "a.dib": {}, "a.jp2": {}, "a.j2k": {}, "a.ppm": {}, "a.pnm": {}, "a.apng": {"format": "PNG"},
    "a.webp": {"lossless": True}, **{name: {"format": "JPEG2000"} for name in ("a.jpx", "a.jpf", "a.j2c", "a.jpc")},
}  # fmt: skip


@pytest.mark.parametrize("name", LOSSLESS)
def test_lossless_formats_give_what_was_written(tmp_path: Path, name: str) -> None:
    path = save(tmp_path / name, RGB, **LOSSLESS[name])
    assert is_image(path)
    np.testing.assert_array_equal(read_image(path).pixels, RGB)


@pytest.mark.parametrize("name", ["a.jpg", "a.jpe", "a.jfif", "a.webp", "a.avif"])
def test_lossy_formats_give_nearly_what_was_written(tmp_path: Path, name: str) -> None:
    path = save(tmp_path / name, smooth(), quality=95)
    assert np.abs(read_image(path).pixels.astype(int) - smooth()).max() <= 12


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "DIB", "WEBP", "AVIF", "JPEG2000", "PPM", "TIFF"])
def test_a_picture_without_a_suffix_is_found_by_its_first_bytes(tmp_path: Path, kind: str) -> None:
    path = save(tmp_path / "frame_0001", smooth(), format=kind)
    assert is_image(path) and read_image(path).pixels.shape == (48, 64, 3)


@pytest.mark.parametrize("text", ["BMI of the patients", "P1 and P2", "P1 3 were", "II*Methods", "(\0\0\0no header", "GIF"])
def test_a_text_without_a_suffix_is_no_picture(tmp_path: Path, text: str) -> None:
    (tmp_path / "README").write_text(text * 20)
    assert not is_image(tmp_path / "README")


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png", "a.avif"])
def test_each_picture_of_an_animation_is_a_frame(tmp_path: Path, name: str) -> None:
    pictures = [PIL.Image.fromarray(np.full((24, 32, 3), level, np.uint8)) for level in (20, 120, 220)]
    pictures[0].save(tmp_path / name, save_all=True, append_images=pictures[1:])
    assert count_frames(tmp_path / name) == 3
    assert [round(float(image.pixels.mean()), -1) for image in read_images(tmp_path / name)] == [20, 120, 220]


def test_of_a_jpeg_with_several_pictures_the_first_is_read(tmp_path: Path) -> None:
    first, second = (PIL.Image.fromarray(np.full((24, 32, 3), level, np.uint8)) for level in (50, 200))
    first.save(tmp_path / "a.jpg", format="MPO", save_all=True, append_images=[second])
    assert [round(image.pixels.mean()) for image in read_images(tmp_path / "a.jpg")] == [50]


@pytest.mark.parametrize("bits, white", [(8, 255), (8, 100), (16, 4095), (16, 65535)])
@pytest.mark.parametrize("name", ["a.pgm", "a.ppm"])
def test_netpbm_has_the_white_that_it_states(tmp_path: Path, name: str, bits: int, white: int) -> None:
    pixels = DRAW.integers(0, white, (5, 7, 1 if name == "a.pgm" else 3), endpoint=True).astype(f"u{bits // 8}")
    header = f"P{5 if name == 'a.pgm' else 6}\n# made for a test\n7 5\n{white}\n".encode()
    (tmp_path / name).write_bytes(header + pixels.astype(f">u{bits // 8}").tobytes())
    frame = stored_frame(tmp_path / name)
    assert frame.white == white
    np.testing.assert_array_equal(frame.values, pixels)
    theirs = np.atleast_3d(cv2.imread(str(tmp_path / name), cv2.IMREAD_UNCHANGED))[..., ::-1]
    np.testing.assert_array_equal(frame.values, theirs)


def test_netpbm_as_text_and_of_one_bit_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.pgm").write_text("P2\n3 1\n255\n0 7 255\n")
    (tmp_path / "a.pbm").write_text("P1\n3 1\n0 1 0\n")
    assert read_image(tmp_path / "a.pgm").pixels.ravel().tolist() == [0, 7, 255]
    assert read_image(tmp_path / "a.pbm").pixels.ravel().tolist() == [255, 0, 255]


def test_a_truncated_netpbm_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.pgm").write_bytes(b"P5 7 5 255\n" + bytes(34))
    assert "fewer pixels than its header states" in rejected(tmp_path / "a.pgm")


@pytest.mark.parametrize("dtype, bits", [(np.uint16, 12), (np.int16, 12), (np.uint16, 16), (np.int8, 8)])
def test_jpeg_2000_keeps_its_bits_and_its_sign(tmp_path: Path, dtype: type, bits: int) -> None:
    low = -(2 ** (bits - 1)) if dtype in (np.int8, np.int16) else 0
    pixels = DRAW.integers(low, low + 2**bits, (20, 30)).astype(dtype)
    (tmp_path / "a.jp2").write_bytes(imagecodecs.jpeg2k_encode(pixels, codecformat="jp2", reversible=True, bitspersample=bits))
    frame = stored_frame(tmp_path / "a.jp2")
    np.testing.assert_array_equal(frame.values[..., 0], pixels)
    assert (frame.black, frame.white, frame.lossy) == (low, low + 2**bits - 1, False)


def test_jpeg_2000_of_16_bit_colour_is_not_cut_to_8(tmp_path: Path) -> None:
    (tmp_path / "a.j2k").write_bytes(imagecodecs.jpeg2k_encode(DEEP, codecformat="j2k", reversible=True))
    np.testing.assert_array_equal(stored_frame(tmp_path / "a.j2k").values, DEEP)


def deep_ramp() -> NDArray[np.uint16]:
    y, x = np.mgrid[0:40, 0:50]
    return (x * 60 + y * 20).astype(np.uint16)


def test_jpeg_of_12_bits_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(imagecodecs.jpeg8_encode(deep_ramp(), level=98, bitspersample=12))
    frame = stored_frame(tmp_path / "a.jpg")
    assert frame.white == 4095 and frame.lossy
    assert np.abs(frame.values[..., 0].astype(int) - deep_ramp()).max() <= 8


def test_a_truncated_jpeg_of_12_bits_is_refused(tmp_path: Path) -> None:
    data = imagecodecs.jpeg8_encode(deep_ramp(), level=98, bitspersample=12)
    (tmp_path / "a.jpg").write_bytes(data[: len(data) // 2])
    assert "truncated" in rejected(tmp_path / "a.jpg")


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_lossless_jpeg_is_read_without_loss(tmp_path: Path, bits: int) -> None:
    pixels = deep_ramp().astype(np.uint8) if bits == 8 else deep_ramp()
    (tmp_path / "a.jpg").write_bytes(imagecodecs.jpeg8_encode(pixels, lossless=True, bitspersample=bits))
    frame = stored_frame(tmp_path / "a.jpg")
    np.testing.assert_array_equal(frame.values[..., 0], pixels)
    assert not frame.lossy


def test_rgb_jpeg_without_an_adobe_marker_keeps_its_colours(tmp_path: Path) -> None:
    data = imagecodecs.jpeg8_encode(smooth(), level=98, colorspace="rgb", outcolorspace="rgb")  # components "R", "G", "B"
    start = data.find(b"\xff\xee")
    if start >= 0:
        data = data[:start] + data[start + 2 + int.from_bytes(data[start + 2 : start + 4], "big") :]
    (tmp_path / "a.jpg").write_bytes(data)
    assert b"Adobe" not in data
    assert np.abs(read_image(tmp_path / "a.jpg").pixels.astype(int) - smooth()).max() <= 12


def test_cmyk_jpeg_is_the_light_that_ink_leaves(tmp_path: Path) -> None:
    inks = np.dstack([smooth(), smooth()[..., 0] // 4])
    PIL.Image.fromarray(inks, "CMYK").save(tmp_path / "a.jpg", quality=100)
    light = (255.0 - inks[..., :3]) * (255.0 - inks[..., 3:]) / 255
    assert np.abs(read_image(tmp_path / "a.jpg").pixels - light).max() <= 6


def rows(pixels: NDArray[Any]) -> bytes:
    """Return rows of 16 bits as PNG has them."""
    return b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)


def test_the_transparent_level_of_a_16_bit_grey_png_is_black(tmp_path: Path) -> None:
    pixels = np.array([[0, 1000, 1001, 65535]], np.uint16)
    write_png(tmp_path / "a.png", (1, 4), 16, 0, rows(pixels), transparent=b"\x03\xe9")  # 1001
    np.testing.assert_allclose(
        read_image(tmp_path / "a.png", intensity=FULL).pixels.ravel() * 65535, [0, 1000, 0, 65535], atol=0.01
    )


def test_the_transparent_colour_of_a_16_bit_png_is_black(tmp_path: Path) -> None:
    pixels = np.array([[[1, 2, 3], [1, 2, 4], [60000, 0, 9]]], np.uint16)
    write_png(tmp_path / "a.png", (1, 3), 16, 2, rows(pixels), transparent=bytes([0, 1, 0, 2, 0, 4]))
    np.testing.assert_array_equal(stored_frame(tmp_path / "a.png").values, [[[1, 2, 3], [0, 0, 0], [60000, 0, 9]]])


@pytest.mark.parametrize("bits, row, values", [(1, 0b10100000, [1, 0, 1]), (2, 0b11100100, [3, 2, 1]), (4, 0x9F, [9, 15])])
def test_png_of_few_bits_is_shown_in_full_and_kept_as_it_is(tmp_path: Path, bits: int, row: int, values: list[int]) -> None:
    write_png(tmp_path / "a.png", (1, len(values)), bits, 0, bytes([0, row]))
    frame = stored_frame(tmp_path / "a.png")
    assert frame.values.ravel().tolist() == values
    assert read_image(tmp_path / "a.png").pixels.ravel().tolist() == [value * 255 // (2**bits - 1) for value in values]


def test_the_transparent_level_of_a_png_of_few_bits_is_black(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", (1, 2), 4, 0, bytes([0, 0x9F]), transparent=b"\0\x09")
    assert stored_frame(tmp_path / "a.png").values.ravel().tolist() == [0, 15]


def test_grey_with_alpha_of_16_bits_looks_as_that_of_8(tmp_path: Path) -> None:
    pixels = np.dstack([GREY, RGB[..., 1]])
    write_png(tmp_path / "16.png", GREY.shape, 16, 4, rows(pixels.astype(np.uint16) * 257))
    save(tmp_path / "8.png", pixels)
    deep, flat = read_image(tmp_path / "16.png", intensity=FULL).pixels, read_image(tmp_path / "8.png").pixels
    np.testing.assert_allclose(deep, flat / 255, atol=0.5001 / 255)


@pytest.mark.parametrize("colour", [0, 2, 4, 6])
def test_a_png_of_8_bits_looks_as_the_same_of_16(tmp_path: Path, colour: int) -> None:
    pixels = np.dstack([RGB, GREY])[..., : {0: 1, 2: 3, 4: 2, 6: 4}[colour]]
    write_png(tmp_path / "16.png", GREY.shape, 16, colour, rows(pixels.astype(np.uint16) * 257))
    write_png(tmp_path / "8.png", GREY.shape, 8, colour, b"".join(b"\0" + row.tobytes() for row in pixels))
    deep, flat = read_image(tmp_path / "16.png", intensity=FULL).pixels, read_image(tmp_path / "8.png").pixels
    np.testing.assert_allclose(deep, flat / 255, atol=0.5001 / 255)
