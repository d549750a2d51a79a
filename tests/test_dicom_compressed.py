"""Compressed DICOM against the pixels before they were compressed; imagecodecs, Pillow and OpenJPEG compress."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import PIL.Image
import pydicom
import pytest
import SimpleITK
from numpy.typing import NDArray
from pydicom import uid
from pydicom.encaps import encapsulate, encapsulate_extended
from writers import DRAW, rejected, smooth, write_dicom

from medgen.data.images import opened, read_image
from medgen.data.readers import dicom

Encoder = Callable[..., bytes]
COUNT = np.arange(48 * 64).reshape(48, 64)
STORED = {  # pixels before they are compressed, and the bits that hold them
    "8 bits": ((COUNT % 256).astype(np.uint8), 8),
    "12 bits": ((COUNT % 4096).astype(np.uint16), 12),
    "16 bits": ((COUNT * 21).astype(np.uint16), 16),
    "12 bits, signed": ((COUNT % 4096 - 2048).astype(np.int16), 12),
    "16 bits, signed": ((COUNT * 21 - 32768).astype(np.int16), 16),
}


def lossless_jpeg(pixels: NDArray[Any], bits: int) -> bytes:
    return bytes(imagecodecs.jpeg_encode(unsigned(pixels, bits), lossless=True, bitspersample=bits))


def jpeg_ls(pixels: NDArray[Any], bits: int) -> bytes:
    return bytes(imagecodecs.jpegls_encode(unsigned(pixels, 16)))


def jpeg_2000(pixels: NDArray[Any], bits: int) -> bytes:
    options = {"codecformat": "J2K", "reversible": True, "level": 0}
    return bytes(imagecodecs.jpeg2k_encode(pixels, bitspersample=bits, **options))


def htj2k(pixels: NDArray[Any], bits: int) -> bytes:
    return bytes(imagecodecs.htj2k_encode(pixels, reversible=True))


def unsigned(pixels: NDArray[Any], bits: int) -> NDArray[Any]:
    """The same bits: JPEG knows no sign."""
    return pixels if pixels.dtype.kind == "u" else pixels.view(np.uint16) & np.uint16(2**bits - 1)


LOSSLESS: dict[str, tuple[str, Encoder]] = {
    "JPEG, process 14": (uid.JPEGLossless, lossless_jpeg),
    "JPEG, first-order": (uid.JPEGLosslessSV1, lossless_jpeg),
    "JPEG-LS": (uid.JPEGLSLossless, jpeg_ls),
    "JPEG 2000": (uid.JPEG2000Lossless, jpeg_2000),
    "HTJ2K": (uid.HTJ2KLossless, htj2k),
}


def written(path: Path, pixels: NDArray[Any], space: str, syntax: str, data: bytes, bits: int = 0, **tags: Any) -> Path:
    tags = {"BitsStored": bits, "HighBit": bits - 1, **tags} if bits else tags
    return write_dicom(path, pixels, space, syntax=syntax, PixelData=encapsulate([data]), **tags)


def values_of(path: Path) -> NDArray[Any]:
    with opened(path) as file:
        return next(file.frames).values


@pytest.mark.parametrize("compression", LOSSLESS)
@pytest.mark.parametrize("kind", STORED)
def test_lossless_compression_keeps_every_value(tmp_path: Path, compression: str, kind: str) -> None:
    (syntax, encode), (pixels, bits) = LOSSLESS[compression], STORED[kind]
    path = written(tmp_path / "a.dcm", pixels, "MONOCHROME2", syntax, encode(pixels, bits), bits)
    np.testing.assert_array_equal(values_of(path)[..., 0], pixels)


@pytest.mark.parametrize("compression", LOSSLESS)
def test_8_bits_in_words_of_16_are_read(tmp_path: Path, compression: str) -> None:
    syntax, encode = LOSSLESS[compression]
    pixels, bits = STORED["8 bits"]
    path = written(tmp_path / "a.dcm", pixels.astype(np.uint16), "MONOCHROME2", syntax, encode(pixels, bits), bits)
    np.testing.assert_array_equal(read_image(path).pixels[..., 0], pixels)


@pytest.mark.parametrize("compression", LOSSLESS)
def test_lossless_colour_is_kept(tmp_path: Path, compression: str) -> None:
    syntax, encode = LOSSLESS[compression]
    path = written(tmp_path / "a.dcm", smooth(), "RGB", syntax, encode(smooth(), 8))
    np.testing.assert_array_equal(read_image(path).pixels, smooth())


@pytest.mark.parametrize("compression", ["JPEG 2000", "HTJ2K"])
@pytest.mark.parametrize("space", ["YBR_RCT", "YBR_FULL_422"])
def test_jpeg_2000_of_rgb_is_rgb_whatever_colour_space_is_stated(tmp_path: Path, compression: str, space: str) -> None:
    syntax, encode = LOSSLESS[compression]
    path = written(tmp_path / "a.dcm", smooth(), space, syntax, encode(smooth(), 8))
    np.testing.assert_array_equal(read_image(path).pixels, smooth())


@pytest.mark.parametrize(("coded", "stored"), [(np.uint16, np.int16), (np.int16, np.uint16)])
def test_jpeg_2000_whose_sign_is_not_that_of_the_header_keeps_its_bits(tmp_path: Path, coded: type, stored: type) -> None:
    pixels = (COUNT * 21).astype(np.uint16)
    path = written(
        tmp_path / "a.dcm", pixels.view(stored), "MONOCHROME2", uid.JPEG2000Lossless, jpeg_2000(pixels.view(coded), 16)
    )
    np.testing.assert_array_equal(values_of(path)[..., 0], pixels.view(stored))


def test_signed_13_bits_in_unsigned_jpeg_2000_keep_their_sign() -> None:
    path = Path(pydicom.__file__).parent / "data" / "test_files" / "J2K_pixelrep_mismatch.dcm"
    ds = pydicom.dcmread(path)
    values = np.nan_to_num(values_of(path)[..., 0], nan=-2000)  # the padding
    assert (values.min(), values[0, 0]) == (-2000, -2000) and ds.pixel_array.min() == -2000
    np.testing.assert_array_equal(values, ds.pixel_array)


def test_jpeg_of_12_bits_is_read(tmp_path: Path) -> None:
    pixels = (np.mgrid[0:48, 0:64].sum(0) * 36).astype(np.uint16)
    data = imagecodecs.jpeg8_encode(pixels, level=100, bitspersample=12)
    path = written(tmp_path / "a.dcm", pixels, "MONOCHROME2", uid.JPEGExtended12Bit, data, 12)
    np.testing.assert_allclose(values_of(path)[..., 0].astype(int), pixels, atol=4)


def test_jpeg_of_12_bits_with_a_foreign_marker_is_read() -> None:
    path = Path(pydicom.__file__).parent / "data" / "test_files" / "JPEG-lossy.dcm"
    seen, known = values_of(path)[..., 0], SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(path))[0]
    assert np.abs(seen - known).max() <= 1  # transforms round differently


@pytest.mark.parametrize("predictor", range(1, 8))
def test_lossless_jpeg_of_any_predictor_is_read(tmp_path: Path, predictor: int) -> None:
    pixels, bits = STORED["12 bits"]
    data = imagecodecs.jpeg8_encode(pixels, lossless=True, bitspersample=bits, predictor=predictor)
    path = written(tmp_path / "a.dcm", pixels, "MONOCHROME2", uid.JPEGLossless, data, bits)
    np.testing.assert_array_equal(values_of(path)[..., 0], pixels)


@pytest.mark.parametrize("error", [1, 3])
def test_near_lossless_jpeg_ls_is_as_near_as_it_says(tmp_path: Path, error: int) -> None:
    pixels = DRAW.integers(0, 65536, (48, 64), dtype=np.uint16)
    data = imagecodecs.jpegls_encode(pixels, level=error)
    path = written(tmp_path / "a.dcm", pixels, "MONOCHROME2", uid.JPEGLSNearLossless, data)
    assert np.abs(values_of(path)[..., 0].astype(int) - pixels).max() == error


@pytest.mark.parametrize("compression", [name for name in LOSSLESS if name.startswith("JPEG") and "2000" not in name])
def test_data_of_another_size_than_the_header_says_are_refused_before_they_are_decoded(tmp_path: Path, compression: str) -> None:
    syntax, encode = LOSSLESS[compression]
    pixels, bits = STORED["12 bits"]
    data = encode(pixels, bits).replace(struct.pack(">HH", 48, 64), struct.pack(">HH", 65500, 65500))
    path = written(tmp_path / "a.dcm", pixels, "MONOCHROME2", syntax, data, bits)
    assert "the header says 64 x 48 pixels, its JPEG has 65500 x 65500" in rejected(path)


def test_high_bit_counts_in_lossless_jpeg(tmp_path: Path) -> None:
    pixels, bits = STORED["12 bits"]
    data = lossless_jpeg(pixels << 4, 16)
    path = written(tmp_path / "a.dcm", pixels << 4, "MONOCHROME2", uid.JPEGLosslessSV1, data, bits, HighBit=15)
    np.testing.assert_array_equal(values_of(path)[..., 0], pixels)


def without_markers(data: bytes) -> bytes:
    """A JPEG without its JFIF and Adobe markers, which say what its components are."""
    kept, position = data[:2], 2
    while data[position + 1] != 0xDA:
        end = position + 2 + int.from_bytes(data[position + 2 : position + 4])
        kept += b"" if data[position + 1] in (0xE0, 0xEE) else data[position:end]
        position = end
    return kept + data[position:]


def jpeg(pixels: NDArray[np.uint8], **options: Any) -> bytes:
    buffer = BytesIO()
    PIL.Image.fromarray(pixels).save(buffer, "JPEG", quality=98, subsampling=0, **options)
    return buffer.getvalue()


def test_jpeg_of_rgb_without_a_marker_is_what_the_header_says(tmp_path: Path) -> None:
    data = without_markers(jpeg(smooth(), keep_rgb=True)).replace(
        b"R\x11\x00G\x11\x00B\x11\x00", b"\1\x11\x00\2\x11\x00\3\x11\x00"
    )
    data = data.replace(b"\x03R\x00G\x00B\x00", b"\x03\1\x00\2\x00\3\x00")
    path = written(tmp_path / "a.dcm", smooth(), "RGB", uid.JPEGBaseline8Bit, data)
    assert np.abs(read_image(path).pixels.astype(int) - smooth()).max() <= 6


@pytest.mark.parametrize("space", ["RGB", "YBR_FULL_422"])
def test_jpeg_of_rgb_is_known_by_the_names_of_its_components(tmp_path: Path, space: str) -> None:
    path = written(tmp_path / "a.dcm", smooth(), space, uid.JPEGBaseline8Bit, without_markers(jpeg(smooth(), keep_rgb=True)))
    assert np.abs(read_image(path).pixels.astype(int) - smooth()).max() <= 6


def test_jpeg_of_ycbcr_without_a_marker_is_what_the_header_says(tmp_path: Path) -> None:
    path = written(tmp_path / "a.dcm", smooth(), "YBR_FULL_422", uid.JPEGBaseline8Bit, without_markers(jpeg(smooth())))
    assert np.abs(read_image(path).pixels.astype(int) - smooth()).max() <= 6


@pytest.mark.parametrize("space", ["RGB", "YBR_FULL_422"])
@pytest.mark.parametrize("transform", [0, 1])
def test_the_adobe_marker_of_a_jpeg_counts_more_than_the_header(tmp_path: Path, space: str, transform: int) -> None:
    adobe = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00" + bytes([transform])
    data = without_markers(jpeg(smooth(), keep_rgb=transform == 0))
    path = written(tmp_path / "a.dcm", smooth(), space, uid.JPEGBaseline8Bit, data[:2] + adobe + data[2:])
    assert np.abs(read_image(path).pixels.astype(int) - smooth()).max() <= 6


def test_frames_are_found_by_the_extended_offset_table(tmp_path: Path) -> None:
    frames = np.stack([smooth(), smooth()[::-1]])
    data, offsets, lengths = encapsulate_extended([jpeg(frame) for frame in frames])
    tags = {"ExtendedOffsetTable": offsets, "ExtendedOffsetTableLengths": lengths, "PixelData": data}
    path = write_dicom(tmp_path / "a.dcm", frames, "YBR_FULL_422", frames=2, syntax=uid.JPEGBaseline8Bit, **tags)
    assert np.abs(read_image(path, 1).pixels.astype(int) - frames[1]).max() <= 6


def test_a_jpeg_of_another_size_than_the_header_says_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "a.dcm", smooth(20, 30), "RGB", uid.JPEGBaseline8Bit, jpeg(smooth()))
    assert "the header says 30 x 20 pixels, its JPEG holds 64 x 48" in rejected(path)


def test_values_of_a_jpeg_are_called_lossy(tmp_path: Path) -> None:
    with opened(written(tmp_path / "a.dcm", smooth(), "RGB", uid.JPEGBaseline8Bit, jpeg(smooth()))) as file:
        assert next(file.frames).lossy


@pytest.mark.parametrize("compression", LOSSLESS)
@pytest.mark.parametrize("share", [0.3, 0.97])
def test_truncated_data_are_called_that_and_not_a_missing_decoder(tmp_path: Path, compression: str, share: float) -> None:
    syntax, encode = LOSSLESS[compression]
    pixels = DRAW.integers(0, 256, (48, 64), dtype=np.uint8)
    data = encode(pixels, 8)
    path = written(tmp_path / "a.dcm", pixels, "MONOCHROME2", syntax, data[: int(len(data) * share)])
    assert re.search("damaged|truncated", reason := rejected(path)) and "pip" not in reason


def test_a_deflated_file_that_inflates_to_more_than_fits_is_refused_before_it_is_inflated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_dicom(tmp_path / "a.dcm", smooth(), "RGB", syntax=uid.DeflatedExplicitVRLittleEndian)
    np.testing.assert_array_equal(read_image(path).pixels, smooth())
    monkeypatch.setattr(dicom, "MAX_VOLUME", 9_000)  # of bytes; the pixels alone have 9216
    monkeypatch.setattr(pydicom, "dcmread", lambda *_, **__: pytest.fail("was read"))
    assert "inflates to more than" in rejected(path)
