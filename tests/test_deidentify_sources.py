"""De-identified copies of all kinds of DICOM files: compressed ones, endoscopy, UIDs wherever they stand."""

from __future__ import annotations

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
from pydicom.encaps import encapsulate_extended
from writers import DRAW, dicom, sequence, smooth

from medgen.data.writers.deidentify import deidentify

pytest.importorskip("dicomanonymizer", reason="needs `pip install 'medgen[deidentify]'`")
GREY_12 = (np.arange(48 * 64).reshape(48, 64) % 4096).astype(np.uint16)


def jpeg(frame: NDArray[np.uint8]) -> bytes:
    buffer = BytesIO()
    PIL.Image.fromarray(frame).save(buffer, "JPEG", quality=98, subsampling=0)
    return buffer.getvalue()


def jpeg_2000(frame: NDArray[Any]) -> bytes:
    return bytes(imagecodecs.jpeg2k_encode(frame, codecformat="J2K", reversible=True, level=0))


def jpeg_ls(frame: NDArray[Any]) -> bytes:
    return bytes(imagecodecs.jpegls_encode(frame))


def lossless_jpeg(frame: NDArray[Any]) -> bytes:
    return bytes(imagecodecs.jpeg8_encode(frame, lossless=True, bitspersample=12))


def rle(frame: NDArray[Any]) -> bytes:
    return bytes(pydicom.pixels.encoders.RLELosslessEncoder.encode(frame, **RLE))


RLE = {
    "rows": 48, "columns": 64, "samples_per_pixel": 3, "bits_allocated": 8, "bits_stored": 8, "number_of_frames": 1,
    "pixel_representation": 0, "photometric_interpretation": "RGB", "encoding_plugin": "pydicom", "planar_configuration": 0,
}  # fmt: skip
COMPRESSED: dict[str, tuple[str, Callable[..., bytes], NDArray[Any], str, int]] = {  # and how far pixels may be from the source's
    "JPEG": (uid.JPEGBaseline8Bit, jpeg, smooth(), "YBR_FULL_422", 6),
    "JPEG 2000": (uid.JPEG2000Lossless, jpeg_2000, smooth(), "YBR_RCT", 0),
    "RLE": (uid.RLELossless, rle, smooth(), "RGB", 0),
    "JPEG-LS": (uid.JPEGLSLossless, jpeg_ls, GREY_12, "MONOCHROME2", 0),
    "lossless JPEG": (uid.JPEGLosslessSV1, lossless_jpeg, GREY_12, "MONOCHROME2", 0),
}


def copy_of(ds: pydicom.Dataset, folder: Path, **options: Any) -> Path:
    ds.save_as(folder / "source.dcm", enforce_file_format=True)
    assert deidentify(folder / "source.dcm", folder / "out", **options) == 1
    (path,) = (folder / "out").iterdir()
    return path


def compressed(name: str) -> tuple[pydicom.Dataset, NDArray[Any]]:
    """Two frames of one kind of compression, with a comment after the data of each, and the pixels that were compressed."""
    syntax, encode, frame, space, _ = COMPRESSED[name]
    frames = np.stack([frame, frame[::-1]])
    bits = 12 if frame.dtype == np.uint16 else 8
    data, offsets, lengths = encapsulate_extended([encode(np.ascontiguousarray(one)) for one in frames])
    ds = dicom(frames, space, frames=2, syntax=syntax, BitsStored=bits, HighBit=bits - 1, Modality="OT")
    ds.PixelData, ds.ExtendedOffsetTable, ds.ExtendedOffsetTableLengths = data, offsets, lengths
    ds["PixelData"].is_undefined_length = True
    return ds, frames


@pytest.mark.parametrize("name", COMPRESSED)
def test_copies_of_compressed_files_have_their_pixels_for_two_readers(tmp_path: Path, name: str) -> None:
    ds, frames = compressed(name)
    path = copy_of(ds, tmp_path)
    copy = pydicom.dcmread(path)
    assert copy.file_meta.TransferSyntaxUID == uid.ExplicitVRLittleEndian and "ExtendedOffsetTable" not in copy
    for pixels in (copy.pixel_array, SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(path))):
        assert pixels.shape == frames.shape and np.abs(pixels.astype(int) - frames).max() <= COMPRESSED[name][-1]


def test_a_copy_of_a_lossy_file_says_that_it_is_lossy(tmp_path: Path) -> None:
    assert pydicom.dcmread(copy_of(compressed("JPEG")[0], tmp_path)).LossyImageCompression == "01"


def endoscopy() -> tuple[NDArray[np.uint8], list[tuple[slice, slice]]]:
    """A frame of endoscopy (240, 320, 3) and where white letters are, three beside the field of view and one in it."""
    frame = np.zeros((240, 320, 3), dtype=np.uint8)
    frame[20:220, 110:310] = DRAW.integers(0, 12, (200, 200, 1)) + np.array([150, 80, 60])
    places = [(slice(40 + 30 * line, 56 + 30 * line), slice(10, 70)) for line in range(3)]
    places.append((slice(150, 156), slice(200, 206)))
    for rows, columns in places:
        frame[rows, columns] = 250
    return frame, places


@pytest.mark.parametrize(
    ("syntax", "encode"), [(uid.JPEGBaseline8Bit, jpeg), (uid.JPEG2000Lossless, jpeg_2000)], ids=["JPEG", "JPEG 2000"]
)
def test_text_in_compressed_endoscopy_is_blanked_by_default_and_tissue_stays(
    tmp_path: Path, syntax: str, encode: Callable[..., bytes]
) -> None:
    frame, places = endoscopy()
    ds = dicom(frame, "YBR_FULL_422" if encode is jpeg else "YBR_RCT", syntax=syntax, Modality="ES")
    ds.PixelData = pydicom.encaps.encapsulate([encode(frame)])
    ds["PixelData"].is_undefined_length = True
    pixels = pydicom.dcmread(copy_of(ds, tmp_path)).pixel_array
    assert max(pixels[place].max() for place in places) <= 8
    assert np.abs(pixels[60:140, 130:290].astype(int) - frame[60:140, 130:290]).max() <= 12


