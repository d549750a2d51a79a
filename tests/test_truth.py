"""What a mask marks, whatever its numbers, and which of its frames belongs to which of the image's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import nibabel as nib
import numpy as np
import PIL.Image
import pytest
from mask_files import DISC, X, Y, entry, marks, of_mask, save
from numpy.typing import NDArray

from medgen.data.pixel_format import FileFrames, StoredFrame, stored
from medgen.data.preparing import truth
from medgen.data.preparing.truth import Marks, fitted, marked, open_truth
from medgen.data.source_file import MaskFile
from medgen.errors import ImageError
from medgen.types import Box


@pytest.mark.parametrize("number", [1, 2, 4, 127, 255])
def test_any_number_but_zero_marks(tmp_path: Path, number: int) -> None:
    np.testing.assert_array_equal(of_mask(tmp_path, save(tmp_path / "m.png", DISC * number)), DISC)


def test_every_label_of_a_map_marks(tmp_path: Path) -> None:
    labels = DISC * (1 + X % 2 + 2 * (Y > 48))  # 1 to 4
    np.testing.assert_array_equal(of_mask(tmp_path, save(tmp_path / "m.png", labels)), DISC)


def test_labels_that_are_spread_over_the_greys_stay_labels(tmp_path: Path) -> None:
    labels = np.select([X < 20, X < 40, X < 60, X < 80], [0, 64, 128, 192], 255)
    np.testing.assert_array_equal(of_mask(tmp_path, save(tmp_path / "m.png", labels)), X >= 20)


def test_stated_labels_alone_mark(tmp_path: Path) -> None:
    labels = np.select([X < 20, X < 40, X < 60], [0, 1, 2], 4)
    expected = ((X >= 20) & (X < 40)) | (X >= 60)
    np.testing.assert_array_equal(of_mask(tmp_path, save(tmp_path / "m.png", labels), [1, 4]), expected)


def palette(path: Path, indices: NDArray, colours: Sequence[int]) -> Path:
    mask = PIL.Image.fromarray(indices.astype(np.uint8), mode="P")
    mask.putpalette(colours)
    mask.save(path)
    return path


def test_a_palette_says_nothing_of_what_is_marked(tmp_path: Path) -> None:
    np.testing.assert_array_equal(of_mask(tmp_path, palette(tmp_path / "m.png", DISC, [0, 0, 0, 3, 3, 3])), DISC)


def test_black_is_nothing_in_a_palette_that_begins_with_another_colour(tmp_path: Path) -> None:
    mask = palette(tmp_path / "m.png", ~DISC, [255, 255, 255, 0, 0, 0])
    np.testing.assert_array_equal(of_mask(tmp_path, mask), DISC)


def test_stated_labels_of_a_palette_are_its_indices(tmp_path: Path) -> None:
    indices = np.select([X < 30, X < 60], [0, 1], 2)
    mask = palette(tmp_path / "m.png", indices, [0, 0, 0, 128, 0, 0, 0, 128, 0])
    np.testing.assert_array_equal(of_mask(tmp_path, mask, [2]), X >= 60)


@pytest.mark.parametrize("number", [90, 255])
def test_blurred_edges_of_a_jpeg_end_at_half_of_its_range(tmp_path: Path, number: int) -> None:
    mask = save(tmp_path / "m.jpg", DISC * number, quality=60)
    assert (of_mask(tmp_path, mask) != DISC).sum() < 10


def test_a_jpeg_that_marks_all_of_a_frame_marks_all(tmp_path: Path) -> None:
    noisy = np.random.default_rng(0).integers(230, 256, (96, 96))
    assert of_mask(tmp_path, save(tmp_path / "m.jpg", noisy, quality=60)).all()


def test_what_a_video_keeps_of_a_finding_that_has_left_marks_nothing() -> None:
    residue = stored(DISC.astype(np.uint8), lossy=True)._replace(residue=True)
    assert not marked(residue).any() and marked(residue._replace(values=residue.values * 255)).any()


def test_labels_of_a_jpeg_cannot_be_chosen(tmp_path: Path) -> None:
    mask = save(tmp_path / "m.jpg", DISC * 200)
    with pytest.raises(ImageError, match=r"m\.jpg: is compressed with loss"):
        of_mask(tmp_path, mask, [200])


@pytest.mark.parametrize("factor", [2, 3, 8])
def test_smoothed_edges_of_a_lossless_mask_end_at_half_of_its_range(tmp_path: Path, factor: int) -> None:
    fine_y, fine_x = (np.mgrid[: 96 * factor, : 96 * factor] + 0.5) / factor - 0.5
    fine = (fine_x - 48) ** 2 + (fine_y - 48) ** 2 < 15**2
    share = fine.reshape(96, factor, 96, factor).mean(axis=(1, 3))
    mask = save(tmp_path / "m.png", np.rint(share * 255))
    np.testing.assert_array_equal(of_mask(tmp_path, mask), share >= 0.5)


def test_a_blurred_mask_ends_at_half_of_its_range(tmp_path: Path) -> None:
    mask = save(tmp_path / "m.png", cv2.GaussianBlur(DISC.astype(np.float32) * 255, (0, 0), 2))
    assert (of_mask(tmp_path, mask) != DISC).sum() < 30


def test_probabilities_mark_from_one_half() -> None:
    probability = np.linspace(0, 0.9, 100, dtype=np.float32).reshape(10, 10)
    np.testing.assert_array_equal(marked(stored(probability)), probability > 0.5)


def test_labels_divided_by_255_stay_labels() -> None:
    labels = np.select([X < 20, X < 60], [0, 1], 4).astype(np.float32) / 255
    np.testing.assert_array_equal(marked(stored(labels)), X >= 20)


def test_what_has_no_value_marks_nothing() -> None:
    frame = StoredFrame(np.array([[[np.nan], [1.0]]]), 0, 1)
    assert marked(frame).tolist() == [[False, True]]


@pytest.mark.parametrize("size", [(48, 48), (192, 192), (97, 97)])
def test_a_mask_of_another_size_is_scaled(size: tuple[int, int]) -> None:
    small = cv2.resize(DISC.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST_EXACT).astype(bool)
    assert (fitted(small, (96, 96)) != DISC).sum() < 60


def test_a_scaled_mask_takes_the_nearest_pixel() -> None:
    mask = np.array([[True, False], [False, True]])
    np.testing.assert_array_equal(fitted(mask, (4, 4)), np.kron(mask, np.ones((2, 2))) > 0)


def test_that_a_mask_was_scaled_is_known(tmp_path: Path) -> None:
    image = save(tmp_path / "a.png", np.zeros((192, 192)))
    assert marks(entry(image, MaskFile(save(tmp_path / "m.png", DISC))))[0].scaled


@pytest.mark.parametrize("shape", [(96, 100), (60, 96), (100, 96), (200, 96)])
def test_a_mask_of_another_shape_is_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(ImageError, match=f"is {shape[1]} x {shape[0]}, the frame 96 x 96"):
        fitted(np.ones(shape, bool), (96, 96))


def test_masks_and_boxes_are_united(tmp_path: Path) -> None:
    image = save(tmp_path / "a.png", np.zeros((96, 96)))
    left, right = save(tmp_path / "l.png", X < 10), save(tmp_path / "r.png", X > 80)
    (found,) = marks(entry(image, MaskFile(left), MaskFile(right), boxes=[Box(40, 20, 50, 30)]))
    box = (X >= 40) & (X < 50) & (Y >= 20) & (Y < 30)
    np.testing.assert_array_equal(found.mask, (X < 10) | (X > 80) | box)


def test_a_box_is_cut_at_the_edge_of_the_frame(tmp_path: Path) -> None:
    (found,) = marks(entry(save(tmp_path / "a.png", np.zeros((96, 96))), boxes=[Box(-5, 90, 10, 120)]))
    np.testing.assert_array_equal(found.mask, (X < 10) & (Y >= 90))


@pytest.mark.parametrize("box", [Box(96, 0, 110, 10), Box(10, 10, 10, 20), Box(-9, -9, 0, 5)])
def test_a_box_without_pixels_is_refused(tmp_path: Path, box: Box) -> None:
    with pytest.raises(ImageError, match="empty or lies outside"):
        marks(entry(save(tmp_path / "a.png", np.zeros((96, 96))), boxes=[box]))


VOLUME = np.random.default_rng(0).integers(0, 3, (7, 6, 5)).astype(np.int16)  # (X, Y, Z)


def volume(path: Path, voxels: NDArray, codes: str = "LPS") -> Path:
    """Save voxels that are given in LPS, stored along other axes."""
    own = nib.orientations.axcodes2ornt("LPS")
    turned = nib.Nifti1Image(voxels, np.diag([-1.0, -1, 1, 1])).as_reoriented(
        nib.orientations.ornt_transform(own, nib.orientations.axcodes2ornt(codes))
    )
    nib.save(turned, path)
    return path


@pytest.mark.parametrize("codes", ["LPS", "RAS", "LPI", "RAI", "PLS", "ARI"])
def test_each_slice_has_the_slice_of_a_volume_in_any_orientation(tmp_path: Path, codes: str) -> None:
    image, mask = volume(tmp_path / "a.nii.gz", VOLUME), volume(tmp_path / "m.nii.gz", VOLUME, codes)
    expected = nib.load(image).get_fdata(dtype=np.float64) != 0
    found = np.stack([mark.mask for mark in marks(entry(image, MaskFile(mask)))])
    np.testing.assert_array_equal(found, expected.transpose(2, 1, 0))  # LPS is upright: rows run to posterior, columns to left


def test_a_volume_along_another_axis_is_refused(tmp_path: Path) -> None:
    image, mask = volume(tmp_path / "a.nii", VOLUME[:5, :5, :5]), volume(tmp_path / "m.nii", VOLUME[:5, :5, :5], "LSP")
    with pytest.raises(ImageError, match=r"m\.nii: is stored as LSP, the image as LPS"):
        marks(entry(image, MaskFile(mask)))


def stack(path: Path, frames: NDArray) -> Path:
    np.save(path, frames)
    return path


FRAMES = np.stack([DISC & (k * 20 > X) for k in range(1, 6)]).astype(np.uint8)  # (5, H, W)


def test_each_frame_has_the_frame_of_its_mask(tmp_path: Path) -> None:
    image, mask = stack(tmp_path / "a.npy", FRAMES), stack(tmp_path / "m.npy", FRAMES * 3)
    np.testing.assert_array_equal(np.stack([mark.mask for mark in marks(entry(image, MaskFile(mask)))]), FRAMES > 0)


@pytest.mark.parametrize("count", [1, 4])
def test_another_number_of_frames_is_refused(tmp_path: Path, count: int) -> None:
    image, mask = stack(tmp_path / "a.npy", FRAMES), stack(tmp_path / "m.npy", FRAMES[:count])
    with pytest.raises(ImageError, match=rf"m\.npy: has {count} frames?, the image 5"):
        marks(entry(image, MaskFile(mask)))


def test_one_frame_of_an_image_has_its_frame_of_a_mask(tmp_path: Path) -> None:
    image, mask = stack(tmp_path / "a.npy", FRAMES), stack(tmp_path / "m.npy", FRAMES)
    np.testing.assert_array_equal(marks(entry(image, MaskFile(mask), frame=2))[0].mask, FRAMES[2] > 0)


def test_one_frame_of_an_image_has_the_frame_that_is_named(tmp_path: Path) -> None:
    image, mask = stack(tmp_path / "a.npy", FRAMES), stack(tmp_path / "m.npy", FRAMES[::-1].copy())
    np.testing.assert_array_equal(marks(entry(image, MaskFile(mask, 4), frame=0))[0].mask, FRAMES[0] > 0)


@pytest.mark.parametrize("codes", ["LPS", "RAI"])
def test_one_slice_of_an_image_has_its_slice_of_a_mask_in_any_orientation(tmp_path: Path, codes: str) -> None:
    image, mask = volume(tmp_path / "a.nii.gz", VOLUME), volume(tmp_path / "m.nii.gz", VOLUME, codes)
    (found,) = marks(entry(image, MaskFile(mask), frame=1))
    np.testing.assert_array_equal(found.mask, marks(entry(image, MaskFile(mask)))[1].mask)


def test_one_frame_of_an_image_has_a_mask_of_one_frame(tmp_path: Path) -> None:
    image, mask = stack(tmp_path / "a.npy", FRAMES), save(tmp_path / "m.png", DISC)
    np.testing.assert_array_equal(marks(entry(image, MaskFile(mask), frame=3))[0].mask, DISC)


def test_one_frame_of_a_mask_for_many_of_an_image_is_refused(tmp_path: Path) -> None:
    image, mask = stack(tmp_path / "a.npy", FRAMES), stack(tmp_path / "m.npy", FRAMES)
    with pytest.raises(ImageError, match="is one frame, 1, for 5 frames"):
        marks(entry(image, MaskFile(mask, 1)))


def test_a_frame_beyond_the_last_of_a_mask_is_refused(tmp_path: Path) -> None:
    image, mask = save(tmp_path / "a.png", DISC), stack(tmp_path / "m.npy", FRAMES)
    with pytest.raises(ImageError, match=r"m\.npy: has no frame 9; it has 5"):
        marks(entry(image, MaskFile(mask, 9)))


SEGMENTS = ((("one", None), X < 10), (("two", 1), Y < 10), (("two", 1), Y > 90), (("two", 0), X > 90))


@pytest.fixture
def segmentation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that stands for a DICOM segmentation of two segments, and refers to the files "one" and "two"."""
    path = save(tmp_path / "seg.png", DISC)

    def open_segmentation(_: object) -> FileFrames:
        frames = (stored(mask.astype(np.uint8)) for _, mask in SEGMENTS)
        return FileFrames(len(SEGMENTS), frames, refers_to=[target for target, _ in SEGMENTS])

    from medgen.data.readers import pictures

    real = pictures.open_frames
    monkeypatch.setattr(pictures, "open_frames", lambda file: (open_segmentation if "seg" in file.name else real)(file))
    truth._segments.cache_clear()
    return path


def segmented(path: Path, instance: str, frames: int) -> list[Marks]:
    image = FileFrames(frames, iter(()), instance=instance)
    with open_truth(entry(path, MaskFile(path)), image) as marks_of:
        return [marks_of(k, (96, 96)) for k in range(frames)]


def test_segments_of_a_frame_are_united(segmentation: Path) -> None:
    np.testing.assert_array_equal(segmented(segmentation, "two", 2)[1].mask, (Y < 10) | (Y > 90))


def test_a_segment_without_a_frame_number_is_that_of_the_file(segmentation: Path) -> None:
    np.testing.assert_array_equal(segmented(segmentation, "one", 1)[0].mask, X < 10)


def test_a_segmentation_of_other_files_marks_nothing_and_says_so(segmentation: Path) -> None:
    (found,) = segmented(segmentation, "three", 1)
    assert found.unrelated and not found.mask.any()


def test_a_segmentation_of_an_image_without_a_name_is_refused(segmentation: Path) -> None:
    with pytest.raises(ImageError, match=r"seg\.png: refers to DICOM files by their UID"):
        segmented(segmentation, "", 1)
