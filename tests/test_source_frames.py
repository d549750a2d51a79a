"""Files of a source, frame by frame: which are meant, what they are called, and what is counted of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pydicom
import pytest
from writers import DRAW, dicom, save

from medgen.data.prepared import PrepareSettings
from medgen.data.preparing.crop_file import crop_file
from medgen.data.preparing.source_frames import read_frames
from medgen.data.preparing.tally import level_sentences, mask_sentences, tally
from medgen.data.source_file import MaskFile, SourceFile
from medgen.errors import ImageError

STACK = DRAW.integers(0, 256, (4, 30, 40), dtype=np.uint8)
MARKS = np.zeros_like(STACK)
MARKS[2, 5:15, 10:20] = 1
SETTINGS = PrepareSettings(size=30, channels=1)


@pytest.fixture
def stack(tmp_path: Path) -> SourceFile:
    np.save(tmp_path / "a.npy", STACK)
    np.save(tmp_path / "m.npy", MARKS)
    masks = (MaskFile(tmp_path / "m.npy"),)
    return SourceFile(tmp_path / "a.npy", "a.npy", "abnormal", "tumour", "", "", masks, annotated=True)


def test_frames_of_a_file_are_numbered(stack: SourceFile) -> None:
    assert [frame.name for frame in read_frames(stack, SETTINGS)] == ["a.npy#0", "a.npy#1", "a.npy#2", "a.npy#3"]


def test_one_frame_of_a_file_is_read_alone(stack: SourceFile) -> None:
    (frame,) = read_frames(replace(stack, file="a.npy#2", frame=2), SETTINGS)
    np.testing.assert_array_equal(frame.picture.at(1)[..., 0], STACK[2])


def test_one_frame_of_a_file_keeps_its_name(stack: SourceFile) -> None:
    (frame,) = read_frames(replace(stack, file="a.npy#2", frame=2), SETTINGS)
    assert frame.name == "a.npy#2"


def test_a_frame_beyond_the_last_is_refused(stack: SourceFile) -> None:
    with pytest.raises(ImageError, match="has no frame 9"):
        list(read_frames(replace(stack, masks=(), frame=9), SETTINGS))


def test_a_mask_may_say_the_label_of_each_frame(stack: SourceFile) -> None:
    frames = read_frames(replace(stack, label="", label_by_mask=True), SETTINGS)
    assert [(frame.label, frame.finding) for frame in frames] == [("normal", "normal")] * 2 + [("abnormal", "tumour")] + [
        ("normal", "normal")
    ]


def test_the_crop_of_a_frame_has_its_own_marks(stack: SourceFile) -> None:
    assert [int(frame.mask.sum()) for frame in crop_file(stack, SETTINGS, b"key")] == [0, 0, 100, 0]


def test_stated_labels_reach_the_crop(stack: SourceFile) -> None:
    settings = SETTINGS.model_copy(update={"mask_values": (2.0,)})
    assert not any(frame.mask.any() for frame in crop_file(stack, settings, b"key"))


def segmentation(path: Path, marks: list[tuple[str, int, int, np.ndarray]]) -> Path:
    """Write a binary DICOM segmentation; each mark is SOP Instance UID, frame number from 1, segment and (H, W)."""
    planes = np.stack([plane for *_, plane in marks]).astype(np.uint8)
    ds = dicom(planes, "MONOCHROME2", frames=len(marks))
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.66.4"
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = "1.2.3.9"
    ds.SegmentationType, ds.BitsAllocated, ds.BitsStored, ds.HighBit = "BINARY", 1, 1, 0
    ds.PixelData = np.packbits(planes.ravel(), bitorder="little").tobytes()
    ds.SegmentSequence = [pydicom.Dataset() for _ in {segment for _, _, segment, _ in marks}]
    groups = []
    for instance, number, segment, _ in marks:
        source, derivation, identity, group = (pydicom.Dataset() for _ in range(4))
        source.ReferencedSOPInstanceUID, source.ReferencedFrameNumber = instance, number
        derivation.SourceImageSequence, identity.ReferencedSegmentNumber = [source], segment
        group.DerivationImageSequence, group.SegmentIdentificationSequence = [derivation], [identity]
        groups.append(group)
    ds.PerFrameFunctionalGroupsSequence = groups
    ds.save_as(path, enforce_file_format=True)
    return path


def segmented(folder: Path, **settings: object) -> np.ndarray:
    """Marks of three frames of a DICOM file, of which two segments mark the last, and one the first."""
    images = dicom(DRAW.integers(0, 256, (3, 16, 24), dtype=np.uint8), "MONOCHROME2", frames=3)
    images.save_as(folder / "a.dcm", enforce_file_format=True)
    y, x = np.mgrid[:16, :24]
    marks = [("1.2.3.4", 3, 1, x < 5), ("1.2.3.4", 3, 2, y > 9), ("1.2.3.4", 1, 2, x > 20), ("1.2.3.5", 2, 1, x > 0)]
    mask = MaskFile(segmentation(folder / "seg.dcm", marks))
    entry = SourceFile(folder / "a.dcm", "a.dcm", "abnormal", "", "", "", (mask,), annotated=True)
    return np.stack([frame.marks.mask for frame in read_frames(entry, PrepareSettings.parse(settings))])


def test_a_dicom_segmentation_marks_the_frames_that_it_refers_to(tmp_path: Path) -> None:
    y, x = np.mgrid[:16, :24]
    np.testing.assert_array_equal(segmented(tmp_path), [x > 20, np.zeros((16, 24), bool), (x < 5) | (y > 9)])


def test_one_segment_of_a_dicom_segmentation_can_be_chosen(tmp_path: Path) -> None:
    x = np.mgrid[:16, :24][1]
    np.testing.assert_array_equal(segmented(tmp_path, mask_values=[1])[2], x < 5)


def counted(**columns: object) -> pd.DataFrame:
    usual = {
        "path": "a.png",
        "label": "abnormal",
        "annotated": 1,
        "marked": 9,
        "mostly": 0,
        "scaled": 0,
        "unrelated": 0,
        "levels": 0,
    }
    usual |= {"kept": 9, "kept_valid": 9, "rules": "dark", "blanked": 0.0}
    return pd.DataFrame([{**usual, **columns}, {**usual, "path": "b.png"}])


def test_what_fits_needs_no_sentence() -> None:
    assert tally(counted()) == []


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ({"marked": 0}, "1 of 2 annotated frames have an empty mask, a.png"),
        ({"label": "normal"}, "1 normal frame has a mask that marks a finding, a.png"),
        ({"scaled": 1}, "1 mask is of another size than its frame and was scaled to it, a.png"),
        ({"unrelated": 1}, "1 frame has a segmentation that refers to none of them, and counts as empty: a.png"),
        (
            {"mostly": 1},
            "1 mask marks more than three quarters of its frame, a.png: what is not 0 is a finding there; see whether black "
            "and white have changed places",
        ),
        ({"kept": 0, "kept_valid": 0}, "1 of 2 findings are outside of the crop or too small for it, a.png"),
    ],
)
def test_what_does_not_fit_is_counted_and_named(columns: dict[str, object], sentence: str) -> None:
    assert tally(counted(**columns)) == [sentence]


def test_an_empty_mask_of_a_normal_frame_is_no_contradiction() -> None:
    assert list(mask_sentences(counted(label="normal", marked=0))) == []


def test_the_best_slice_of_a_volume_decides_on_its_contrast() -> None:
    assert list(level_sentences(counted(path="b.png#3", levels=9).assign(levels=[9, 200], path=["v#0", "v#1"]))) == []


def test_a_volume_with_no_better_slice_is_named() -> None:
    (sentence,) = level_sentences(counted().assign(levels=[9, 0], path=["v.nii#0", "v.nii#1"]))
    assert "v.nii (9)" in sentence


def test_an_image_of_another_shape_than_its_mask_is_named(tmp_path: Path) -> None:
    save(tmp_path / "a.png", STACK[0])
    save(tmp_path / "m.png", MARKS[2][:, :30])
    entry = SourceFile(tmp_path / "a.png", "a.png", "abnormal", "", "", "", (MaskFile(tmp_path / "m.png"),), annotated=True)
    with pytest.raises(ImageError, match=r"its mask m\.png: is 30 x 30, the frame 40 x 30"):
        list(crop_file(entry, SETTINGS, b"key"))
