"""DICOM against pydicom, Pillow, MONAI and hand computation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pydicom
import pytest
from pydicom.encaps import encapsulate
from pydicom.pixels import get_decoder
from pydicom.pixels.processing import apply_windowing
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit, RLELossless
from writers import DEEP, DRAW, GREY, RGB, dicom, monai_reads, rejected, save, sequence, smooth, write_dicom

from medgen.data.images import is_image, read_image, read_images
from medgen.data.intensity import Intensity

HOUNSFIELD = np.arange(-1000, 1000, dtype=np.int16).reshape(40, 50)


def test_dicom_rgb(tmp_path: Path) -> None:
    np.testing.assert_array_equal(read_image(write_dicom(tmp_path / "a.dcm", RGB, "RGB")).pixels, RGB)


def test_dicom_rgb_in_planes(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", RGB, "RGB", PlanarConfiguration=1, PixelData=np.moveaxis(RGB, -1, 0).tobytes())
    np.testing.assert_array_equal(read_image(path).pixels, RGB)


def test_dicom_ybr_full_becomes_rgb(tmp_path: Path) -> None:
    ybr = np.asarray(PIL.Image.fromarray(smooth()).convert("YCbCr"))
    planes = [PIL.Image.fromarray(ybr[..., k]) for k in range(3)]
    theirs = np.asarray(PIL.Image.merge("YCbCr", planes).convert("RGB"))
    ours = read_image(write_dicom(tmp_path / "a.dcm", ybr, "YBR_FULL")).pixels
    assert np.abs(ours.astype(int) - theirs).max() <= 1


def test_dicom_ybr_full_422_becomes_rgb(tmp_path: Path) -> None:
    ybr = np.asarray(PIL.Image.fromarray(smooth()).convert("YCbCr"))
    pairs = ybr.reshape(48, 32, 2, 3)
    packed = np.stack([pairs[..., 0, 0], pairs[..., 1, 0], pairs[..., 0, 1], pairs[..., 0, 2]], axis=-1)  # Y Y Cb Cr
    path = write_dicom(tmp_path / "a.dcm", ybr, "YBR_FULL_422", PixelData=packed.tobytes())
    assert np.abs(read_image(path).pixels.astype(int) - smooth()).max() <= 6


@pytest.mark.parametrize("space", ["YBR_FULL_422", "RGB"])
def test_jpeg_in_dicom_looks_like_the_jpeg_even_where_its_colour_space_is_tagged_wrongly(tmp_path: Path, space: str) -> None:
    path = save(tmp_path / "a.jpg", smooth(), quality=95)
    jpeg = encapsulate([path.read_bytes()])
    wrapped = write_dicom(tmp_path / "a.dcm", smooth(), space, syntax=JPEGBaseline8Bit, PixelData=jpeg)
    assert np.abs(read_image(wrapped).pixels.astype(int) - read_image(path).pixels).max() <= 2


def test_rle_dicom(tmp_path: Path) -> None:
    ds = dicom(RGB, "RGB")
    ds.compress(RLELossless)
    ds.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    np.testing.assert_array_equal(read_image(tmp_path / "a.dcm").pixels, RGB)


def test_16_bit_dicom_colour_is_divided_by_its_bits_stored(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", DEEP >> 4, "RGB", BitsStored=12, HighBit=11)
    np.testing.assert_allclose(read_image(path).pixels, (DEEP >> 4) / 4095, atol=1e-6)


def test_8_bit_monochrome2_stays(tmp_path: Path) -> None:
    image = read_image(write_dicom(tmp_path / "a.dcm", GREY, "MONOCHROME2"))
    assert image.pixels.dtype == np.uint8
    np.testing.assert_array_equal(image.pixels[..., 0], pydicom.dcmread(tmp_path / "a.dcm").pixel_array)


def test_monochrome1_is_inverted_which_monai_does_not_do(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", GREY, "MONOCHROME1", PixelSpacing=[1, 1])
    raw = monai_reads(path, "PydicomReader")
    np.testing.assert_array_equal(raw.T, GREY)
    np.testing.assert_array_equal(read_image(path).pixels[..., 0], 255 - raw.T)


def test_12_bit_monochrome1_is_inverted_within_its_bits_stored(tmp_path: Path) -> None:
    grey = DEEP[..., 0] >> 4
    path = write_dicom(tmp_path / "a.dcm", grey, "MONOCHROME1", BitsStored=12, HighBit=11)
    np.testing.assert_allclose(read_image(path).pixels[..., 0], 1 - grey / 4095, atol=1e-6)


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_window_equals_pydicom(tmp_path: Path, function: str) -> None:
    tags = {"WindowCenter": 40, "WindowWidth": 400, "VOILUTFunction": function, "RescaleSlope": 1, "RescaleIntercept": 0}
    path = write_dicom(tmp_path / "a.dcm", HOUNSFIELD, "MONOCHROME2", **tags)
    theirs = apply_windowing(HOUNSFIELD, pydicom.dcmread(path))  # to the range of int16
    np.testing.assert_allclose(read_image(path).pixels[..., 0], (theirs + 32768) / 65535, atol=1e-5)


def test_window_by_hand(tmp_path: Path) -> None:
    tags = {"WindowCenter": [101, 5], "WindowWidth": [201, 9], "RescaleSlope": 2, "RescaleIntercept": -100}
    path = write_dicom(tmp_path / "a.dcm", np.array([[0, 50, 100, 150, 400]], dtype=np.uint16), "MONOCHROME2", **tags)
    # 2 v - 100 is -100, 0, 100, 200, 700; ((x - 100.5) / 200 + 0.5) clipped
    np.testing.assert_allclose(read_image(path).pixels[0, :, 0], [0, 0, 0.4975, 0.9975, 1], atol=1e-6)


def test_window_of_monochrome1_is_applied_before_it_is_inverted(tmp_path: Path) -> None:
    two, one = (
        read_image(write_dicom(tmp_path / f"{space}.dcm", HOUNSFIELD, space, WindowCenter=40, WindowWidth=400)).pixels
        for space in ("MONOCHROME2", "MONOCHROME1")
    )
    np.testing.assert_allclose(one, 1 - two, atol=1e-6)


def test_window_without_width_is_ignored(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", GREY, "MONOCHROME2", WindowCenter=0, WindowWidth=0)
    np.testing.assert_array_equal(read_image(path).pixels[..., 0], GREY)


def test_signed_pixels_without_a_window_span_their_bits_stored(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", np.array([[-2048, 0, 2047]], dtype=np.int16), "MONOCHROME2", BitsStored=12, HighBit=11)
    np.testing.assert_allclose(read_image(path).pixels[0, :, 0], [0, 2048 / 4095, 1], atol=1e-6)


def test_negative_rescale_slope_turns_the_grey_scale(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", GREY, "MONOCHROME2", RescaleSlope=-1, RescaleIntercept=255)
    np.testing.assert_allclose(read_image(path).pixels[..., 0], 1 - GREY / 255, atol=1e-6)


def test_voi_table_of_8_bits_behind_12_bit_pixels(tmp_path: Path) -> None:
    grey = np.array([[0, 100, 300, 4095]], dtype=np.uint16)
    table = (np.arange(4096) // 16).astype("<u2")
    lut = sequence(LUTDescriptor=[4096, 0, 8])
    lut[0].add_new("LUTData", "OW", table.tobytes())
    path = write_dicom(tmp_path / "a.dcm", grey, "MONOCHROME2", BitsStored=12, HighBit=11, VOILUTSequence=lut)
    np.testing.assert_allclose(read_image(path).pixels[0, :, 0], table[grey[0]] / 255, atol=1e-6)


def test_modality_table_is_applied(tmp_path: Path) -> None:
    lut = sequence(LUTDescriptor=[4, 2, 12], ModalityLUTType="US")
    lut[0].add_new("LUTData", "US", [0, 1000, 2000, 4095])
    path = write_dicom(tmp_path / "a.dcm", np.array([[0, 2, 3, 5, 9]], dtype=np.uint8), "MONOCHROME2", ModalityLUTSequence=lut)
    np.testing.assert_allclose(read_image(path).pixels[0, :, 0] * 4095, [0, 0, 1000, 4095, 4095], atol=1e-3)


@pytest.mark.parametrize(("most", "shift"), [(65536, 8), (256, 0)])  # entries of 16 bits, and such that fill eight of them
def test_palette_color_equals_pydicom_whatever_range_a_data_set_has(tmp_path: Path, most: int, shift: int) -> None:
    from pydicom.pixels.processing import apply_color_lut

    tags: dict[str, Any] = {}
    for name in ("Red", "Green", "Blue"):
        tags[f"{name}PaletteColorLookupTableDescriptor"] = [256, 0, 16]
        tags[f"{name}PaletteColorLookupTableData"] = DRAW.integers(0, most, 256).astype("<u2").tobytes()
    path = write_dicom(tmp_path / "a.dcm", GREY, "PALETTE COLOR", **tags)
    theirs = apply_color_lut(GREY, pydicom.dcmread(path)) >> shift
    np.testing.assert_array_equal(read_image(path).pixels, theirs)
    np.testing.assert_array_equal(read_image(path, intensity=Intensity(range=(0.0, 2000.0))).pixels, theirs)


def test_voi_table_for_signed_pixels_begins_below_zero_in_a_frame_that_does_not(tmp_path: Path) -> None:
    lut = sequence()
    lut[0].add_new("LUTDescriptor", "US", [2001, 2**16 - 1000, 8])
    lut[0].add_new("LUTData", "OW", (np.arange(2001) // 8).astype("<u2").tobytes())
    path = write_dicom(tmp_path / "a.dcm", np.array([[0, 600, 2000]], dtype=np.int16), "MONOCHROME2", VOILUTSequence=lut)
    np.testing.assert_allclose(read_image(path).pixels[0, :, 0] * 255, [125, 200, 250], atol=1e-4)


def test_multi_frame_dicom(tmp_path: Path) -> None:
    frames = DRAW.integers(0, 256, (5, 8, 10, 3), dtype=np.uint8)
    path = write_dicom(tmp_path / "a.dcm", frames, "RGB", frames=5)
    images = list(read_images(path))
    assert [image.source for image in images] == [f"{path}#{k}" for k in range(5)]
    np.testing.assert_array_equal(np.stack([image.pixels for image in images]), frames)


def test_enhanced_dicom_has_a_window_for_each_frame_and_a_shared_spacing(tmp_path: Path) -> None:
    frames = np.full((2, 2, 2), 50, dtype=np.uint16)
    windows = [pydicom.Dataset() for _ in range(2)]
    for item, centre in zip(windows, (50.5, 0.5), strict=True):
        item.FrameVOILUTSequence = sequence(WindowCenter=centre, WindowWidth=101)
    shared = sequence(PixelMeasuresSequence=sequence(PixelSpacing=[0.5, 0.25]))
    groups = {"SharedFunctionalGroupsSequence": shared, "PerFrameFunctionalGroupsSequence": pydicom.Sequence(windows)}
    first, second = read_images(write_dicom(tmp_path / "a.dcm", frames, "MONOCHROME2", frames=2, **groups))
    assert first.spacing == (0.5, 0.25)
    np.testing.assert_allclose((first.pixels[0, 0, 0], second.pixels[0, 0, 0]), (0.5, 1.0), atol=1e-6)


@pytest.mark.parametrize(
    ("keyword", "spacing"), [("PixelSpacing", (0.7, 0.6)), ("ImagerPixelSpacing", (0.7, 0.6)), ("Rows", None)]
)
def test_dicom_spacing_is_row_then_column(tmp_path: Path, keyword: str, spacing: tuple[float, float] | None) -> None:
    tags = {} if spacing is None else {keyword: list(spacing)}
    assert read_image(write_dicom(tmp_path / "a.dcm", GREY, "MONOCHROME2", **tags)).spacing == spacing


def test_dicom_is_known_by_its_content_where_it_has_no_suffix(tmp_path: Path) -> None:
    for name in ("IM0001", "1.2.840.113619.2.5"):
        path = write_dicom(tmp_path / name, GREY, "MONOCHROME2")
        assert is_image(path)
        np.testing.assert_array_equal(read_image(path).pixels[..., 0], GREY)


def test_dicom_without_preamble(tmp_path: Path) -> None:
    data = write_dicom(tmp_path / "a.dcm", GREY, "MONOCHROME2").read_bytes()
    (tmp_path / "b.dcm").write_bytes(data[132:])
    np.testing.assert_array_equal(read_image(tmp_path / "b.dcm").pixels[..., 0], GREY)


def test_dicom_whose_decoder_is_missing_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(get_decoder(JPEG2000Lossless), "_available", {})
    path = write_dicom(
        tmp_path / "a.dcm", GREY, "MONOCHROME2", syntax=JPEG2000Lossless, PixelData=encapsulate([b"\xff\x4f\xff\xd9"])
    )
    assert "JPEG 2000" in (reason := rejected(path)) and "pip install pylibjpeg" in reason


def test_dicom_without_pixels_or_of_a_rare_colour_space_is_rejected(tmp_path: Path) -> None:
    ds = dicom(GREY, "MONOCHROME2")
    del ds.PixelData
    ds.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    assert "no pixel data" in rejected(tmp_path / "a.dcm")
    assert "'HSV' is not supported" in rejected(write_dicom(tmp_path / "b.dcm", RGB, "HSV"))
