"""Which layout understands a source, and in which order they are asked."""

from __future__ import annotations

from pathlib import Path

import pytest
from trees import facts, read_by, text, tree

from medgen.data.sources import all_layouts, layout_of

GENERAL = ["manifest", "mvtec", "plain_folder", "class_folders", "single_file"]


def test_layouts_are_asked_in_a_stated_order() -> None:
    assert [name for name in all_layouts() if name in GENERAL] == GENERAL


def test_no_layout_is_asked_behind_the_one_that_takes_any_folder(tmp_path: Path) -> None:
    takers = [name for name, layout in all_layouts().items() if layout.recognises(tmp_path)]
    assert takers[-1] == "class_folders"


def test_no_two_layouts_have_the_same_order() -> None:
    orders = [layout.ORDER for layout in all_layouts().values()]
    assert len(orders) == len(set(orders))


def test_no_two_layouts_are_called_alike() -> None:
    meanings = [layout.MEANING for layout in all_layouts().values()]
    assert all(meanings) and len(meanings) == len(set(meanings))


@pytest.mark.parametrize(
    ("files", "name"),
    [
        (("a.png",), "plain_folder"),
        (("a.png", ".hidden/b.png"), "plain_folder"),
        (("a.png", "masks/a.png"), "class_folders"),
        (("normal/a.png", "polyps/b.png"), "class_folders"),
        (("train/normal/a.png", "test/polyps/b.png"), "class_folders"),
        (("train/good/a.png", "test/scratch/b.png"), "mvtec"),
    ],
)
def test_a_folder_is_understood_by_what_lies_in_it(tmp_path: Path, files: tuple[str, ...], name: str) -> None:
    assert layout_of(tree(tmp_path, *files)) is all_layouts()[name]


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("kvasir_seg", ("Kvasir-SEG/images/a.jpg", "Kvasir-SEG/masks/a.jpg")),
        ("cvc_clinicdb", ("CVC-ClinicDB/PNG/Original/1.png", "CVC-ClinicDB/PNG/Ground Truth/1.png")),
        ("polypgen", ("data_C1/images_C1/a.jpg", "data_C1/masks_C1/a_mask.jpg")),
        ("sun", ("SUN-SEG/TrainDataset/Frame/case1_1/a.jpg", "SUN-SEG/TrainDataset/GT/case1_1/a.png")),
        ("hyperkvasir", ("segmented-images/images/a.jpg", "segmented-images/masks/a.jpg")),
        ("mvtec", ("bottle/train/good/a.png", "bottle/test/broken/b.png")),
        ("bmad", ("Chest/train/good/a.png", "Chest/test/Ungood/b.png")),
        ("isic", ("ISIC2018_Task1_Training_Input/a.jpg", "ISIC2018_Task1_Training_GroundTruth/a_segmentation.png")),
        ("rsna", ("images/a.png",)),
    ],
)
def test_what_lies_beside_a_data_set_keeps_the_class_of_its_folder(tmp_path: Path, name: str, files: tuple[str, ...]) -> None:
    tree(tmp_path, *files, "normal/n.png", "lone.png")
    if name == "rsna":
        text(tmp_path, "labels.csv", "patientId,Target\na,1\n")
    beside = read_by(name, tmp_path)
    assert facts(beside["normal/n.png"]) == ("normal", "normal", "") and beside["lone.png"].label == ""


@pytest.mark.parametrize("file", ["a.png", "polyps/a.png", "train/good/a.png"])
def test_a_manifest_goes_before_whatever_the_folders_say(tmp_path: Path, file: str) -> None:
    tree(tmp_path, file, "test/scratch/b.png")
    (tmp_path / "manifest.csv").write_text(f"file,finding\n{file},of the table\n")
    assert [entry.finding for entry in read_by("manifest", tmp_path).values()] == ["of the table"]


def test_one_file_is_read_by_itself(tmp_path: Path) -> None:
    assert list(read_by("single_file", tree(tmp_path, "a.png", "b.png") / "a.png")) == ["a.png"]


def test_a_file_is_a_table_or_an_image(tmp_path: Path) -> None:
    tree(tmp_path, "fold.CSV", "a.png")
    assert layout_of(tmp_path / "fold.CSV") is all_layouts()["manifest"]
    assert layout_of(tmp_path / "a.png") is all_layouts()["single_file"]


@pytest.mark.parametrize("name", list(all_layouts()))
def test_a_layout_that_is_asked_of_anything_raises_nothing(tmp_path: Path, name: str) -> None:
    sources = [tree(tmp_path, "notes.txt"), tmp_path / "notes.txt"]
    assert all(all_layouts()[name].recognises(source) in (True, False) for source in sources)
