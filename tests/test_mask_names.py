"""Masks beside images: which folders and files are masks, which image each marks, and what is refused because it may be masks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from trees import listed_by, masks_of, read_by, refusal, tree

from medgen.data.sources import list_source
from medgen.data.tree.mask_names import is_mask_folder

FOLDERS = [
    "mask", "masks", "Masks", "MASK", "ground_truth", "Ground-Truth", "Ground Truth", "groundtruth", "gt", "GT", "label",
    "labels", "labelsTr", "labelsTs", "annotation", "annotations", "segmentation", "segmentations", "Segmentation Masks", "seg",
    "mask_png", "masks_C1", "masks_seq12", "lesion_masks", "binary_masks", "mask_images", "label_images", "1st_manual",
    "ISIC2018_Task1_Training_GroundTruth",
]  # fmt: skip


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_that_is_called_after_masks_is_one_of_masks(tmp_path: Path, name: str) -> None:
    listing = list_source(tree(tmp_path, "frames/a.jpg", "frames/b.jpg", f"{name}/a.png"))
    entries = {entry.file: entry for entry in listing.entries}
    assert list(entries) == ["frames/a.jpg", "frames/b.jpg"]
    assert masks_of(entries["frames/a.jpg"], tmp_path) == [f"{name}/a.png"] and not entries["frames/b.jpg"].annotated


@pytest.mark.parametrize(
    "name", ["images", "segmented-images", "unlabeled-images", "polyps", "normal", "masked", "labelled_images"]
)
def test_other_folders_are_not(name: str) -> None:
    assert not is_mask_folder(name)


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("polyp/a.jpg", "polyp/a_mask.png"),
        ("polyp/benign (1).png", "polyp/benign (1)_mask.png"),
        ("polyp/a.jpg", "polyp/a_segmentation.png"),
        ("polyp/a.nii.gz", "polyp/a_seg.nii.gz"),
        ("polyp/a.nii", "polyp/a-label.nii"),
        ("polyp/a.tif", "polyp/a_lesion.tif"),
        ("polyp/a.jpg", "polyp/a_GT.bmp"),
        ("polyp/a.jpg", "truth/a_mask.png"),
        ("images/a.jpg", "masks/a.tif"),
        ("images/A.JPG", "masks/a_mask.png"),
        ("images/img_1.png", "masks/mask_1.png"),
        ("images/a_image.png", "masks/a_mask.png"),
        ("volumes/volume-0.nii", "segmentations/segmentation-0.nii"),
        ("images/test/a.png", "masks/test/a.png"),
        ("test/images/a.png", "test/masks/a.png"),
        ("Frame/case1/a.jpg", "GT/case1/a.png"),
        ("archive/polyp/a.jpg", "other/masks/a.png"),
    ],
)
def test_a_mask_belongs_to_the_image_of_its_name(tmp_path: Path, image: str, mask: str) -> None:
    (entry,) = list_source(tree(tmp_path, image, mask)).entries
    assert entry.file == image and masks_of(entry, tmp_path) == [mask] and entry.annotated


def test_all_masks_of_an_image_are_its_masks(tmp_path: Path) -> None:
    tree(tmp_path, "benign/benign (4).png", "benign/benign (4)_mask.png", "benign/benign (4)_mask_1.png")
    (entry,) = read_by("class_folders", tmp_path).values()
    assert masks_of(entry, tmp_path) == ["benign/benign (4)_mask.png", "benign/benign (4)_mask_1.png"]


def test_an_image_that_is_only_called_like_a_mask_stays_an_image(tmp_path: Path) -> None:
    assert list(read_by("class_folders", tree(tmp_path, "normal/face_mask.png", "normal/b.png"))) == [
        "normal/b.png",
        "normal/face_mask.png",
    ]


def test_masks_without_an_image_are_named(tmp_path: Path) -> None:
    listing = listed_by("class_folders", tree(tmp_path, "polyp/a.jpg", "masks/a.png", "masks/b.png"))
    assert listing.notes == ["1 of 2 masks have no image of their name and are left out, the first 'masks/b.png'"]


@pytest.mark.parametrize("name", ["outlines", "truth", "annotated", "edges"])
def test_a_folder_beside_images_with_their_names_is_refused_by_its_name(tmp_path: Path, name: str) -> None:
    reason = refusal(tree(tmp_path, "images/a.jpg", "images/b.jpg", f"{name}/a.png"))
    assert f"the folder '{name}' has files of the names of those in 'images'" in reason and "call it masks" in reason


@pytest.mark.parametrize("other", ["polyps", "train", "patient7", "images_C2"])
def test_a_folder_beside_images_whose_name_is_known_is_read(tmp_path: Path, other: str) -> None:
    assert len(list_source(tree(tmp_path, "images/1.jpg", f"{other}/1.jpg")).entries) == 2


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def noise(side: int = 16) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (side, side), dtype=np.uint8)


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_black_and_white_namesakes_of_frames_are_refused_wherever_they_lie(tmp_path: Path, suffix: str) -> None:
    square = np.zeros((64, 64), np.uint8)
    square[16:48, 16:48] = 255
    for k in range(3):
        save(tmp_path / f"polyps/{k}.png", noise(64))
        save(tmp_path / f"contours/{k}.{suffix}", square)
    assert "the folder 'contours'" in refusal(tmp_path)


def test_namesakes_of_frames_that_are_pictures_are_read(tmp_path: Path) -> None:
    for name in ("polyps", "diverticula"):
        save(tmp_path / name / "1.png", noise())
    assert [entry.finding for entry in list_source(tmp_path).entries] == ["diverticula", "polyps"]


def test_black_and_white_frames_of_classes_are_read(tmp_path: Path) -> None:
    for name in ("square", "disc"):
        save(tmp_path / name / "1.png", (noise() > 127).astype(np.uint8) * 255)
    assert len(list_source(tmp_path).entries) == 2
