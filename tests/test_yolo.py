"""Boxes of YOLO: which text belongs to which image, and which pixels it marks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from trees import listed_by, read_by, text, tree
from writers import save

from medgen.data.prepared import PrepareSettings
from medgen.data.preparing.left_over import left_over
from medgen.data.preparing.source_frames import read_frames
from medgen.data.source_file import BoxShares
from medgen.data.sources import list_source


def marked(folder: Path, rows: str) -> list[tuple[int, int, int, int]]:
    """Top, bottom, left and right (exclusive) of what is marked in a frame of 80 rows and 100 columns."""
    (folder / "images").mkdir()
    save(folder / "images/a.png", np.zeros((80, 100), np.uint8))
    (entry,) = list_source(text(folder, "labels/a.txt", rows)).entries
    (frame,) = read_frames(entry, PrepareSettings())
    y, x = np.nonzero(frame.marks.mask)
    return [(y.min(), y.max() + 1, x.min(), x.max() + 1)] if len(y) else []


@pytest.mark.parametrize(
    ("rows", "edges"),
    [
        ("0 0.5 0.5 0.2 0.1\n", [(36, 44, 40, 60)]),
        ("0 0.055 0.9375 0.11 0.125", [(70, 80, 0, 11)]),
        ("0 0.333333 0.5 0.1 0.5\r\n", [(20, 60, 28, 38)]),  # 28.3 to 38.3
        ("0 0.5 0.5 0.0001 0.0001\n", [(40, 41, 50, 51)]),
        ("1 0.1 0.25 0.4 0.25 0.4 0.5\n", [(20, 40, 10, 40)]),  # an outline of three corners
        ("0 0.1 0.1 0.3 0.1 0.3 0.2 0.1 0.2", [(8, 16, 10, 30)]),
        ("0 0.1 0.1 0.1 0.1\n\n2 0.9 0.9 0.1 0.1\n", [(4, 76, 5, 95)]),
    ],
)
def test_shares_of_the_sides_become_pixels(tmp_path: Path, rows: str, edges: list[tuple[int, int, int, int]]) -> None:
    assert marked(tmp_path, rows) == edges


def test_an_image_with_a_box_and_no_label_is_abnormal(tmp_path: Path) -> None:
    text(tree(tmp_path, "images/a.jpg", "images/b.jpg"), "labels/a.txt", "0 0.5 0.5 0.5 0.5")
    marked_one, other = read_by("class_folders", tmp_path).values()
    assert (marked_one.boxes, marked_one.label) == ((BoxShares(0.25, 0.25, 0.75, 0.75),), "abnormal")
    assert (other.boxes, other.label, other.annotated) == ((), "", False)


@pytest.mark.parametrize(
    ("image", "label"),
    [
        ("{}/images/a.jpg", "{}/labels/a.txt"),
        ("images/{}/a.jpg", "labels/{}/a.txt"),
        ("Images/{}/a.jpg", "Labels/{}/a.txt"),
        ("{}/a.jpg", "{}/a.txt"),
        ("{}/a.jpg", "{}/labels/a.txt"),
        ("frames/{}/a_jpg.rf.0a1.jpg", "frames/{}/a_jpg.rf.0a1.txt"),
    ],
)
def test_a_text_belongs_to_the_image_in_the_folder_like_its_own(tmp_path: Path, image: str, label: str) -> None:
    for part, x in (("one", 0.25), ("two", 0.75)):
        text(tree(tmp_path, image.format(part)), label.format(part), f"0 {x} 0.5 0.5 1\n")
    assert [entry.boxes for entry in list_source(tmp_path).entries] == [(BoxShares(0, 0, 0.5, 1),), (BoxShares(0.5, 0, 1, 1),)]


def test_an_empty_text_beside_others_says_that_there_is_nothing(tmp_path: Path) -> None:
    text(tree(tmp_path, "images/a.jpg", "images/b.jpg"), "labels/a.txt", "0 0.5 0.5 0.5 0.5")
    text(tmp_path, "labels/b.txt", "")
    entry = read_by("class_folders", tmp_path)["images/b.jpg"]
    assert (entry.boxes, entry.annotated) == ((), True)


@pytest.mark.parametrize("content", ["", "polyp\n", "0 12 20 40 50", "0 0.5 0.5 0.1", "0 0.5 0.5 0.2 0.2 0.9", "0 0.5 0.5 0 0.1"])
def test_a_text_of_something_else_holds_no_boxes(tmp_path: Path, content: str) -> None:
    (entry,) = read_by("class_folders", text(tree(tmp_path, "images/a.jpg"), "labels/a.txt", content)).values()
    assert not entry.annotated


def test_texts_that_were_read_are_not_left_over(tmp_path: Path) -> None:
    text(tree(tmp_path, "images/a.jpg"), "labels/a.txt", "0 0.5 0.5 0.5 0.5")
    text(tmp_path, "classes.txt", "polyp")
    assert left_over(tmp_path, list_source(tmp_path))["file"].tolist() == ["classes.txt"]


def test_texts_without_an_image_are_counted(tmp_path: Path) -> None:
    for name in ("a", "b"):
        text(tree(tmp_path, "images/a.jpg"), f"labels/{name}.txt", "0 0.5 0.5 0.5 0.5")
    assert listed_by("class_folders", tmp_path).notes == [
        "boxes of 1 of 2 names belong to no image, or to several of one name, and are left out"
    ]
