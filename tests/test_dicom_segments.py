"""DICOM segmentations: what they mark and where, in files that are made here element by element and in one of another program."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from writers import DRAW, dicom, rejected, sequence

from medgen.data.images import count_frames, opened
from medgen.data.preparing.truth import marked

FIRST, SECOND = "1.2.826.1", "1.2.826.2"
MARKS = DRAW.integers(0, 2, (3, 5, 7), dtype=np.uint8)  # 35 pixels a frame: frames begin within a byte


def write_segmentation(
    path: Path,
    pixels: NDArray[np.uint8],
    references: list[tuple[str, int | None]],
    segments: list[int],
    kind: str = "BINARY",
    **tags: Any,
) -> Path:
    """One item of each list for each frame; frame numbers from 1, as files count."""
    ds = dicom(pixels, "MONOCHROME2", frames=len(pixels), **tags)
    name = "LabelMapSegmentationStorage" if kind == "LABELMAP" else "SegmentationStorage"
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = getattr(pydicom.uid, name, "1.2.840.10008.5.1.4.1.1.66.7")
    ds.SegmentationType = kind
    if kind == "BINARY":
        bits = np.packbits(pixels.ravel(), bitorder="little").tobytes()
        ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelData = 1, 1, 0, bits + b"\0" * (len(bits) % 2)
    ds.SegmentSequence = pydicom.Sequence([sequence(SegmentNumber=number)[0] for number in sorted(set(segments))])
    groups = []
    for (instance, number), segment in zip(references, segments, strict=True):
        group = sequence(SegmentIdentificationSequence=sequence(ReferencedSegmentNumber=segment))[0]
        if instance:
            source = sequence(ReferencedSOPInstanceUID=instance)
            if number is not None:
                source[0].ReferencedFrameNumber = number
            group.DerivationImageSequence = sequence(SourceImageSequence=source)
        groups.append(group)
    ds.PerFrameFunctionalGroupsSequence = pydicom.Sequence(groups)
    ds.save_as(path, enforce_file_format=True)
    return path


def marks_of(path: Path, values: frozenset[float] = frozenset()) -> list[NDArray[np.bool_]]:
    with opened(path) as file:
        return [marked(frame, values) for frame in file.frames]


def test_binary_frames_mark_where_their_bits_are_set(tmp_path: Path) -> None:
    path = write_segmentation(tmp_path / "a.dcm", MARKS, [(FIRST, None)] * 3, [1, 2, 3])
    np.testing.assert_array_equal(marks_of(path), MARKS.astype(bool))


def test_frames_name_the_file_and_the_frame_that_they_mark_from_0(tmp_path: Path) -> None:
    path = write_segmentation(tmp_path / "a.dcm", MARKS, [(FIRST, 1), (FIRST, 12), (SECOND, None)], [1, 1, 2])
    with opened(path) as file:
        assert file.refers_to == [(FIRST, 0), (FIRST, 11), (SECOND, None)]


def test_there_may_be_more_frames_than_the_picture_has(tmp_path: Path) -> None:
    path = write_segmentation(tmp_path / "a.dcm", MARKS, [(FIRST, None)] * 3, [1, 2, 3])
    assert count_frames(path) == 3


def test_a_segment_is_chosen_by_its_number(tmp_path: Path) -> None:
    path = write_segmentation(tmp_path / "a.dcm", MARKS, [(FIRST, None)] * 3, [1, 2, 3])
    one, two, three = marks_of(path, frozenset({2.0}))
    np.testing.assert_array_equal(two, MARKS[1].astype(bool))
    assert not one.any() and not three.any()


def test_a_fraction_marks_from_one_half_upwards(tmp_path: Path) -> None:
    pixels = np.array([[[0, 1, 49, 50, 100]]], dtype=np.uint8)
    path = write_segmentation(tmp_path / "a.dcm", pixels, [(FIRST, None)], [1], "FRACTIONAL", MaximumFractionalValue=100)
    np.testing.assert_array_equal(marks_of(path)[0], [[False, False, False, True, True]])


def test_a_map_of_labels_has_the_number_of_a_segment_in_each_pixel(tmp_path: Path) -> None:
    pixels = np.array([[[0, 1, 2, 9]]], dtype=np.uint8)
    path = write_segmentation(tmp_path / "a.dcm", pixels, [(FIRST, None)], [1], "LABELMAP", PixelPaddingValue=9)
    with opened(path) as file:
        np.testing.assert_array_equal(next(file.frames).values[0, :, 0], [0, 1, 2, 0])


def test_the_only_file_that_is_referred_to_is_meant_where_frames_do_not_say(tmp_path: Path) -> None:
    series = sequence(ReferencedInstanceSequence=sequence(ReferencedSOPInstanceUID=FIRST))
    tags = {"ReferencedSeriesSequence": series}
    path = write_segmentation(tmp_path / "a.dcm", MARKS[:2], [("", None)] * 2, [1, 2], **tags)
    with opened(path) as file:
        assert file.refers_to == [(FIRST, None)] * 2


def test_frames_that_do_not_say_what_they_mark_refer_to_nothing(tmp_path: Path) -> None:
    path = write_segmentation(tmp_path / "a.dcm", MARKS, [("", None)] * 3, [1, 1, 1])
    with opened(path) as file:
        assert file.refers_to == [("", None)] * 3


def test_a_segmentation_is_no_picture(tmp_path: Path) -> None:
    path = write_segmentation(tmp_path / "a.dcm", MARKS, [(FIRST, None)] * 3, [1, 2, 3])
    assert "segmentation" in rejected(path)


def test_a_picture_refers_to_nothing(tmp_path: Path) -> None:
    dicom(MARKS[0], "MONOCHROME2").save_as(tmp_path / "a.dcm", enforce_file_format=True)
    with opened(tmp_path / "a.dcm") as file:
        assert file.refers_to is None and file.instance == "1.2.3.4"


@pytest.mark.parametrize("name", ["liver_1frame.dcm", "liver_expb_1frame.dcm"])
def test_a_segmentation_of_another_program_marks_what_pydicom_unpacks(name: str) -> None:
    path = Path(pydicom.__file__).parent / "data" / "test_files" / name
    theirs = pydicom.dcmread(path).pixel_array
    assert theirs.any()
    np.testing.assert_array_equal(marks_of(path)[0], theirs.astype(bool))
