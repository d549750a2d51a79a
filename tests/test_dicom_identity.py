"""Whose a DICOM file is, and what is refused by its name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.encaps import encapsulate
from writers import DRAW, GREY, RGB, dicom, rejected, write_dicom

from medgen.data.images import count_frames, is_image, opened, read_image
from medgen.data.readers import dicom as reader

UIDS = {"StudyInstanceUID": "1.2.3", "SeriesInstanceUID": "1.2.3.9"}
PYDICOMS = Path(pydicom.__file__).parent / "data" / "test_files"


@pytest.mark.parametrize(
    ("tags", "identity"),
    [
        ({"PatientID": " 0017 ", **UIDS}, ("patient", "0017")),
        ({"PatientID": "0", **UIDS}, ("patient", "0")),
        ({"PatientID": "ANON0042", **UIDS}, ("patient", "ANON0042")),
        ({"PatientID": "", **UIDS}, ("study", "1.2.3")),
        ({"PatientID": "ANONYMIZED", **UIDS}, ("study", "1.2.3")),
        ({"PatientID": "anonymous", **UIDS}, ("study", "1.2.3")),
        ({"PatientID": "N/A", **UIDS}, ("study", "1.2.3")),
        ({"PatientID": "---", "SeriesInstanceUID": "1.2.3.9"}, ("series", "1.2.3.9")),
        ({}, ("", "")),
    ],
)
def test_a_file_is_identified_by_its_patient_or_else_its_study_or_series(
    tmp_path: Path, tags: dict[str, str], identity: tuple[str, str]
) -> None:
    with opened(write_dicom(tmp_path / "a.dcm", GREY, "MONOCHROME2", **tags)) as file:
        assert file.identity == identity


@pytest.mark.parametrize(
    ("uid", "name"),
    [
        (pydicom.uid.RTStructureSetStorage, "RT Structure Set"),
        (pydicom.uid.EnhancedSRStorage, "Enhanced SR"),
        (pydicom.uid.GrayscaleSoftcopyPresentationStateStorage, "Grayscale Softcopy Presentation State"),
        (pydicom.uid.KeyObjectSelectionDocumentStorage, "Key Object Selection Document"),
        (pydicom.uid.EncapsulatedPDFStorage, "Encapsulated PDF"),
    ],
)
def test_what_is_no_picture_is_refused_by_its_name(tmp_path: Path, uid: pydicom.uid.UID, name: str) -> None:
    ds = dicom(GREY, "MONOCHROME2")
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = uid
    for keyword in ("PixelData", "Rows", "Columns"):
        delattr(ds, keyword)
    ds.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    assert f"'{name}' and no picture" in rejected(tmp_path / "a.dcm")


@pytest.mark.parametrize(
    ("name", "kind"), [("rtdose", "dose"), ("rtstruct", "RT Structure Set"), ("test-SR", "Comprehensive SR")]
)
def test_the_same_of_other_programs_is_refused_by_its_name(name: str, kind: str) -> None:
    assert kind in rejected(PYDICOMS / f"{name}.dcm")


@pytest.mark.parametrize("uid", [pydicom.uid.MPEG2MPML, pydicom.uid.MPEG4HP41])
def test_a_damaged_video_is_called_a_video(tmp_path: Path, uid: str) -> None:
    path = write_dicom(tmp_path / "a.dcm", RGB, "YBR_PARTIAL_420", syntax=uid, PixelData=encapsulate([b"\0\0\1\xba"]))
    assert "as video" in (reason := rejected(path)) and "damaged" in reason


@pytest.mark.parametrize("uid", ["1.2.840.10008.1.2.4.110", "1.2.840.10008.1.2.4.204"])  # JPEG XL, pixels on a server
def test_a_compression_that_nobody_decodes_is_named(tmp_path: Path, uid: str) -> None:
    path = write_dicom(tmp_path / "a.dcm", RGB, "RGB", syntax=pydicom.uid.HTJ2K, PixelData=encapsulate([b"\0\0"]))
    path.write_bytes(path.read_bytes().replace(pydicom.uid.HTJ2K.encode(), uid.encode()))
    assert "compressed as" in (reason := rejected(path)) and "not supported" in reason


def test_siemens_names_are_known(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "MR.IMA", GREY, "MONOCHROME2")
    assert is_image(path)
    np.testing.assert_array_equal(read_image(path).pixels[..., 0], GREY)


@pytest.mark.parametrize("syntax", [pydicom.uid.ExplicitVRLittleEndian, pydicom.uid.ImplicitVRLittleEndian])
def test_a_file_with_neither_preamble_nor_suffix_is_read(tmp_path: Path, syntax: str) -> None:
    ds = dicom(GREY, "MONOCHROME2", Modality="OT")
    path = tmp_path / "IM0001"
    with path.open("wb") as file:
        pydicom.dcmwrite(file, pydicom.Dataset(ds), implicit_vr="Implicit" in pydicom.uid.UID(syntax).name, little_endian=True)
    assert is_image(path)
    np.testing.assert_array_equal(read_image(path).pixels[..., 0], GREY)


@pytest.mark.parametrize("head", [b"\x08\x00rows of text", b"\x02\x00" + bytes(60), b"\x00\x08\x00\x05UL\x00\x04abcdefgh"])
def test_a_file_without_suffix_that_begins_alike_is_no_dicom(head: bytes) -> None:
    assert not reader.recognises(head.ljust(352, b"\xff"), "")


def test_pixels_are_not_read_to_count_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = DRAW.integers(0, 256, (40, 64, 64), dtype=np.uint8)
    path = write_dicom(tmp_path / "a.dcm", frames, "MONOCHROME2", frames=40)
    with path.open("rb") as file:
        assert reader.open_frames(file).total == 40
    path.write_bytes(path.read_bytes()[:2000])  # the header is whole, the pixels are gone
    assert count_frames(path) == 40
