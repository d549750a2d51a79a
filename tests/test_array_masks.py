"""Masks from arrays, and masks with numbers that a program has scaled or shifted."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from mask_files import DISC, entry, marks, of_mask, save
from numpy.typing import NDArray
from writers import rejected, write_dicom

from medgen.data.images import opened
from medgen.data.prepared import PrepareSettings
from medgen.data.preparing.source_frames import counted, read_frames
from medgen.data.source_file import MaskFile

MARKED = np.stack([DISC, ~DISC, DISC & False])  # three frames
IMAGE = np.arange(96 * 96 * 3, dtype=np.uint16).reshape(3, 96, 96)


def found(image: Path, mask: Path, axes: str = "") -> list[NDArray[np.bool_]]:
    return [frame.mask for frame in marks(entry(image, MaskFile(mask)), axes=axes)]


@pytest.mark.parametrize("name", ["mask", "label", "seg", "gt"])
def test_of_the_arrays_of_a_mask_file_the_mask_is_read(tmp_path: Path, name: str) -> None:
    np.savez(tmp_path / "a.npz", **{"image": IMAGE[0], name: DISC})
    np.testing.assert_array_equal(of_mask(tmp_path, tmp_path / "a.npz"), DISC)


def test_of_the_arrays_of_an_image_file_those_that_are_not_read_are_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", image=IMAGE[0], mask=DISC)
    with opened(tmp_path / "a.npz") as file:
        assert file.understood == "axes HW of 'image' (not read: mask)"


def test_a_single_number_is_no_picture(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.float64(3))
    assert rejected(tmp_path / "a.npy") == "holds a single number and no picture"


def test_a_mask_has_the_axes_of_its_image(tmp_path: Path) -> None:
    np.save(tmp_path / "i.npy", np.moveaxis(IMAGE, 0, -1))
    np.save(tmp_path / "m.npy", np.moveaxis(MARKED, 0, -1))
    np.testing.assert_array_equal(found(tmp_path / "i.npy", tmp_path / "m.npy", "HWN"), MARKED)


def test_a_mask_needs_no_channels_where_its_image_has_some(tmp_path: Path) -> None:
    np.save(tmp_path / "i.npy", np.stack([IMAGE] * 3, axis=1))
    np.save(tmp_path / "m.npy", MARKED)
    np.testing.assert_array_equal(found(tmp_path / "i.npy", tmp_path / "m.npy", "NCHW"), MARKED)


def test_a_mask_of_one_frame_states_its_axes_itself(tmp_path: Path) -> None:
    np.save(tmp_path / "i.npy", np.stack([IMAGE[0]] * 3))
    np.save(tmp_path / "m.npy", DISC)
    np.testing.assert_array_equal(found(tmp_path / "i.npy", tmp_path / "m.npy", "CHW"), [DISC])


@pytest.mark.parametrize("intercept", ["0", "-1024", "-1"])
def test_the_rescale_of_a_ct_makes_no_finding_of_the_0_of_a_mask(tmp_path: Path, intercept: str) -> None:
    mask = write_dicom(tmp_path / "m.dcm", DISC.astype(np.int16), "MONOCHROME2", RescaleSlope="1", RescaleIntercept=intercept)
    np.testing.assert_array_equal(of_mask(tmp_path, mask), DISC)


def test_a_mask_whose_rescale_leads_back_to_0_is_read_after_it(tmp_path: Path) -> None:
    stored = DISC.astype(np.int16) + np.int16(1024)
    mask = write_dicom(tmp_path / "m.dcm", stored, "MONOCHROME2", RescaleSlope="1", RescaleIntercept="-1024")
    np.testing.assert_array_equal(of_mask(tmp_path, mask), DISC)


@pytest.mark.parametrize("label", [1, 2, 4])
def test_a_label_is_found_although_a_program_has_scaled_it_to_8_bits(tmp_path: Path, label: int) -> None:
    labels = np.where(DISC, 1.0, 0.0)
    labels[:20, :20], labels[-20:, -20:] = 2, 4
    header = nib.Nifti1Header()
    header.set_data_dtype(np.uint8)  # nibabel scales floats to it: 1 comes back as 1.004
    nib.save(nib.Nifti1Image(labels.T[..., None], np.diag([-1, -1, 1, 1]), header), tmp_path / "m.nii")
    np.testing.assert_array_equal(of_mask(tmp_path, tmp_path / "m.nii", [label]), labels == label)


@pytest.mark.parametrize(("marked", "mostly"), [(DISC, 0), (~DISC, 1)])
def test_a_mask_whose_black_and_white_have_changed_places_is_told(tmp_path: Path, marked: NDArray[np.bool_], mostly: int) -> None:
    source = entry(save(tmp_path / "i.png", DISC * 255), MaskFile(save(tmp_path / "m.png", marked * 255)))
    (frame,) = read_frames(source, PrepareSettings())
    assert counted(source, frame)["mostly"] == mostly
