"""Volumes against nibabel's and SimpleITK's own numbers."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import SimpleITK
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from writers import DRAW, rejected

from medgen.data.images import opened, read_images
from medgen.data.preparing.truth import marked

TYPES = ["u1", "i1", "u2", "i2", "u4", "i4", "i8", "f4", "f8"]
UPRIGHT = np.diag([-1.0, -1.0, 1.0, 1.0])  # slice k is voxels[:, :, k].T


def volume(type_name: str, seed: int) -> NDArray[Any]:
    draw = np.random.default_rng(seed)
    kind = np.dtype(type_name)
    if kind.kind == "f":
        voxels = draw.normal(0, 10.0 ** draw.integers(-3, 6), (5, 4, 3)).astype(kind)
        voxels[draw.random(voxels.shape) < 0.1] = np.nan
        return voxels
    limits = np.iinfo(kind)
    return draw.integers(limits.min, limits.max, (5, 4, 3), dtype=kind, endpoint=True)


def stretched(values: NDArray[np.float64]) -> NDArray[np.float64]:
    low, high = np.nanmin(values), np.nanmax(values)
    return np.nan_to_num((values - low) / (high - low))


@given(st.sampled_from(TYPES), st.integers(0, 1000), st.sampled_from([(1, 0), (0.5, -7), (-3, 100), (1e-4, 0)]))
def test_nifti_equals_the_scaled_floats_of_nibabel(type_name: str, seed: int, scale: tuple[float, float]) -> None:
    content = nib.Nifti1Image(volume(type_name, seed), UPRIGHT, dtype=type_name).to_bytes()
    with TemporaryDirectory() as folder:
        path = Path(folder, "a.nii")
        path.write_bytes(content[:112] + np.array(scale, "<f4").tobytes() + content[120:])  # scl_slope, scl_inter
        values = nib.load(path).get_fdata(dtype=np.float64)
        frames = [frame.pixels[..., 0] for frame in read_images(path)]
    expected = values if type_name == "u1" and scale == (1, 0) else stretched(values)
    np.testing.assert_allclose(frames, expected.T, atol=1e-6)


@given(st.integers(0, 1000), st.sampled_from(["u1", "i2", "f4"]))
def test_slice_k_of_a_mask_marks_what_nibabel_says_is_not_zero(seed: int, type_name: str) -> None:
    labels = np.random.default_rng(seed).integers(0, 3, (5, 4, 3)).astype(type_name)
    with TemporaryDirectory() as folder:
        path = Path(folder, "m.nii.gz")
        nib.save(nib.Nifti1Image(labels, UPRIGHT), path)
        values = nib.load(path).get_fdata()
        with opened(path) as mask:
            marks = np.stack([marked(frame) for frame in mask.frames])
        np.testing.assert_array_equal(marks, values.T != 0)


@pytest.mark.parametrize("suffix", [".mgh", ".mgz"])
def test_freesurfer_volumes_equal_nibabel(tmp_path: Path, suffix: str) -> None:
    voxels = DRAW.normal(0, 50, (5, 4, 3)).astype(np.float32)
    nib.save(nib.MGHImage(voxels, UPRIGHT), tmp_path / f"a{suffix}")
    frames = [frame.pixels[..., 0] for frame in read_images(tmp_path / f"a{suffix}")]
    np.testing.assert_allclose(frames, stretched(voxels.astype(np.float64)).T, atol=1e-6)


@pytest.mark.parametrize("kind", [nib.Nifti1Pair, nib.Spm99AnalyzeImage, nib.AnalyzeImage])
def test_volumes_in_two_files_equal_nibabel(tmp_path: Path, kind: Any) -> None:
    voxels = DRAW.integers(-500, 500, (5, 4, 3)).astype(np.int16)
    nib.save(kind(voxels, UPRIGHT), tmp_path / "a.img")
    canonical = nib.as_closest_canonical(nib.load(tmp_path / "a.img")).get_fdata()
    frames = np.array([frame.pixels[..., 0] for frame in read_images(tmp_path / "a.hdr")])
    shown = stretched(canonical)[::-1, ::-1].T
    np.testing.assert_allclose(frames, shown, atol=1e-6)


def test_a_header_without_its_voxels_says_so(tmp_path: Path) -> None:
    nib.save(nib.Nifti1Pair(np.zeros((2, 2, 2), np.int16), UPRIGHT), tmp_path / "a.img")
    (tmp_path / "a.img").unlink()
    assert rejected(tmp_path / "a.hdr") == "its voxels, a.img, are missing"


@pytest.mark.parametrize("suffix", [".mha", ".mhd", ".nrrd", ".nhdr"])
@pytest.mark.parametrize("type_name", ["u1", "i2", "f4"])
def test_itk_images_equal_simpleitk(tmp_path: Path, suffix: str, type_name: str) -> None:
    array = volume(type_name, 3).T.copy()
    array = np.nan_to_num(array)
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(array), str(tmp_path / f"a{suffix}"), useCompression=True)
    frames = [frame.pixels[..., 0] for frame in read_images(tmp_path / f"a{suffix}")]
    theirs = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(tmp_path / f"a{suffix}"))).astype(np.float64)
    np.testing.assert_allclose(frames, theirs if type_name == "u1" else stretched(theirs), atol=1e-6)


def test_itk_volumes_are_turned_upright_as_the_same_nifti_is(tmp_path: Path) -> None:
    image = SimpleITK.GetImageFromArray(DRAW.integers(0, 256, (4, 5, 6), dtype=np.uint8))
    image.SetDirection((0, 0, 1, -1, 0, 0, 0, 1, 0))
    image.SetSpacing((2, 3, 5))
    for name in ("a.mha", "a.nii.gz"):
        SimpleITK.WriteImage(image, str(tmp_path / name))
    ours, theirs = ([*read_images(tmp_path / name)] for name in ("a.mha", "a.nii.gz"))
    assert [frame.spacing for frame in ours] == [frame.spacing for frame in theirs]
    np.testing.assert_array_equal([frame.pixels for frame in ours], [frame.pixels for frame in theirs])


def test_a_picture_of_two_components_is_refused(tmp_path: Path) -> None:
    image = SimpleITK.GetImageFromArray(np.zeros((4, 5, 2), dtype=np.uint8), isVector=True)
    SimpleITK.WriteImage(image, str(tmp_path / "a.nrrd"))
    assert "2 components" in rejected(tmp_path / "a.nrrd")
