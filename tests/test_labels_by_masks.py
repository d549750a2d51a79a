"""Frames whose folders say nothing of them, and whose masks do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from trees import listed_by, tree
from writers import DRAW, save

from medgen import api
from medgen.data.prepared import PrepareSettings
from medgen.data.sources import list_source

FRAMES = [f"{k}.png" for k in range(8)]


def pictures(root: Path, images: str = "images", masks: str = "masks") -> Path:
    """Eight frames, each with a mask; the first three masks mark something."""
    for k, name in enumerate(FRAMES):
        mask = np.zeros((40, 50), np.uint8)
        mask[10:20, 10:30] = 255 * (k < 3)
        for folder, pixels in ((images, DRAW.integers(20, 200, (40, 50, 3), dtype=np.uint8)), (masks, mask)):
            (root / folder).mkdir(parents=True, exist_ok=True)
            save(root / folder / name, pixels)
    return root


@pytest.mark.parametrize(("images", "masks"), [("images", "masks"), ("Data/img", "Data/ground_truth"), ("fundus", "masks")])
def test_a_filled_mask_makes_a_frame_abnormal_and_an_empty_one_normal(tmp_path: Path, images: str, masks: str) -> None:
    data = api.prepare(pictures(tmp_path / "s", images, masks), tmp_path / "d", PrepareSettings(size=32))
    labels = dict(zip(data.index["path"].str.rpartition("/")[2], data.index["label"], strict=True))
    assert [labels[name] for name in FRAMES] == ["abnormal"] * 3 + ["normal"] * 5


def test_masks_beside_their_frames_in_one_folder_say_the_same(tmp_path: Path) -> None:
    entries = listed_by("plain_folder", tree(tmp_path, "a.png", "a_mask.png", "b.png")).entries
    assert [(entry.file, entry.label_by_mask) for entry in entries] == [("a.png", True), ("b.png", False)]


def test_it_is_said_that_masks_give_the_labels(tmp_path: Path) -> None:
    (note,) = listed_by("class_folders", tree(tmp_path, "images/a.jpg", "images/b.jpg", "masks/a.png")).notes
    assert note.startswith("no folder says of 1 of 2 files whether they are normal, so that their masks do")


@pytest.mark.parametrize("image", ["normal/a.jpg", "polyps/a.jpg", "dyed-lifted-polyps/a.jpg"])
def test_a_known_class_says_more_than_a_mask(tmp_path: Path, image: str) -> None:
    (entry,) = list_source(tree(tmp_path, image, "masks/a.png")).entries
    assert entry.masks and not entry.label_by_mask


def test_a_class_of_an_unknown_name_beside_known_ones_is_not_taken_for_normal(tmp_path: Path) -> None:
    entries = list_source(tree(tmp_path, "normal/a.jpg", "artefact/b.jpg", "masks/b.png", "c/images/d.jpg")).entries
    assert not any(entry.label_by_mask for entry in entries)


def test_frames_without_a_class_beside_known_ones_are_labelled_by_their_masks(tmp_path: Path) -> None:
    entries = list_source(tree(tmp_path, "normal/a.jpg", "images/b.jpg", "masks/b.png")).entries
    assert [(entry.file, entry.label_by_mask) for entry in entries] == [("images/b.jpg", True), ("normal/a.jpg", False)]


def test_of_a_given_training_split_abnormal_frames_are_not_learnt_from(tmp_path: Path) -> None:
    source = pictures(pictures(tmp_path / "s", "train/images", "train/masks"), "test/images", "test/masks")
    data = api.prepare(source, tmp_path / "d", PrepareSettings(size=32))
    counts = data.index.assign(given=data.index["path"].str.partition("/")[0]).groupby(["given", "label", "split"]).size()
    assert counts["train", "abnormal"].to_dict() == {"unused": 3} and counts["test", "abnormal"].to_dict() == {"test": 3}
