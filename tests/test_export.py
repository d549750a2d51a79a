"""What was written is read back by others, and says the same scores."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from PIL import Image as Picture
from pydicom.pixels.processing import apply_rescale
from writers import GREY, dicom, nifti, save, sequence

from medgen.data.images import read_image, read_images
from medgen.data.intensity import FULL
from medgen.data.writers.export import (
    Scale,
    dicom_of,
    format_of,
    read_header,
    read_png,
    save_dicom,
    save_nifti,
    save_png,
    scale_between,
    to_levels,
    to_scores,
)
from medgen.errors import ImageError

DRAW = np.random.default_rng(5)
TAGS: dict[str, Any] = {
    "SpecificCharacterSet": "ISO_IR 192",
    "PatientName": "Müller^Zoë",
    "PatientID": "P-17",
    "PatientBirthDate": "19700101",
    "StudyInstanceUID": "1.2.826.0.1.3680043.8.498.1",
    "SeriesInstanceUID": "1.2.826.0.1.3680043.8.498.2",
    "FrameOfReferenceUID": "1.2.826.0.1.3680043.8.498.3",
    "ImagePositionPatient": [-10, 5, 42.5],
    "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
    "PixelSpacing": [0.5, 0.25],
    "InstanceNumber": 7,
    "LossyImageCompression": "01",
    "OperatorsName": "not to be copied",
}


def scores(low: float = -0.3, high: float = 2.0, shape: tuple[int, int] = GREY.shape) -> NDArray[np.float32]:
    """A map from `low` to `high` with pixels that have no score."""
    values = DRAW.uniform(low, high, shape).astype(np.float32)
    values[0, 0], values[0, 1], values[3:5, 4:9] = low, high, np.nan
    return values


def write(path: Path, made: NDArray[np.float32], frame: int = 0, made_by: str = "run", **tags: Any) -> pydicom.Dataset:
    """Save a map beside a source that has these tags, and read it again."""
    source = dicom(GREY, "MONOCHROME2", **tags)
    source.save_as(path.with_suffix(".source"), enforce_file_format=True)
    scale = scale_between(float(np.nanmin(made)), float(np.nanmax(made)))
    save_dicom(path, made, scale, read_header(path.with_suffix(".source")), frame, made_by, 1.5)
    return pydicom.dcmread(path)


# levels and PNG


@pytest.mark.parametrize(("low", "high"), [(-0.3, 2.0), (0, 1e-7), (1e4, 2e6), (-5, -4.5)])
def test_a_level_is_half_a_step_from_its_score_at_the_most(low: float, high: float) -> None:
    made = scores(low, high)
    back = to_scores(to_levels(made, scale := scale_between(low, high)), scale)
    assert np.nanmax(np.abs(back - made)) <= (high - low) / 65535 and np.array_equal(np.isnan(back), np.isnan(made))


def test_the_levels_run_from_1_to_65535() -> None:
    levels = to_levels(scores(), scale_between(-0.3, 2.0))
    assert (levels[0, 0], levels[0, 1], levels[3, 4]) == (1, 65535, 0)


def test_scores_beyond_a_given_scale_take_its_ends() -> None:
    levels = to_levels(np.array([[-np.inf, -1, 9, np.inf]], np.float32), scale_between(0, 1))
    assert levels.tolist() == [[1, 1, 65535, 65535]]


def test_a_map_of_one_score_keeps_it(tmp_path: Path) -> None:
    save_png(tmp_path / "a.png", np.full((4, 5), 0.7, np.float32), scale_between(0.7, 0.7))
    np.testing.assert_allclose(read_png(tmp_path / "a.png"), 0.7)


def test_a_png_has_16_bits_and_gives_the_scores_back(tmp_path: Path) -> None:
    save_png(tmp_path / "a.jpg.png", made := scores(), scale_between(-0.3, 2.0))
    with Picture.open(tmp_path / "a.jpg.png") as picture:
        assert picture.mode == "I;16"
    np.testing.assert_allclose(read_png(tmp_path / "a.jpg.png"), made, atol=2.3 / 65535)


def test_a_png_and_the_json_beside_it_state_what_a_level_means(tmp_path: Path) -> None:
    save_png(tmp_path / "a.jpg.png", made := scores(), scale_between(-0.3, 2.0))
    beside = json.loads((tmp_path / "a.jpg.json").read_text())
    with Picture.open(tmp_path / "a.jpg.png") as picture:
        chunks, levels = picture.info, np.array(picture)
    assert (float(chunks["slope"]), float(chunks["offset"])) == (beside["slope"], beside["offset"])
    assert "research use only" in chunks["Description"] and beside["meaning"] == chunks["Description"]
    found = np.where(levels == beside["no_score"], np.nan, beside["offset"] + beside["slope"] * levels)
    np.testing.assert_allclose(found, made, atol=2.3 / 65535)


def test_a_png_without_a_scale_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="states no slope and offset; expected a map written by `medgen maps`"):
        read_png(save(tmp_path / "a.png", GREY))


# DICOM


def test_rescaled_values_of_a_dicom_are_raw_scores(tmp_path: Path) -> None:
    ds = write(tmp_path / "a.dcm", made := scores(), **TAGS)
    assert ds.pixel_array.dtype == np.uint16 and ds.PixelPaddingValue == 0
    found = np.where(ds.pixel_array == ds.PixelPaddingValue, np.nan, apply_rescale(ds.pixel_array, ds))
    np.testing.assert_allclose(found, made, atol=float(ds.RescaleSlope), equal_nan=True)


def test_a_dicom_keeps_patient_study_and_place_of_its_source(tmp_path: Path) -> None:
    ds = write(tmp_path / "a.dcm", scores(), **TAGS)
    for name in set(TAGS) - {"SeriesInstanceUID", "OperatorsName"}:
        assert ds[name].value == TAGS[name], name
    assert "OperatorsName" not in ds


def test_a_dicom_is_a_new_derived_instance_of_a_new_series(tmp_path: Path) -> None:
    ds = write(tmp_path / "a.dcm", scores(), **TAGS)
    assert ds.SOPClassUID == ds.file_meta.MediaStorageSOPClassUID == pydicom.uid.SecondaryCaptureImageStorage
    assert ds.SOPInstanceUID == ds.file_meta.MediaStorageSOPInstanceUID != "1.2.3.4"
    assert ds.SOPInstanceUID.is_valid and ds.SeriesInstanceUID.is_valid and ds.SeriesInstanceUID != TAGS["SeriesInstanceUID"]
    assert list(ds.ImageType) == ["DERIVED", "SECONDARY"] and ds.SourceImageSequence[0].ReferencedSOPInstanceUID == "1.2.3.4"
    assert "research use only" in ds.DerivationDescription


def test_maps_of_one_series_by_one_model_are_one_series(tmp_path: Path) -> None:
    first, again = (write(tmp_path / f"{k}.dcm", scores(), SOPInstanceUID=f"1.2.{k}", **TAGS) for k in range(2))
    other = write(tmp_path / "b.dcm", scores(), made_by="other", **TAGS)
    assert first.SeriesInstanceUID == again.SeriesInstanceUID != other.SeriesInstanceUID
    assert len({first.SOPInstanceUID, again.SOPInstanceUID, other.SOPInstanceUID}) == 3


def test_the_same_map_becomes_the_same_file(tmp_path: Path) -> None:
    made = scores()
    for name in ("a.dcm", "b.dcm"):
        write(tmp_path / name, made, **TAGS)
    assert (tmp_path / "a.dcm").read_bytes() == (tmp_path / "b.dcm").read_bytes()


def test_a_map_with_another_decision_is_another_instance_which_an_archive_keeps(tmp_path: Path) -> None:
    dicom(GREY, "MONOCHROME2", **TAGS).save_as(tmp_path / "a.source", enforce_file_format=True)
    header, made, scale = read_header(tmp_path / "a.source"), scores(), scale_between(0, 2)
    above, below, shown = (
        dicom_of(made, scale, header, 0, "run", *said) for said in ((1.5, "above"), (1.5, "below"), (1.6, "above"))
    )
    assert above.ImageComments == "above" and above.SeriesInstanceUID == below.SeriesInstanceUID
    assert len({above.SOPInstanceUID, below.SOPInstanceUID, shown.SOPInstanceUID}) == 3


def test_the_side_of_the_body_is_that_of_the_source_and_stated_where_it_is_not_known(tmp_path: Path) -> None:
    assert write(tmp_path / "a.dcm", scores(), **TAGS, Laterality="L", BodyPartExamined="EYE").Laterality == "L"
    assert write(tmp_path / "b.dcm", scores(), **TAGS)["Laterality"].is_empty
    drawn = write(tmp_path / "c.dcm", scores(), **TAGS, ImageLaterality="L")
    assert drawn.ImageLaterality == "L" and "Laterality" not in drawn  # which an image that has the one may not have


def test_a_spacing_without_a_value_is_left_out(tmp_path: Path) -> None:
    assert "PixelSpacing" not in write(tmp_path / "a.dcm", scores(), **{**TAGS, "PixelSpacing": None})


def test_a_file_of_one_frame_is_referred_to_as_a_whole(tmp_path: Path) -> None:
    source = write(tmp_path / "a.dcm", scores(), **TAGS, NumberOfFrames=1).SourceImageSequence[0]
    assert "ReferencedFrameNumber" not in source


def test_a_source_without_study_or_patient_still_gives_a_whole_file(tmp_path: Path) -> None:
    ds = write(tmp_path / "a.dcm", scores())
    assert ds.StudyInstanceUID.is_valid and ds["PatientID"].is_empty and ds.InstanceNumber == 1


def test_odd_values_of_a_source_are_copied_without_a_word(tmp_path: Path) -> None:
    odd = {"PatientBirthDate": "1970.01.01", "AccessionNumber": "1" * 20, "PixelSpacing": [0.5, 0.25]}
    with pydicom.config.disable_value_validation():  # every warning is an error in these tests
        source = dicom(GREY, "MONOCHROME2", **odd)
        source.save_as(tmp_path / "a.source", enforce_file_format=True)
    save_dicom(tmp_path / "a.dcm", scores(), scale_between(0, 2), read_header(tmp_path / "a.source"), 0, "run", 1.5)
    with pydicom.config.disable_value_validation():
        ds = pydicom.dcmread(tmp_path / "a.dcm")
        assert {name: ds[name].value for name in odd} == odd


def test_the_own_reader_shows_a_dicom_in_its_window(tmp_path: Path) -> None:
    write(tmp_path / "a.dcm", made := scores(), **TAGS)
    image = read_image(tmp_path / "a.dcm")
    shown = np.where(np.isnan(made), 0, np.clip(made / 1.5, 0, 1))  # 1.5 is to be white
    np.testing.assert_allclose(image.pixels[..., 0], shown, atol=1e-4)
    assert image.spacing == (0.5, 0.25)


def test_a_frame_of_several_has_its_own_place_and_number(tmp_path: Path) -> None:
    frames = [sequence(PlanePositionSequence=sequence(ImagePositionPatient=[0, 0, k]))[0] for k in range(3)]
    tags = {**TAGS, "NumberOfFrames": 3, "PixelData": GREY.tobytes() * 3, "PerFrameFunctionalGroupsSequence": frames}
    del tags["ImagePositionPatient"]
    ds = write(tmp_path / "a.dcm", scores(), frame=2, **tags)
    assert list(ds.ImagePositionPatient) == [0, 0, 2] and ds.InstanceNumber == 9
    assert ds.SourceImageSequence[0].ReferencedFrameNumber == 3 and "NumberOfFrames" not in ds


# NIfTI

TURNED = np.array([[0, 0, 2.0, -7], [-3.0, 0, 0, 5], [0, 1.5, 0, 30], [0, 0, 0, 1]])  # sagittal slices
CASES: dict[str, tuple[tuple[int, ...], NDArray[np.float64]]] = {
    "axial": ((6, 5, 4), np.diag([-2.0, -3.0, 5.0, 1.0])),
    "the other way round": ((6, 5, 4), np.diag([2.0, 3.0, -5.0, 1.0])),
    "sagittal": ((6, 5, 4), TURNED),
    "four axes": ((6, 5, 4, 1), np.eye(4)),
    "one slice": ((6, 5), np.eye(4)),
}


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize("case", CASES)
def test_a_nifti_lies_on_its_source_voxel_by_voxel(tmp_path: Path, case: str, name: str) -> None:
    shape, affine = CASES[case]
    voxels = DRAW.permutation(np.prod(shape)).astype(np.float32).reshape(shape)
    source = nifti(tmp_path / name, voxels / (voxels.size - 1), affine)
    planes = {k: image.pixels[..., 0].astype(np.float32) for k, image in enumerate(read_images(source))}
    save_nifti(tmp_path / "map.nii.gz", planes, source)
    made, theirs = nib.load(tmp_path / "map.nii.gz"), nib.load(source)
    assert made.shape == shape and made.get_data_dtype() == np.float32 and np.array_equal(made.affine, theirs.affine)
    assert made.header.get_zooms() == theirs.header.get_zooms()
    np.testing.assert_allclose(made.get_fdata(), theirs.get_fdata(), atol=1e-6)


def test_a_map_of_one_of_several_volumes_lies_on_it(tmp_path: Path) -> None:
    voxels = (DRAW.permutation(480) / 479).astype(np.float32).reshape(6, 5, 4, 4)
    source = nifti(tmp_path / "a.nii.gz", voxels, TURNED)
    planes = {k: image.pixels[..., 0].astype(np.float32) for k, image in enumerate(read_images(source, FULL, axes="HWN2"))}
    low, high = voxels[..., 2].min(), voxels[..., 2].max()
    save_nifti(tmp_path / "map.nii.gz", planes, source)
    made = nib.load(tmp_path / "map.nii.gz")
    np.testing.assert_allclose(made.get_fdata() * (high - low) + low, voxels[..., 2], atol=1e-6)
    assert np.array_equal(made.affine, TURNED)


def test_slices_without_a_map_are_not_a_number(tmp_path: Path) -> None:
    source = nifti(tmp_path / "a.nii.gz", DRAW.integers(0, 99, (6, 5, 4)).astype(np.int16))
    save_nifti(tmp_path / "map.nii.gz", {2: np.full(read_image(source).pixels.shape[:2], 0.5, np.float32)}, source)
    made = nib.load(tmp_path / "map.nii.gz").get_fdata()
    assert np.isnan(made[..., [0, 1, 3]]).all() and (made[..., 2] == 0.5).all()


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
def test_a_scaled_volume_of_either_version_gives_plain_scores(tmp_path: Path, kind: Any) -> None:
    volume = kind(np.arange(120, dtype=np.int16).reshape(6, 5, 4), np.eye(4))
    volume.header.set_slope_inter(0.25, 3)
    nib.save(volume, source := tmp_path / "a.nii")
    planes = {k: np.full(image.pixels.shape[:2], 0.125 * k, np.float32) for k, image in enumerate(read_images(source))}
    save_nifti(tmp_path / "map.nii", planes, source)
    made = nib.load(tmp_path / "map.nii")
    assert isinstance(made, kind) and [made.dataobj[0, 0, k] for k in range(4)] == [0, 0.125, 0.25, 0.375]


# which format


def test_a_file_is_what_its_bytes_say(tmp_path: Path) -> None:
    bare, whole = tmp_path / "bare.dcm", tmp_path / "1.2.840"
    dicom(GREY, "MONOCHROME2").save_as(whole, enforce_file_format=True)
    bare.write_bytes(whole.read_bytes()[132:])
    picture = save(tmp_path / "a.png", GREY).rename(tmp_path / "picture.dcm")
    volume = nifti(tmp_path / "a.nii.gz", np.zeros((3, 3, 3), np.uint8))
    assert [format_of(path) for path in (bare, whole, picture, volume)] == ["dicom", "dicom", "png", "nifti"]


def test_the_scale_fits_the_characters_of_a_dicom_decimal(tmp_path: Path) -> None:
    ds = write(tmp_path / "a.dcm", scores(-1.23456789e-5, 7.654321e-6))
    assert len(str(ds.RescaleSlope.original_string)) <= 16 and len(str(ds.RescaleIntercept.original_string)) <= 16
    scale = scale_between(float(np.float32(-1.23456789e-5)), float(np.float32(7.654321e-6)))
    assert scale == Scale(float(ds.RescaleSlope), float(ds.RescaleIntercept))
