"""Maps of DICOM files that name somebody: nothing that was planted in these is in any file that is written."""

from __future__ import annotations

import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import PIL.Image
import pydicom
import pytest
from commands import ONE_EPOCH, fail, succeed
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGBaseline8Bit
from writers import DRAW, dicom, save, sequence

from medgen.data.phantom.frames import PhantomSettings, make_phantom
from medgen.data.writers.deidentify import burned_in

NAMED = ["Zwetschgenbaum", "Quillfeather", "MRN-77881", "ACC-99123", "19630417", "20240229", "Klinikum Hinterwald", "Vogelsang",
         "1.2.826.55.1", "1.2.826.55.2", "1.2.826.55.3", "privatissimum", "nested-secret", "GPS 48.1N"]  # fmt: skip
TEXT = (slice(4, 9), slice(4, 40))  # rows and columns of burned-in text, outside of the region


def plant(path: Path, number: int, grey: np.ndarray) -> None:
    ds = dicom(
        grey, "MONOCHROME2", PatientName="Zwetschgenbaum^Quillfeather", PatientID="MRN-77881", AccessionNumber="ACC-99123",
        PatientBirthDate="19630417", StudyDate="20240229", InstitutionName="Klinikum Hinterwald", Modality="US",
        ReferringPhysicianName="Vogelsang^A", StudyInstanceUID="1.2.826.55.1", SeriesInstanceUID="1.2.826.55.2",
        SOPInstanceUID=f"1.2.826.55.3.{number}", StudyDescription="of Zwetschgenbaum", ImageComments="GPS 48.1N",
        SoftwareVersions="for MRN-77881", BurnedInAnnotation="YES",
    )  # fmt: skip
    inner = sequence(PatientName="Zwetschgenbaum^Nested", TextValue="nested-secret", UID="1.2.826.55.3.9", Date="20240229")
    ds.AcquisitionContextSequence = sequence(ConceptNameCodeSequence=inner)
    ds.PatientOrientation = None
    ds.SourceImageSequence = sequence(
        ReferencedSOPClassUID=ds.SOPClassUID, ReferencedSOPInstanceUID="1.2.826.55.3.1", PatientName="Quillfeather"
    )
    ds.SequenceOfUltrasoundRegions = sequence(
        RegionLocationMinX0=2, RegionLocationMinY0=12, RegionLocationMaxX1=61, RegionLocationMaxY1=61
    )
    ds.private_block(0x0011, "privatissimum", create=True).add_new(1, "LO", "privatissimum of Vogelsang")
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.preamble = b"Zwetschgenbaum".ljust(128, b"\0")
    path.parent.mkdir(parents=True, exist_ok=True)
    ds.save_as(path, enforce_file_format=True)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("trained")
    make_phantom(root / "frames", PhantomSettings(train=6, val=4, test_normal=2, test_abnormal=2, width=160, height=160))
    succeed("prepare", root / "frames", "--out", root / "data", "--size", 32)
    succeed("train", "vae", root / "data", "--out", root / "run", *ONE_EPOCH)
    return root / "run"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("source")
    y, x = np.mgrid[:64, :64]
    for number in (1, 2):
        grey = (60 + x + number * y // 2).astype(np.uint8)
        grey[TEXT] = 255
        plant(root / "Zwetschgenbaum" / f"Quillfeather-{number}.dcm", number, grey)
    (root / "@eaDir").mkdir()
    (root / "@eaDir" / "small.jpg").write_bytes(b"what a file server keeps for itself")
    return root


@pytest.fixture(scope="module")
def out(run: Path, source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("dicomanonymizer", reason="needs `pip install 'medgen[deidentify]'`")
    folder = tmp_path_factory.mktemp("deidentified") / "maps"
    assert "2 maps" in succeed("maps", run, source, "--out", folder, "--level", "0.01", "--deidentify")
    return folder


def copies(out: Path) -> list[pydicom.Dataset]:
    return [pydicom.dcmread(path) for path in sorted((out / "deidentified").iterdir())]


@pytest.mark.parametrize("planted", NAMED)
def test_nothing_that_was_planted_is_in_a_file_or_its_name(out: Path, source: Path, planted: str) -> None:
    holding = [path for path in source.rglob("*.dcm") if planted.encode() in path.read_bytes()]
    assert holding, "it was never there"
    written = [path for path in out.rglob("*") if path.is_file()]
    assert len(list((out / "original").iterdir())) == len(list((out / "overlays").iterdir())) == 2
    assert not [path for path in written if planted.encode() in path.read_bytes() or planted in str(path.relative_to(out))]


def test_a_series_stays_a_series_and_references_follow(out: Path) -> None:
    made = copies(out)
    assert len({ds.StudyInstanceUID for ds in made}) == len({ds.SeriesInstanceUID for ds in made}) == 1
    (first,) = {ds.SourceImageSequence[0].ReferencedSOPInstanceUID for ds in made}
    assert first in {ds.SOPInstanceUID for ds in made} and len({ds.SOPInstanceUID for ds in made}) == 2


def test_a_map_refers_to_its_copy(out: Path) -> None:
    maps = [pydicom.dcmread(path) for path in (out / "original").glob("*.dcm")]
    assert {ds.SourceImageSequence[0].ReferencedSOPInstanceUID for ds in maps} == {ds.SOPInstanceUID for ds in copies(out)}


def test_copies_and_maps_say_that_they_name_nobody(out: Path) -> None:
    for ds in [*copies(out), *(pydicom.dcmread(path) for path in (out / "original").glob("*.dcm"))]:
        assert ds.PatientIdentityRemoved == "YES" and ds.DeidentificationMethodCodeSequence[0].CodeValue == "113100"
        assert "BurnedInAnnotation" not in ds  # nobody looked


def test_text_outside_the_regions_of_an_ultrasound_is_blanked_and_the_rest_stays(out: Path) -> None:
    for ds in copies(out):
        pixels = ds.pixel_array
        assert (pixels[TEXT] == pixels.min()).all() and pixels[30, 30] in (60 + 30 + 15, 60 + 30 + 30)


def test_text_stays_where_it_is_to_stay(run: Path, source: Path, tmp_path: Path) -> None:
    pytest.importorskip("dicomanonymizer", reason="needs `pip install 'medgen[deidentify]'`")
    succeed("maps", run, source, "--out", tmp_path, "--level", "0.01", "--deidentify", "--no-blank-text")
    assert all((ds.pixel_array[TEXT] == 255).all() and ds.BurnedInAnnotation == "YES" for ds in copies(tmp_path))


def test_letters_beside_the_field_of_view_are_blanked_without_regions() -> None:
    frame = np.zeros((240, 320, 3), dtype=np.uint8)
    frame[20:220, 110:310] = (150, 80, 60)
    frame[40:52, 10:70] = (230, 220, 20)  # yellow letters
    blank = burned_in(frame, [])
    assert blank[40:52, 10:70].all() and not blank[60:180, 150:270].any()


def test_maps_of_compressed_endoscopy_are_made_of_copies_without_its_letters(run: Path, tmp_path: Path) -> None:
    pytest.importorskip("dicomanonymizer", reason="needs `pip install 'medgen[deidentify]'`")
    frame = np.zeros((160, 240, 3), dtype=np.uint8)
    frame[10:150, 80:230] = DRAW.integers(0, 12, (140, 150, 1)) + np.array([150, 80, 60])
    frame[40:50, 10:60] = 250
    buffer = BytesIO()
    PIL.Image.fromarray(frame).save(buffer, "JPEG", quality=95)
    ds = dicom(frame, "YBR_FULL_422", syntax=JPEGBaseline8Bit, Modality="ES", PixelData=encapsulate([buffer.getvalue()]))
    (tmp_path / "in").mkdir()
    ds.save_as(tmp_path / "in" / "a.dcm", enforce_file_format=True)
    assert "1 map:" in succeed("maps", run, tmp_path / "in", "--out", tmp_path / "out", "--level", "0.01", "--deidentify")
    (copy,) = copies(tmp_path / "out")
    assert copy.pixel_array[40:50, 10:60].max() <= 8 < copy.pixel_array[60:100, 100:200].min()
    assert len(list((tmp_path / "out" / "original").iterdir())) == 1


def test_a_file_of_another_format_is_refused(run: Path, tmp_path: Path) -> None:
    pytest.importorskip("dicomanonymizer", reason="needs `pip install 'medgen[deidentify]'`")
    (tmp_path / "in").mkdir()
    save(tmp_path / "in" / "a.png", np.zeros((8, 8, 3), dtype=np.uint8))
    told = fail("maps", run, tmp_path / "in", "--out", tmp_path / "out", "--deidentify")
    assert told.endswith("a.png' is no DICOM file; --deidentify takes DICOM files alone")


def listing(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("place", [".", "deidentified", "original"])
def test_input_among_the_results_is_refused_and_they_stay(run: Path, out: Path, place: str) -> None:
    before = listing(out)
    told = fail("maps", run, out / place, "--out", out, "--deidentify")
    assert "--deidentify would read what it writes" in told and listing(out) == before


def test_results_inside_of_the_input_are_refused(run: Path, source: Path) -> None:
    told = fail("maps", run, source, "--out", source / "maps", "--deidentify")
    assert "--deidentify would read what it writes" in told and not list(source.rglob("maps/*"))


@pytest.mark.parametrize("damage", [b"no DICOM", b"\0" * 128 + b"DICM" + b"\0" * 64])
def test_a_refused_call_keeps_the_results_of_the_one_before(run: Path, source: Path, out: Path, damage: bytes) -> None:
    (last := source / "z.dcm").write_bytes(damage)
    try:
        if b"DICM" in damage:  # read as far as its pixels, which are not there in full
            plant(last, 3, np.zeros((64, 64), dtype=np.uint8))
            last.write_bytes(last.read_bytes()[:-100])
        before = listing(out)
        told = fail("maps", run, source, "--out", out, "--level", "0.01", "--deidentify")
    finally:
        last.unlink()  # the frames are those of all tests
    assert "z.dcm" in told and listing(out) == before


def test_the_missing_library_is_named(run: Path, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dicomanonymizer", None)
    told = fail("maps", run, source, "--out", tmp_path, "--deidentify")
    assert told == "medgen: --deidentify needs dicom-anonymizer; install it by `pip install 'medgen[deidentify]'`"
