"""Frames that are asked for one by one: which are there, and how often their file is run through."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from medgen.data.pixel_format import FileFrames, StoredFrame, stored
from medgen.data.prepared import PrepareSettings
from medgen.data.preparing.read_ahead import one_frame
from medgen.data.preparing.source_frames import read_frames
from medgen.data.source_file import SourceFile
from medgen.errors import ImageError

STACK = np.arange(6, dtype=np.uint8)[:, None, None] * np.ones((1, 8, 9), np.uint8)


class Stack:
    """Frames of a file, and how many were decoded."""

    def __init__(self, folder: Path, damaged: int = 99) -> None:
        self.path, self.damaged, self.decoded = folder / "a.npy", damaged, 0
        np.save(self.path, STACK)

    def frames(self) -> Iterator[StoredFrame]:
        for number, frame in enumerate(STACK):
            self.decoded += 1
            if number == self.damaged:
                raise ImageError("truncated")
            yield stored(frame)._replace(number=number)

    def value(self, number: int, kind: str = "picture") -> int:
        return int(one_frame(self.path, number, FileFrames(len(STACK), self.frames()), kind=kind).values[0, 0, 0])


def test_frames_that_are_asked_for_in_order_are_decoded_once(tmp_path: Path) -> None:
    stack = Stack(tmp_path)
    assert [stack.value(number) for number in range(6)] == [0, 1, 2, 3, 4, 5]
    assert stack.decoded == 1 + 6  # the first alone; with the second, all behind it


def test_of_a_file_that_is_asked_for_once_nothing_more_is_decoded(tmp_path: Path) -> None:
    stack = Stack(tmp_path)
    assert stack.value(2) == 2 and stack.decoded == 3


def test_an_image_and_its_mask_in_turn_are_decoded_once_each(tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    stack, mask = Stack(tmp_path), Stack(tmp_path / "masks")
    assert [(stack.value(number), mask.value(number, "mask")) for number in range(6)] == [(k, k) for k in range(6)]
    assert stack.decoded == mask.decoded == 1 + 6


def test_frames_may_be_asked_for_in_any_order(tmp_path: Path) -> None:
    assert [Stack(tmp_path).value(number) for number in (4, 1, 5, 0, 0, 3)] == [4, 1, 5, 0, 0, 3]


def test_only_the_damaged_frame_of_a_file_is_refused(tmp_path: Path) -> None:
    stack = Stack(tmp_path, damaged=3)
    assert [stack.value(number) for number in range(3)] == [0, 1, 2]
    with pytest.raises(ImageError, match="truncated"):
        stack.value(3)


def test_a_file_that_has_changed_is_read_again(tmp_path: Path) -> None:
    entry = SourceFile(tmp_path / "a.npy", "a.npy#1", "", "", "", "", frame=1)
    found = []
    for stack in (STACK, STACK + 100, np.concatenate([STACK, STACK]) + 50):
        np.save(entry.path, stack)
        found += [frame.picture.at(1).max() for frame in read_frames(entry, PrepareSettings(size=16, channels=1, axes="NHW"))]
    assert found == [1, 101, 51]