def test_text_in_other_pictures_stays_unless_it_is_to_go(tmp_path: Path) -> None:
    frame, places = endoscopy()
    for blank, folder in ((None, tmp_path / "default"), (True, tmp_path / "asked")):
        folder.mkdir()
        pixels = pydicom.dcmread(copy_of(dicom(frame, "RGB", Modality="OT"), folder, blank_text=blank)).pixel_array
        assert all((pixels[place] == (0 if blank else 250)).all() for place in places)


def test_text_in_indices_of_a_palette_becomes_its_darkest_colour(tmp_path: Path) -> None:
    places = endoscopy()[1]
    indices = np.full((240, 320), 3, dtype=np.uint8)  # 3 is black, 0 is white
    indices[20:220, 110:310] = 1
    for place in places:
        indices[place] = 0
    ds = dicom(indices, "PALETTE COLOR", Modality="US")
    for name, table in (("Red", [250, 160, 90, 0]), ("Green", [250, 90, 90, 0]), ("Blue", [250, 70, 90, 0])):
        setattr(ds, f"{name}PaletteColorLookupTableDescriptor", [4, 0, 8])
        setattr(ds, f"{name}PaletteColorLookupTableData", bytes(table))
    pixels = pydicom.dcmread(copy_of(ds, tmp_path)).pixel_array
    assert all((pixels[place] == 3).all() for place in places) and (pixels[60:140, 130:290] == 1).all()


A, B, C, D = (f"1.2.826.55.7.{number}" for number in range(4))


@pytest.fixture(scope="module")
def referring(tmp_path_factory: pytest.TempPathFactory) -> pydicom.Dataset:
    """The copy of a file that names the UIDs A to D over and over, in all kinds of sequences."""
    ds = dicom(np.zeros((8, 8), dtype=np.uint8), "MONOCHROME2", SOPInstanceUID=A, StudyInstanceUID=B, SeriesInstanceUID=C)
    of_class = {"ReferencedSOPClassUID": ds.SOPClassUID}
    source = sequence(ReferencedSOPInstanceUID=D, ReferencedFrameNumber=7, **of_class)
    ds.SharedFunctionalGroupsSequence = sequence(DerivationImageSequence=sequence(SourceImageSequence=source))
    ds.ReferencedImageSequence = sequence(ReferencedSOPInstanceUID=A, ReferencedFrameNumber=[2, 3], **of_class)
    ds.ReferencedPerformedProcedureStepSequence = sequence(ReferencedSOPInstanceUID=D, **of_class)
    ds.ReferencedStudySequence = sequence(ReferencedSOPInstanceUID=B, **of_class)
    instances = sequence(ReferencedSOPInstanceUID=D, **of_class)
    ds.ReferencedSeriesSequence = sequence(SeriesInstanceUID=C, ReferencedInstanceSequence=instances)
    ds.IrradiationEventUID = [D, A]
    ds.FrameOfReferenceUID = ""
    ds.ProtocolName = f"like {D}"
    ds.file_meta.MediaStorageSOPInstanceUID = A
    return pydicom.dcmread(copy_of(ds, tmp_path_factory.mktemp("referring")))


def test_one_new_uid_stands_for_an_old_one_wherever_it_was(referring: pydicom.Dataset) -> None:
    ds, series = referring, referring.ReferencedSeriesSequence[0]
    source = ds.SharedFunctionalGroupsSequence[0].DerivationImageSequence[0].SourceImageSequence[0]
    of_d = [
        source.ReferencedSOPInstanceUID, ds.ReferencedPerformedProcedureStepSequence[0].ReferencedSOPInstanceUID,
        series.ReferencedInstanceSequence[0].ReferencedSOPInstanceUID, ds.IrradiationEventUID[0],
    ]  # fmt: skip
    of_a = [
        ds.SOPInstanceUID, ds.file_meta.MediaStorageSOPInstanceUID, ds.ReferencedImageSequence[0].ReferencedSOPInstanceUID,
        ds.IrradiationEventUID[1],
    ]  # fmt: skip
    assert len(set(of_a)) == len(set(of_d)) == 1 and series.SeriesInstanceUID == ds.SeriesInstanceUID
    assert len({of_a[0], of_d[0], ds.StudyInstanceUID, ds.SeriesInstanceUID, A, B, C, D}) == 8


def test_no_old_uid_is_left_in_a_text_either(referring: pydicom.Dataset) -> None:
    assert "1.2.826.55.7" not in str(referring)


def test_no_uid_is_emptied_or_invented(referring: pydicom.Dataset) -> None:
    uids = [element for element in referring.iterall() if element.VR == "UI"]
    assert [element.keyword for element in uids if not element.value] == ["FrameOfReferenceUID"]
    assert {str(element.value) for element in uids if "SOPClass" in element.keyword} == {uid.SecondaryCaptureImageStorage}


def test_what_the_profile_empties_has_no_items(referring: pydicom.Dataset) -> None:
    assert len(referring.ReferencedStudySequence) == 0


def test_frames_that_are_referred_to_keep_their_numbers(referring: pydicom.Dataset) -> None:
    source = referring.SharedFunctionalGroupsSequence[0].DerivationImageSequence[0].SourceImageSequence[0]
    assert source.ReferencedFrameNumber == 7 and list(referring.ReferencedImageSequence[0].ReferencedFrameNumber) == [2, 3]
