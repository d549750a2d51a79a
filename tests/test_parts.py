"""Part files: bounded however many frames a file has, in the order of the source, and nothing of a damaged file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from medgen.data.prepared import PrepareSettings
from medgen.data.preparing.alike.duplicates import dhash, thumbnail
from medgen.data.preparing.assembling import parts as module
from medgen.data.preparing.assembling.parts import PartWriter, discard_unfinished, part_file, part_files, read_contents
from medgen.data.preparing.crop_file import Cropped
from medgen.data.preparing.parallel import Stopped
from medgen.errors import ImageError

SETTINGS = PrepareSettings(size=16)


@pytest.fixture(autouse=True)
def _three_frames_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 3 * 16 * 16 * 5)


def cropped(path: str, seed: int, seconds: float | None = None, sharpness: float = 1.0) -> Cropped:
    pixels = np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    row = {"path": path, "seconds": seconds, "sharpness": sharpness}
    return Cropped(row, pixels, np.full((16, 16), seed % 2 == 0), np.full((16, 16), seed % 3 == 0))


def frames(file: str, count: int, damaged: bool = False, video: bool = False) -> Iterator[Cropped]:
    for k in range(count):
        yield cropped(f"{file}#{k}", 100 * ord(file) + k, float(k) if video else None, 0.01 if video and k in (1, 4) else 1.0)
    if damaged:
        raise ImageError("is cut off")


def paths(folder: Path) -> list[list[str]]:
    return [
        read_contents([file]).table["path"].tolist() if len(read_contents([file]).hashes) else [] for file in part_files(folder)
    ]


def test_files_hold_no_more_frames_than_allowed_in_the_order_of_the_source(tmp_path: Path) -> None:
    for number, lengths in enumerate([{"a": 1, "b": 7, "c": 1}, {"d": 2}]):
        part = PartWriter(tmp_path, number, SETTINGS)
        for file, length in lengths.items():
            part.add(file, frames(file, length))
        part.close()
    assert paths(tmp_path) == [["a#0"], ["b#0", "b#1", "b#2"], ["b#3", "b#4", "b#5"], ["b#6", "c#0"], ["d#0", "d#1"]]


def test_frames_of_one_finding_share_its_name_in_memory(tmp_path: Path) -> None:
    for number, file in enumerate("ab"):  # each part is read by itself
        part = PartWriter(tmp_path, number, SETTINGS)
        frame = cropped(file, number)
        part.add(file, [frame._replace(row={**frame.row, "finding": "polyp", "related": ["folder:p1"]})])
        part.close()
    table = read_contents(part_files(tmp_path)).table
    assert {len({id(value) for value in table[name]}) for name in ("finding", "related")} == {1}


def test_a_file_that_is_damaged_late_leaves_nothing_but_its_reason(tmp_path: Path) -> None:
    part = PartWriter(tmp_path, 0, SETTINGS)
    part.add("a", frames("a", 2))
    part.add("b", frames("b", 8, damaged=True))
    part.add("c", frames("c", 4))
    part.close()
    assert paths(tmp_path) == [["a#0", "a#1"], ["c#0", "c#1", "c#2"], ["c#3"]]
    assert read_contents(part_files(tmp_path)).left_out == [("b", "is cut off", "rejected")]


def test_blurred_frames_of_a_long_video_are_taken_out_of_files_that_were_written(tmp_path: Path) -> None:
    part = PartWriter(tmp_path, 0, SETTINGS)
    part.add("v", frames("v", 8, video=True))
    part.close()
    contents = read_contents(part_files(tmp_path))
    assert contents.table["path"].tolist() == [f"v#{k}" for k in (0, 2, 3, 5, 6, 7)]
    assert [(left.file, left.kind) for left in contents.left_out] == [("v#1", "blurred"), ("v#4", "blurred")]


def test_of_a_video_that_is_cut_off_the_frames_before_stay(tmp_path: Path) -> None:
    part = PartWriter(tmp_path, 0, SETTINGS.model_copy(update={"video_blur": 0.0}))
    part.add("v", frames("v", 5, damaged=True, video=True))
    part.close()
    contents = read_contents(part_files(tmp_path))
    assert len(contents.table) == 5
    assert contents.left_out == [("v", "is cut off; what could be read is kept (5 frames)", "rejected")]


def test_each_frame_has_its_own_crop_hash_and_thumbnail(tmp_path: Path) -> None:
    part = PartWriter(tmp_path, 0, SETTINGS)
    part.add("v", frames("v", 8, video=True))
    part.close()
    whole = {frame.row["path"]: frame for frame in frames("v", 8, video=True)}
    for file in part_files(tmp_path):
        contents = read_contents([file])
        with np.load(file) as stored:
            for place, path in enumerate(contents.table["path"]):
                frame = whole[path]
                np.testing.assert_array_equal(stored["pixels"][place], frame.pixels)
                assert stored["valid"][place].all() == frame.valid.all() and stored["mask"][place].all() == frame.mask.all()
                assert contents.hashes[place] == dhash(frame.pixels)
                np.testing.assert_array_equal(contents.thumbnails[place], thumbnail(frame.pixels))


def test_what_an_interrupted_part_left_is_deleted_and_whole_parts_stay(tmp_path: Path) -> None:
    for number, file in enumerate("ab"):
        part = PartWriter(tmp_path, number, SETTINGS)
        part.add(file, frames(file, 4))
        if number == 0:
            part.close()
    discard_unfinished(tmp_path)
    assert paths(tmp_path) == [["a#0", "a#1", "a#2"], ["a#3"]] and not part_file(tmp_path, 1).exists()


def test_no_frames_are_no_index(tmp_path: Path) -> None:
    part = PartWriter(tmp_path, 0, SETTINGS)
    part.add("a", frames("a", 0, damaged=True))
    part.close()
    contents = read_contents(part_files(tmp_path))
    assert contents.table.empty and len(contents.hashes) == 0 and len(contents.left_out) == 1


def test_a_worker_that_was_stopped_reads_no_further_frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped() -> None:
        raise Stopped

    monkeypatch.setattr(module, "go_on", stopped)
    left = frames("a", 8)
    with pytest.raises(Stopped):
        PartWriter(tmp_path, 0, SETTINGS).add("a", left)
    assert [frame.row["path"] for frame in left] == [f"a#{k}" for k in range(1, 8)] and not part_files(tmp_path)
