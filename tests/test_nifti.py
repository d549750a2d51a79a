"""NIfTI against MONAI and nibabel."""

from __future__ import annotations

import warnings
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from writers import DRAW, GREY, nifti, rejected, write_dicom

from medgen.data.images import opened, read_image, read_images
from medgen.errors import ImageError


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_nifti_slices_are_upright_as_monai_orients_them(tmp_path: Path, name: str) -> None:
    from monai.transforms import Orientation

    voxels = DRAW.normal(size=(6, 7, 4)).astype(np.float32)
    path = nifti(tmp_path / name, voxels, np.array([[0, 2.0, 0, 0], [-3.0, 0, 0, 0], [0, 0, 5.0, 0], [0, 0, 0, 1]]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from monai.transforms import LoadImage

        volume = LoadImage(reader="NibabelReader", image_only=True, ensure_channel_first=True)(path)
        lps = Orientation(axcodes="LPS", labels=None)(volume)[0].numpy()  # columns to the left, rows to the back, as in DICOM
    images = list(read_images(path))
    scaled = (lps - lps.min()) / (lps.max() - lps.min())
    np.testing.assert_allclose(np.stack([image.pixels[..., 0] for image in images]), scaled.transpose(2, 1, 0), atol=1e-6)
    assert images[0].spacing == (3.0, 2.0) and images[3].source == f"{path}#3"


@pytest.mark.parametrize(
    ("plane", "codes"),
    [("axial", codes) for codes in ("RAS", "LPS", "LAS", "ARS", "PLS", "RPI")]
    + [("coronal", codes) for codes in ("RSA", "LIA", "LSP", "IRA")]
    + [("sagittal", codes) for codes in ("ASR", "PIL", "SAR", "AIL")],
)
def test_slices_are_upright_however_the_volume_is_stored(tmp_path: Path, plane: str, codes: str) -> None:
    body = DRAW.integers(0, 256, (6, 7, 4), dtype=np.uint8)  # index grows to the patient's right, to the front, to the head
    ras = nib.Nifti1Image(body, np.diag([2.0, 3.0, 5.0, 1.0]))
    wanted = nib.orientations.axcodes2ornt(codes)
    nib.save(ras.as_reoriented(nib.orientations.ornt_transform(nib.io_orientation(ras.affine), wanted)), tmp_path / "a.nii")
    shown = body[::-1, ::-1, ::-1]  # from the patient's right, from the front, from the head
    axis = {"sagittal": 0, "coronal": 1, "axial": 2}[plane]
    slices = [np.take(shown, k, axis).T for k in range(shown.shape[axis])]  # rows down from head or front
    frames = [image.pixels[..., 0] for image in read_images(tmp_path / "a.nii")]
    np.testing.assert_array_equal(frames, slices if codes[2] in "LPI" else slices[::-1])


def test_nifti_agrees_with_the_dicom_slice_it_was_made_of(tmp_path: Path) -> None:
    plane = DRAW.integers(0, 256, (8, 9), dtype=np.uint8)  # (rows to the back, columns to the left)
    dicom = read_image(write_dicom(tmp_path / "a.dcm", plane, "MONOCHROME2"))
    volume = read_image(
        nifti(tmp_path / "a.nii", plane.T[..., None], np.diag([-1.0, -1.0, 1.0, 1.0]))
    )  # ITK's and dcm2niix's axes
    np.testing.assert_array_equal(dicom.pixels, volume.pixels)


def test_nifti_is_stretched_over_the_whole_volume(tmp_path: Path) -> None:
    voxels = np.zeros((2, 2, 2), dtype=np.int16)
    voxels[..., 0], voxels[..., 1] = 100, 300
    voxels[0, 0, 0] = -100
    first, second = read_images(nifti(tmp_path / "a.nii", voxels))
    assert set(first.pixels.ravel()) == {0.0, 0.5} and set(second.pixels.ravel()) == {1.0}


def test_constant_nifti_is_black(tmp_path: Path) -> None:
    assert not read_image(nifti(tmp_path / "a.nii", np.full((3, 3, 1), 7, dtype=np.int16))).pixels.any()


def test_8_bit_and_rgb_nifti_stay_8_bit(tmp_path: Path) -> None:
    voxels = DRAW.integers(0, 256, (6, 7, 2, 3), dtype=np.uint8)
    grey = read_image(nifti(tmp_path / "a.nii", voxels[..., 0]))
    np.testing.assert_array_equal(grey.pixels[..., 0], voxels[:, :, 0, 0].T)
    rgb = voxels.view([("R", "u1"), ("G", "u1"), ("B", "u1")])[..., 0]
    np.testing.assert_array_equal(read_image(nifti(tmp_path / "b.nii", rgb)).pixels, voxels[:, :, 0].swapaxes(0, 1))


def test_nifti_2_is_read(tmp_path: Path) -> None:
    nib.save(nib.Nifti2Image(GREY[..., None], np.eye(4)), tmp_path / "a.nii.gz")
    assert read_image(tmp_path / "a.nii.gz").pixels.shape == (34, 22, 1)


def test_nifti_with_time_is_rejected(tmp_path: Path) -> None:
    assert "2 x 2 x 2 x 5" in rejected(nifti(tmp_path / "b.nii", np.zeros((2, 2, 2, 5), dtype=np.float32)))


@pytest.mark.parametrize("name", ["b.nii", "b.nii.gz"])
def test_one_volume_of_a_fourth_dimension_has_the_values_that_nibabel_reads(tmp_path: Path, name: str) -> None:
    image = nib.Nifti1Image(DRAW.integers(-900, 900, (7, 6, 5, 4)).astype(np.int16), np.diag([-1.0, -1.0, 1.0, 1.0]))
    image.header.set_slope_inter(0.5, 3)
    nib.save(image, tmp_path / name)
    with opened(tmp_path / name, axes="HWN2") as content:
        values = np.stack([frame.values[..., 0].T for frame in content.frames], axis=-1)
    np.testing.assert_array_equal(values, nib.load(tmp_path / name).get_fdata()[..., 2])  # type: ignore[attr-defined]


def test_an_item_beyond_a_fourth_dimension_is_refused(tmp_path: Path) -> None:
    nifti(tmp_path / "b.nii", np.zeros((2, 2, 2, 5), dtype=np.float32))
    with pytest.raises(ImageError, match="its fourth dimension has no item 5"):
        list(read_images(tmp_path / "b.nii", axes="HWN5"))


def test_a_volume_of_three_dimensions_is_read_whatever_item_is_asked_for(tmp_path: Path) -> None:
    assert len(list(read_images(nifti(tmp_path / "b.nii", np.zeros((4, 3, 2), dtype=np.int16)), axes="HWN3"))) == 2
