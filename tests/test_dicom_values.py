"""DICOM grey values: read against the formulas of the standard, written here in 64-bit floats, and values computed by hand."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian
from sample_dicom import write_floats
from writers import DRAW, GREY, RGB, dicom, rejected, sequence, write_dicom

from medgen.data.images import count_frames, opened, read_image, read_images
from medgen.data.intensity import FULL, Intensity


def values_of(path: Path) -> NDArray[Any]:
    """The values of the first frame in the unit of the file, (H, W)."""
    with opened(path) as file:
        return next(file.frames).values[..., 0]


@st.composite
def grey_files(draw: st.DrawFn) -> dict[str, Any]:
    """A grey file: stored values and how they are meant."""
    stored = draw(st.integers(1, 32))
    allocated = draw(st.sampled_from([bits for bits in (8, 16, 32, 64) if bits >= stored]))
    high = draw(st.integers(stored - 1, allocated - 1))
    signed = draw(st.booleans())
    low, top = (-(2 ** (stored - 1)), 2 ** (stored - 1) - 1) if signed else (0, 2**stored - 1)
    values = draw(st.lists(st.integers(low, top), min_size=6, max_size=6))
    window = st.tuples(st.floats(-(2**16), 2**16).map(lambda c: round(c, 2)), st.floats(2, 2**17).map(lambda w: round(w, 2)))
    return {
        "values": [low, top, *values],
        "stored": stored,
        "allocated": allocated,
        "high": high,
        "signed": signed,
        "inverted": draw(st.booleans()),
        "rescale": draw(st.none() | st.sampled_from([(1, -1024), (0.5, 0), (-2, 10), (2.25, 0.5), (1, 0)])),
        "window": draw(st.none() | window),
        "function": draw(st.sampled_from(["LINEAR", "LINEAR_EXACT", "SIGMOID"])),
        "junk": draw(st.integers(0, 2**allocated - 1)),
    }


def write_grey(path: Path, case: dict[str, Any]) -> Path:
    """Words in which the pixel lies below High Bit, and junk around it, as old overlays are."""
    shift, mask = case["high"] + 1 - case["stored"], 2 ** case["stored"] - 1
    words = [((value & mask) << shift) | (case["junk"] & ~(mask << shift)) for value in case["values"]]
    pixels = np.array(words, dtype=f"u{case['allocated'] // 8}").reshape(2, 4)
    tags: dict[str, Any] = {"BitsStored": case["stored"], "HighBit": case["high"], "PixelRepresentation": int(case["signed"])}
    if case["rescale"]:
        tags |= {"RescaleSlope": case["rescale"][0], "RescaleIntercept": case["rescale"][1]}
    if case["window"]:
        tags |= {"WindowCenter": case["window"][0], "WindowWidth": case["window"][1], "VOILUTFunction": case["function"]}
    return write_dicom(path, pixels, "MONOCHROME1" if case["inverted"] else "MONOCHROME2", **tags)


def shown(case: dict[str, Any]) -> NDArray[np.float64]:
    """What the standard says is shown, in [0, 1] (PS3.3, C.11.1 and C.11.2)."""
    slope, intercept = case["rescale"] or (1, 0)
    x = np.array(case["values"], dtype=np.float64) * slope + intercept
    if case["window"] is None:
        first, last = (end * slope + intercept for end in case["values"][:2])
        unit = (x - min(first, last)) / (max(first, last) - min(first, last))
    else:
        c, w = case["window"]
        if case["function"] == "LINEAR":
            unit = ((x - (c - 0.5)) / (w - 1)) + 0.5
        elif case["function"] == "LINEAR_EXACT":
            unit = (x - c) / w + 0.5
        else:
            with np.errstate(over="ignore"):
                unit = 1 / (1 + np.exp(-4 * (x - c) / w))
        unit = np.clip(unit, 0, 1)
    return 1 - unit if case["inverted"] else unit


@settings(max_examples=300, deadline=None)
@given(grey_files())
def test_any_grey_file_is_shown_as_the_standard_says(case: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        pixels = read_image(write_grey(Path(folder) / "a.dcm", case)).pixels.ravel()
    ours = pixels / 255 if pixels.dtype == np.uint8 else pixels
    np.testing.assert_allclose(ours, shown(case), atol=2e-6)


@settings(max_examples=100, deadline=None)
@given(grey_files())
def test_values_of_any_grey_file_are_those_of_the_modality(case: dict[str, Any]) -> None:
    slope, intercept = case["rescale"] or (1, 0)
    with tempfile.TemporaryDirectory() as folder:
        values = values_of(write_grey(Path(folder) / "a.dcm", case)).ravel()
    np.testing.assert_array_equal(values, np.array(case["values"], dtype=np.float64) * slope + intercept)


@pytest.mark.parametrize("kind", [np.int8, np.int16, np.int32])
def test_signed_pixels_that_fill_their_type_rise_from_black_to_white(tmp_path: Path, kind: type) -> None:
    ends = np.iinfo(kind)
    path = write_dicom(tmp_path / "a.dcm", np.array([[ends.min, -1, 0, 1, ends.max]], dtype=kind), "MONOCHROME2")
    span = float(ends.max) - float(ends.min)
    expected = [0, (-1.0 - ends.min) / span, -ends.min / span, (1.0 - ends.min) / span, 1]
    np.testing.assert_allclose(read_image(path).pixels[0, :, 0], expected, atol=1e-6)


def test_words_in_big_endian_order_are_read(tmp_path: Path) -> None:
    pixels = np.array([[-1000, 0, 3000]], dtype=">i2")
    path = tmp_path / "a.dcm"
    dicom(pixels, "MONOCHROME2", syntax=ExplicitVRBigEndian).save_as(path, enforce_file_format=True)
    np.testing.assert_array_equal(values_of(path), pixels)


def test_words_with_implicit_types_are_read(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", GREY, "MONOCHROME2", syntax=ImplicitVRLittleEndian)
    np.testing.assert_array_equal(values_of(path), GREY)


@pytest.mark.parametrize("shape", [(3, 5), (8, 4), (5, 7)])
def test_frames_of_single_bits_begin_within_a_byte(tmp_path: Path, shape: tuple[int, int]) -> None:
    frames = DRAW.integers(0, 2, (9, *shape), dtype=np.uint8)
    bits = np.packbits(frames.ravel(), bitorder="little").tobytes()
    tags = {"BitsAllocated": 1, "BitsStored": 1, "HighBit": 0, "PixelData": bits + b"\0" * (len(bits) % 2)}
    path = write_dicom(tmp_path / "a.dcm", frames, "MONOCHROME2", frames=9, **tags)
    np.testing.assert_array_equal([image.pixels[..., 0] for image in read_images(path)], frames)


def test_data_behind_the_frames_that_the_header_counts_are_padding(tmp_path: Path) -> None:
    frames = DRAW.integers(0, 256, (3, 8, 10), dtype=np.uint8)
    path = write_dicom(tmp_path / "a.dcm", frames, "MONOCHROME2", frames=3, NumberOfFrames=2)
    assert count_frames(path) == 2
    np.testing.assert_array_equal([image.pixels[..., 0] for image in read_images(path)], frames[:2])


def test_fewer_frames_than_the_header_counts_are_refused(tmp_path: Path) -> None:
    frames = DRAW.integers(0, 256, (3, 8, 10), dtype=np.uint8)
    assert "truncated" in rejected(write_dicom(tmp_path / "a.dcm", frames, "MONOCHROME2", frames=3, NumberOfFrames=4))


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_float_pixel_data_keep_their_values(tmp_path: Path, kind: type) -> None:
    pixels = np.array([[-0.25, 1200.5], [np.nan, 3e-7]], dtype=kind)
    np.testing.assert_array_equal(values_of(write_floats(tmp_path / "a.dcm", pixels)), pixels)


def test_float_pixel_data_beyond_0_and_1_say_that_a_range_is_wanted(tmp_path: Path) -> None:
    assert "--intensity" in rejected(write_floats(tmp_path / "a.dcm", np.array([[0, 1200.5]], dtype=np.float32)))


def test_float_padding_has_no_value(tmp_path: Path) -> None:
    path = write_floats(tmp_path / "a.dcm", np.array([[-999, 0.5]], dtype=np.float32), FloatPixelPaddingValue=-999.0)
    np.testing.assert_array_equal(values_of(path), [[np.nan, 0.5]])


def test_a_slope_of_zero_counts_as_one(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", GREY, "MONOCHROME2", RescaleSlope=0, RescaleIntercept=-10)
    np.testing.assert_array_equal(values_of(path), GREY.astype(int) - 10)


HOUNSFIELD = np.array([[-2000, -1500, -1000, 0, 3000]], dtype=np.int16)


@pytest.mark.parametrize("limit", [-1500, None])
def test_padding_has_no_value(tmp_path: Path, limit: int | None) -> None:
    tags = {} if limit is None else {"PixelPaddingRangeLimit": limit}
    path = write_dicom(tmp_path / "a.dcm", HOUNSFIELD, "MONOCHROME2", PixelPaddingValue=-2000, RescaleIntercept=5, **tags)
    gone = 1 if limit is None else 2
    np.testing.assert_array_equal(values_of(path)[0], [*[np.nan] * gone, *(HOUNSFIELD[0, gone:] + 5)])


@pytest.mark.parametrize("tags", [{}, {"WindowCenter": 0, "WindowWidth": 100}])
def test_padding_is_black_where_small_values_are_bright(tmp_path: Path, tags: dict[str, int]) -> None:
    path = write_dicom(tmp_path / "a.dcm", HOUNSFIELD, "MONOCHROME1", PixelPaddingValue=-2000, **tags)
    pixels = read_image(path).pixels[0, :, 0]
    assert pixels[0] == 0 and pixels[1] > 0.5


def test_padding_of_8_bits_is_black(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", np.array([[255, 7]], dtype=np.uint8), "MONOCHROME2", PixelPaddingValue=255)
    np.testing.assert_array_equal(read_image(path).pixels[0, :, 0], [0, 7])


def test_padding_written_with_the_other_sign_is_found(tmp_path: Path) -> None:
    ds = dicom(HOUNSFIELD, "MONOCHROME2")
    ds.add_new("PixelPaddingValue", "US", 2**16 - 2000)
    ds.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    np.testing.assert_array_equal(np.isnan(values_of(tmp_path / "a.dcm"))[0], [True, False, False, False, False])


@pytest.mark.parametrize(
    ("space", "shape", "inverted"),
    [("MONOCHROME2", "INVERSE", True), ("MONOCHROME1", "INVERSE", True), ("MONOCHROME2", "IDENTITY", False)],
)
def test_an_inverse_presentation_table_changes_black_and_white_once(
    tmp_path: Path, space: str, shape: str, inverted: bool
) -> None:
    path = write_dicom(tmp_path / "a.dcm", GREY, space, PresentationLUTShape=shape)
    np.testing.assert_array_equal(read_image(path).pixels[..., 0], 255 - GREY if inverted else GREY)


def test_a_window_in_hounsfield_units_is_that_of_the_values_after_rescale(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", HOUNSFIELD, "MONOCHROME2", RescaleSlope=2, RescaleIntercept=1000)
    pixels = read_image(path, intensity=Intensity.parse("window:-2000,8000")).pixels[0, :, 0]
    np.testing.assert_allclose(pixels, [0, 0, 0.1, 0.3, 0.9], atol=1e-6)


def test_the_whole_range_can_be_shown_in_spite_of_a_window(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", HOUNSFIELD, "MONOCHROME2", WindowCenter=0, WindowWidth=10)
    np.testing.assert_allclose(read_image(path, intensity=FULL).pixels[0, 3, 0], 32768 / 65535, atol=1e-6)


def test_a_table_for_signed_pixels_begins_below_zero(tmp_path: Path) -> None:
    lut = sequence()
    lut[0].add_new("LUTDescriptor", "US", [3, 2**16 - 1, 8])
    lut[0].add_new("LUTData", "US", [10, 20, 30])
    path = write_dicom(tmp_path / "a.dcm", np.array([[-9, -1, 0, 1, 9]], dtype=np.int16), "MONOCHROME2", ModalityLUTSequence=lut)
    np.testing.assert_array_equal(values_of(path)[0], [10, 10, 20, 30, 30])


def test_colour_of_32_bits_spans_its_bits(tmp_path: Path) -> None:
    pixels = np.array([[[0, 2**31, 2**32 - 1]]], dtype=np.uint32)
    np.testing.assert_allclose(read_image(write_dicom(tmp_path / "a.dcm", pixels, "RGB")).pixels[0, 0], [0, 0.5, 1], atol=1e-6)


def test_ybr_of_16_bits_becomes_rgb(tmp_path: Path) -> None:
    pixels = np.array([[[30000, 2**15, 2**15 + 10000]]], dtype=np.uint16)
    expected = [30000 + 1.402 * 10000, 30000 - 0.714136 * 10000, 30000]
    ours = read_image(write_dicom(tmp_path / "a.dcm", pixels, "YBR_FULL")).pixels[0, 0]
    np.testing.assert_allclose(ours * 65535, expected, atol=1)


def test_a_palette_keeps_its_indices_as_labels(tmp_path: Path) -> None:
    tags: dict[str, Any] = {}
    for name in ("Red", "Green", "Blue"):
        tags[f"{name}PaletteColorLookupTableDescriptor"] = [256, 0, 8]
        tags[f"{name}PaletteColorLookupTableData"] = bytes(range(256))
    with opened(write_dicom(tmp_path / "a.dcm", GREY, "PALETTE COLOR", **tags)) as file:
        labels = next(file.frames).labels
    np.testing.assert_array_equal(labels, GREY)


@pytest.mark.parametrize(("space", "pixels"), [("MONOCHROME2", RGB), ("RGB", GREY)])
def test_a_colour_space_that_does_not_go_with_the_samples_is_refused(tmp_path: Path, space: str, pixels: NDArray) -> None:
    assert "samples per pixel" in rejected(write_dicom(tmp_path / "a.dcm", pixels, space))


def test_words_of_a_width_that_nobody_reads_are_refused_by_it(tmp_path: Path) -> None:
    assert "24 bits allocated" in rejected(write_dicom(tmp_path / "a.dcm", GREY, "MONOCHROME2", BitsAllocated=24))


def test_pydicom_agrees_on_the_values_of_its_own_files() -> None:
    folder = Path(pydicom.__file__).parent / "data" / "test_files"
    for name in ("CT_small", "MR_small", "MR_small_bigendian", "MR_small_implicit", "examples_overlay"):
        ds = pydicom.dcmread(folder / f"{name}.dcm")
        theirs = pydicom.pixels.apply_rescale(ds.pixel_array, ds)
        np.testing.assert_array_equal(np.nan_to_num(values_of(folder / f"{name}.dcm"), nan=theirs.min()), theirs, err_msg=name)
