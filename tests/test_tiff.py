"""TIFF against a float64 formula of the array that was written, against Pillow and against OpenCV."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL.Image
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from writers import DEEP, DRAW, GREY, RGB, rejected, save, smooth

from medgen.data.images import opened, read_image
from medgen.data.intensity import FULL
from medgen.data.pixel_format import StoredFrame

SIDES = {1: lambda x: x, 2: np.fliplr, 3: lambda x: np.rot90(x, 2), 4: np.flipud, 5: lambda x: x.swapaxes(0, 1)} | {
    6: lambda x: np.rot90(x, -1),
    7: lambda x: np.rot90(x, 2).swapaxes(0, 1),
    8: lambda x: np.rot90(x),
}  # TIFF 6.0, Orientation: what brings a picture upright


def stored_frame(path: Path) -> StoredFrame:
    with opened(path) as file:
        return next(file.frames)


def turn(orientation: int) -> list[tuple[int, str, int, int, bool]]:
    """The tag of an orientation, for tifffile."""
    return [(274, "H", 1, orientation, True)]


def retag(path: Path, **tags: Any) -> Path:
    with tifffile.TiffFile(path, mode="r+b") as file:
        for name, value in tags.items():
            file.pages.first.tags[name].overwrite(value)
    return path


@st.composite
def pictures(draw: st.DrawFn) -> tuple[NDArray[Any], NDArray[np.float64], dict[str, Any]]:
    """Samples, what they show by a straightforward formula, and how tifffile is to write them."""
    kind, bits = draw(
        st.sampled_from([*(("u", bits) for bits in (*range(1, 17), 32)), *zip("iiifff", (8, 16, 32) * 2, strict=True)])
    )
    if kind == "f":
        bits = {8: 16, 16: 32, 32: 64}[bits]
    size = next(size for size in (8, 16, 32, 64) if bits <= size)
    numbers = np.random.default_rng(draw(st.integers(0, 99)))
    photometric = draw(st.sampled_from(["minisblack", "miniswhite", "rgb"]))
    extra = draw(st.sampled_from([None, 0, 1, 2])) if kind == "u" and bits in (8, 16) else None
    channels = (3 if photometric == "rgb" else 1) + (extra is not None)
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if kind == "i" else (0, 2**bits - 1)
    if kind == "f" or bits == 32:  # by convention
        low, high = 0, 1 if kind == "f" else 255
    shape = (draw(st.integers(1, 40)), draw(st.integers(1, 40)), channels)
    values = numbers.random(shape) if kind == "f" else numbers.integers(low, high, shape, endpoint=True)
    samples = values.astype(f"{kind}{size // 8}")
    if bits == 1:
        samples = samples.astype(bool)
    unit = (samples.astype(np.float64) - low) / (high - low)
    shown = unit[..., : channels - (extra is not None)]
    shown = 1 - shown if photometric == "miniswhite" else shown
    shown = shown * unit[..., -1:] if extra == 2 else shown
    orientation = draw(st.integers(1, 8))
    options = {"photometric": photometric, "extratags": turn(orientation), "bigtiff": draw(st.booleans())}
    if extra is not None:
        options["extrasamples"] = [extra]
    separate = channels > 1 and draw(st.booleans())
    if channels > 1:
        options["planarconfig"] = "separate" if separate else "contig"
    if bits in (8, 16, 32, 64):
        options |= draw(st.sampled_from([{}, {"tile": (16, 16)}, {"rowsperstrip": 3}]))
        options |= {"byteorder": draw(st.sampled_from("<>"))}
        options |= draw(st.sampled_from([{}, *({"compression": name} for name in ("lzw", "zlib", "packbits", "zstd"))]))
        options |= (
            {"predictor": True} if options.get("compression") in ("lzw", "zlib") and bits < 64 and draw(st.booleans()) else {}
        )
    elif bits > 1:
        options["bitspersample"] = bits
    data = np.moveaxis(samples, -1, 0) if separate else samples if channels > 1 else samples[..., 0]
    return np.ascontiguousarray(data), SIDES[orientation](shown), options


@settings(max_examples=300, deadline=None)
@given(pictures())
def test_any_tiff_equals_the_formula(
    tmp_path_factory: pytest.TempPathFactory, picture: tuple[NDArray[Any], NDArray[np.float64], dict[str, Any]]
) -> None:
    data, shown, options = picture
    path = tmp_path_factory.getbasetemp() / "any.tif"
    tifffile.imwrite(path, data, **options)
    pixels = read_image(path, intensity=FULL).pixels
    coarse = 0.5001 / 255 if pixels.dtype == np.uint8 else 1e-6
    np.testing.assert_allclose(pixels / (255 if pixels.dtype == np.uint8 else 1), shown, atol=coarse)


@pytest.mark.parametrize("extra", [None, 0, 1, 2])
def test_a_picture_of_8_bits_looks_as_the_same_of_16(tmp_path: Path, extra: int | None) -> None:
    samples = np.dstack([RGB, GREY]) if extra is not None else RGB
    options = {"extrasamples": [extra]} if extra is not None else {}
    tifffile.imwrite(tmp_path / "8.tif", samples, photometric="rgb", **options)
    tifffile.imwrite(tmp_path / "16.tif", samples.astype(np.uint16) * 257, photometric="rgb", **options)
    np.testing.assert_allclose(
        read_image(tmp_path / "8.tif").pixels / 255, read_image(tmp_path / "16.tif", intensity=FULL).pixels, atol=0.5001 / 255
    )


def test_three_samples_that_are_called_grey_are_rgb(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", RGB, photometric="rgb")
    retag(tmp_path / "a.tif", PhotometricInterpretation=1)  # so is CVC-ClinicDB
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").pixels, RGB)


def test_three_grey_samples_of_which_two_are_extra_are_rgb(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", RGB, photometric="minisblack", planarconfig="contig")
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").pixels, RGB)


def test_a_fourth_channel_that_is_no_alpha_is_left_out(tmp_path: Path) -> None:
    infrared = np.dstack([DEEP, np.zeros((22, 34), np.uint16)])
    tifffile.imwrite(tmp_path / "a.tif", infrared, photometric="rgb", extrasamples=["unspecified"])
    np.testing.assert_array_equal(np.rint(read_image(tmp_path / "a.tif").pixels * 65535), DEEP)


def test_channels_of_which_none_is_said_to_be_colour_are_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((8, 9, 5), np.uint8), photometric="minisblack", planarconfig="contig")
    assert "holds 5 channels, and the file does not say which of them are colours" in rejected(tmp_path / "a.tif")


@pytest.mark.parametrize("kind", [np.int8, np.int16])
def test_signed_samples_do_not_wrap(tmp_path: Path, kind: type) -> None:
    limits = np.iinfo(kind)
    tifffile.imwrite(tmp_path / "a.tif", np.array([[limits.min, 0, limits.max]], kind))
    pixels = read_image(tmp_path / "a.tif", intensity=FULL).pixels[0, :, 0]
    np.testing.assert_allclose(pixels, [0, 0.5, 1], atol=0.003)
    assert stored_frame(tmp_path / "a.tif").values.ravel().tolist() == [limits.min, 0, limits.max]


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_few_bits_are_shown_in_full_and_kept_as_they_are(tmp_path: Path, bits: int) -> None:
    samples = DRAW.integers(0, 2**bits, (9, 11), dtype=np.uint8)
    tifffile.imwrite(
        tmp_path / "a.tif", samples.astype(bool) if bits == 1 else samples, photometric="minisblack", bitspersample=bits
    )
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").pixels[..., 0], samples * (255 // (2**bits - 1)))
    np.testing.assert_array_equal(stored_frame(tmp_path / "a.tif").values[..., 0], samples)


def test_white_of_12_bits_is_4095(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.array([[0, 1000, 4095]], np.uint16), bitspersample=12)
    frame = stored_frame(tmp_path / "a.tif")
    assert (frame.black, frame.white, frame.values.ravel().tolist()) == (0, 4095, [0, 1000, 4095])


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_floats_are_taken_as_they_are(tmp_path: Path, kind: type) -> None:
    values = DRAW.random((9, 8)).astype(kind)
    tifffile.imwrite(tmp_path / "a.tif", values)
    np.testing.assert_array_equal(stored_frame(tmp_path / "a.tif").values[..., 0], values)


def test_a_float_map_says_how_it_can_be_read(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.array([[-3.5, 1200]], np.float32))
    assert "float32 values from -3.5 to 1200" in rejected(tmp_path / "a.tif")


def test_complex_numbers_are_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((4, 4), np.complex64))
    assert "complex64" in rejected(tmp_path / "a.tif")


@pytest.mark.parametrize("pixels", [GREY, DEEP[..., 0]], ids=["8 bit", "16 bit"])
def test_tiff_in_which_white_is_zero_is_inverted(tmp_path: Path, pixels: NDArray[Any]) -> None:
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="miniswhite")
    top = np.iinfo(pixels.dtype).max
    ours = read_image(tmp_path / "a.tif").pixels[..., 0]
    np.testing.assert_allclose(ours, (top - pixels) / (1 if top == 255 else top), atol=1e-7)


def test_cmyk_is_the_light_that_ink_leaves(tmp_path: Path) -> None:
    inks = DRAW.integers(0, 256, (9, 11, 4), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", inks, photometric="separated")
    pixels = read_image(tmp_path / "a.tif").pixels
    np.testing.assert_allclose(pixels, (255.0 - inks[..., :3]) * (255.0 - inks[..., 3:]) / 255, atol=0.5001)
    theirs = np.asarray(PIL.Image.open(tmp_path / "a.tif").convert("RGB")).astype(int)
    assert np.abs(pixels.astype(int) - theirs).max() <= 1


def test_luma_and_chroma_become_rgb(tmp_path: Path) -> None:
    picture = PIL.Image.fromarray(smooth()).convert("YCbCr")
    picture.save(tmp_path / "a.tif")
    theirs = np.asarray(picture.convert("RGB")).astype(int)
    assert np.abs(read_image(tmp_path / "a.tif").pixels.astype(int) - theirs).max() <= 1


def test_coarse_chroma_without_jpeg_is_read_as_opencv_does(tmp_path: Path) -> None:
    luma, *chroma = np.moveaxis(np.asarray(PIL.Image.fromarray(smooth()).convert("YCbCr")), -1, 0)  # (48, 64) each
    blocks = luma.reshape(24, 2, 32, 2).swapaxes(1, 2).reshape(24, 32, 4)  # one chroma for 2 x 2 of luma
    packed = np.dstack([blocks, *(plane[::2, ::2] for plane in chroma)])
    tags = [(530, "H", 2, (2, 2), True), (532, "2I", 6, (0, 1, 255, 1, 128, 1, 255, 1, 128, 1, 255, 1), True)]
    tifffile.imwrite(tmp_path / "a.tif", packed.reshape(48, -1), photometric="minisblack", extratags=tags)
    retag(tmp_path / "a.tif", PhotometricInterpretation=6, ImageWidth=64, SamplesPerPixel=3)
    theirs = cv2.imread(str(tmp_path / "a.tif"))[..., ::-1]
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").pixels, theirs)


@pytest.mark.parametrize("space", ["cielab", "icclab"])
def test_lab_is_refused(tmp_path: Path, space: str) -> None:
    tifffile.imwrite(tmp_path / "a.tif", RGB, photometric=space)
    assert rejected(tmp_path / "a.tif") == "holds LAB colour; expected grey or RGB"


def test_sensor_mosaics_are_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", GREY, photometric="cfa")
    assert "holds colour of the kind CFA" in rejected(tmp_path / "a.tif")


def test_an_unknown_compression_is_named(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", GREY, compression="zlib")
    assert "is compressed in a way that is not known" in rejected(retag(tmp_path / "a.tif", Compression=34676))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    "pixels", [GREY, RGB, DEEP, DEEP[..., 0].astype(np.int16), DEEP / 65535], ids=lambda p: f"{p.ndim}{p.dtype}"
)
def test_every_kind_is_turned_upright(tmp_path: Path, pixels: NDArray[Any], orientation: int) -> None:
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb" if pixels.ndim == 3 else None, extratags=turn(orientation))
    ours = stored_frame(tmp_path / "a.tif").values
    np.testing.assert_array_equal(ours.squeeze(), SIDES[orientation](pixels))


@pytest.mark.parametrize("compression", ["group3", "group4", "tiff_ccitt"])
def test_fax_compressions_equal_pillow(tmp_path: Path, compression: str) -> None:
    save(tmp_path / "a.tif", smooth()[..., 0] > 90, compression=compression)
    theirs = np.asarray(PIL.Image.open(tmp_path / "a.tif")) * 255
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").pixels[..., 0], theirs)


def test_jpeg_inside_is_read_as_pillow_does(tmp_path: Path) -> None:
    save(tmp_path / "a.tif", smooth(), compression="jpeg", quality=95)
    theirs = np.asarray(PIL.Image.open(tmp_path / "a.tif").convert("RGB")).astype(int)
    assert np.abs(read_image(tmp_path / "a.tif").pixels.astype(int) - theirs).max() <= 2
