"""Benchmarks of anomaly detection as they unpack: MVTec AD and LOCO, BMAD, MedIAnomaly, MedMNIST."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sources import medmnist
from trees import facts, listed_by, masks_of, read_by, refusal, text, tree

from medgen.data.images import count_frames, read_image

# MVTec AD and LOCO


def test_mvtec_ad_may_be_one_category_or_all(tmp_path: Path) -> None:
    tree(tmp_path, "bottle/train/good/000.png", "bottle/test/broken_large/000.png", "bottle/test/good/000.png")
    tree(tmp_path, "bottle/ground_truth/broken_large/000_mask.png", "cable/train/good/000.png", "cable/test/bent_wire/000.png")
    tree(tmp_path, "cable/ground_truth/bent_wire/000_mask.png", "license.txt")
    all_of_them, bottle = read_by("mvtec", tmp_path), read_by("mvtec", tmp_path / "bottle")
    assert len(all_of_them) == 5 and facts(all_of_them["cable/test/bent_wire/000.png"]) == ("bent_wire", "abnormal", "test")
    assert masks_of(all_of_them["cable/test/bent_wire/000.png"], tmp_path) == ["cable/ground_truth/bent_wire/000_mask.png"]
    assert masks_of(bottle["test/broken_large/000.png"], tmp_path) == ["bottle/ground_truth/broken_large/000_mask.png"]
    assert facts(bottle["train/good/000.png"]) == ("good", "normal", "train") and not bottle["test/good/000.png"].masks


def test_an_image_of_loco_has_all_masks_in_the_folder_of_its_name(tmp_path: Path) -> None:
    tree(tmp_path, "train/good/000.png", "validation/good/000.png", "test/good/000.png", "defects_config.json")
    for kind in ("logical_anomalies", "structural_anomalies"):
        tree(tmp_path, f"test/{kind}/000.png", f"test/{kind}/001.png", f"ground_truth/{kind}/000/000.png")
        tree(tmp_path, f"ground_truth/{kind}/001/000.png", f"ground_truth/{kind}/001/001.png")
    entries = read_by("mvtec", tmp_path)
    assert len(entries) == 7 and facts(entries["validation/good/000.png"]) == ("good", "normal", "val")
    logical = entries["test/logical_anomalies/001.png"]
    assert facts(logical) == ("logical_anomalies", "abnormal", "test")
    assert masks_of(logical, tmp_path) == [f"ground_truth/logical_anomalies/001/00{k}.png" for k in (0, 1)]
    assert masks_of(entries["test/structural_anomalies/000.png"], tmp_path) == ["ground_truth/structural_anomalies/000/000.png"]


def test_a_picture_beside_train_and_test_of_mvtec_has_no_finding(tmp_path: Path) -> None:
    entries = read_by("mvtec", tree(tmp_path, "train/good/000.png", "test/scratch/000.png", "overview.png"))
    assert facts(entries["overview.png"]) == ("", "", "") and facts(entries["test/scratch/000.png"])[0] == "scratch"


# BMAD


def test_a_set_of_bmad_with_masks(tmp_path: Path) -> None:
    tree(tmp_path, "train/good/img/00003_60.png", "train/good/img/00003_61.png", "train/good/img/00005_60.png")
    for part in ("valid", "test"):
        tree(tmp_path, f"{part}/good/img/00025_99.png", f"{part}/Ungood/img/00124_60.png", f"{part}/Ungood/label/00124_60.png")
    entries = read_by("bmad", tmp_path)
    assert {file: facts(entry) for file, entry in entries.items()} == {
        "train/good/img/00003_60.png": ("good", "normal", "train"),
        "train/good/img/00003_61.png": ("good", "normal", "train"),
        "train/good/img/00005_60.png": ("good", "normal", "train"),
        "valid/good/img/00025_99.png": ("good", "normal", "val"),
        "valid/Ungood/img/00124_60.png": ("Ungood", "abnormal", "unused"),
        "test/good/img/00025_99.png": ("good", "normal", "test"),
        "test/Ungood/img/00124_60.png": ("Ungood", "abnormal", "test"),
    }
    assert masks_of(entries["test/Ungood/img/00124_60.png"], tmp_path) == ["test/Ungood/label/00124_60.png"]


def test_slices_of_a_volume_of_bmad_belong_together(tmp_path: Path) -> None:
    tree(tmp_path, *(f"train/good/img/0000{volume}_6{k}.png" for volume in (3, 5) for k in (0, 1)), "test/Ungood/img/9_1.png")
    entries = read_by("bmad", tmp_path)
    assert entries["train/good/img/00003_60.png"].related == ("name:train/good/img/00003",)
    assert entries["train/good/img/00005_61.png"].related == ("name:train/good/img/00005",)


@pytest.mark.parametrize("below", ["", "img/"])
def test_a_set_of_bmad_without_masks(tmp_path: Path, below: str) -> None:
    tree(tmp_path, f"Chest/train/good/{below}1000.png", f"Chest/valid/Ungood/{below}1.png", f"Chest/test/Ungood/{below}2.png")
    tree(tmp_path, f"Chest/test/good/{below}3.png", f"Chest/valid/good/{below}4.png")
    entries = read_by("bmad", tmp_path)
    assert facts(entries[f"Chest/test/Ungood/{below}2.png"]) == ("Ungood", "abnormal", "test")
    assert len(entries) == 5 and not any(entry.annotated for entry in entries.values())


# MedIAnomaly


def test_lists_of_medianomaly_give_labels_and_splits(tmp_path: Path) -> None:
    tree(tmp_path, *(f"RSNA/images/{name}.png" for name in "abcde"), "RSNA/images/@eaDir/a.png")
    lists = {"train": {"0": ["a.png"], "unlabeled": {"0": ["d.png"]}}, "test": {"0": ["b.png"], "1": ["c.png"]}}
    text(tmp_path, "RSNA/data.json", json.dumps(lists))
    listing = listed_by("medianomaly", tmp_path / "RSNA")
    assert {entry.file: facts(entry) for entry in listing.entries} == {
        "images/a.png": ("normal", "normal", "train"),
        "images/b.png": ("normal", "normal", "test"),
        "images/c.png": ("abnormal", "abnormal", "test"),
        "images/d.png": ("unlabeled", "", "unused"),
    }
    assert listing.notes == ["1 images of 'RSNA' stand in no list of its data.json and are left out"]


def test_an_image_that_a_list_names_and_that_is_missing_stays_in_to_be_reported(tmp_path: Path) -> None:
    tree(tmp_path, "images/a.png")
    text(tmp_path, "data.json", json.dumps({"train": {"0": ["a.png", "gone.png"]}, "test": {"0": [], "1": []}}))
    assert "images/gone.png" in read_by("medianomaly", tmp_path)


@pytest.mark.parametrize("content", ['{"version": 3}', "[1]", '"', "{}"])
def test_a_data_json_of_something_else_is_no_list(tmp_path: Path, content: str) -> None:
    assert list(read_by("class_folders", text(tree(tmp_path, "images/a.png"), "data.json", content))) == ["images/a.png"]


def test_a_list_of_a_split_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    text(tree(tmp_path, "images/a.png"), "data.json", json.dumps({"fold 3": {"0": ["a.png"]}}))
    assert "is no list as MedIAnomaly has it" in refusal(tmp_path)


@pytest.mark.parametrize("name", ["/elsewhere/a.png", "../../a.png"])
def test_a_list_that_leads_out_of_its_folder_is_refused(tmp_path: Path, name: str) -> None:
    text(tree(tmp_path, "images/a.png"), "data.json", json.dumps({"train": {"0": [name]}}))
    assert f"'{name}' leads out of the folder of images" in refusal(tmp_path)


def test_brats_of_medianomaly_has_its_masks(tmp_path: Path) -> None:
    tree(tmp_path, "train/a_60.png", "test/normal/b_60.png", "test/tumor/c_60.png", "test/annotation/c_60.png")
    entries = read_by("medianomaly", tmp_path)
    assert {file: facts(entry) for file, entry in entries.items()} == {
        "train/a_60.png": ("normal", "normal", "train"),
        "test/normal/b_60.png": ("normal", "normal", "test"),
        "test/tumor/c_60.png": ("tumor", "abnormal", "test"),
    }
    assert masks_of(entries["test/tumor/c_60.png"], tmp_path) == ["test/annotation/c_60.png"]


def test_camelyon_of_medianomaly_is_laid_out_as_bmad(tmp_path: Path) -> None:
    tree(tmp_path, "train/good/1.png", "test/good/2.png", "test/Ungood/3.png")
    assert facts(read_by("bmad", tmp_path)["test/Ungood/3.png"]) == ("Ungood", "abnormal", "test")


# MedMNIST


def test_frames_of_medmnist_have_label_and_split_and_are_their_own_group(tmp_path: Path) -> None:
    entries = read_by("medmnist", medmnist(tmp_path / "pneumoniamnist_64.npz"))
    first, second, *_, last = entries.values()
    assert len(entries) == 18 and len({entry.group for entry in entries.values()}) == 18
    assert facts(first) == ("0", "normal", "train") and facts(second) == ("1", "abnormal", "unused")
    assert facts(last) == ("1", "abnormal", "test") and (last.file, last.frame) == ("pneumoniamnist_64.npz#17", 17)


def test_the_frame_that_an_entry_of_medmnist_means_is_that_of_its_split(tmp_path: Path) -> None:
    path = medmnist(tmp_path / "breastmnist.npz")
    with np.load(path) as stored:
        assert np.array_equal(read_image(path, 8 + 1).pixels[..., 0], stored["val_images"][1])
        assert np.array_equal(read_image(path, 17).pixels[..., 0], stored["test_images"][-1])


def test_slices_of_a_medmnist_volume_have_its_label_and_group(tmp_path: Path) -> None:
    path = medmnist(tmp_path / "vesselmnist3d.npz", (28, 28, 28))
    entries = list(read_by("medmnist", path).values())
    assert len(entries) == count_frames(path) == 18 * 28
    assert {(entry.label, entry.group) for entry in entries[28:56]} == {("abnormal", "vesselmnist3d train 1")}
    with np.load(path) as stored:
        assert np.array_equal(read_image(path, 28 + 3).pixels[..., 0], stored["train_images"][1, 3])


def test_a_note_beside_archives_of_medmnist_does_not_hide_them(tmp_path: Path) -> None:
    medmnist(tmp_path / "retinamnist.npz", (28, 28, 3))
    (tmp_path / "README.txt").write_text("fetched on Monday")
    assert len(read_by("medmnist", tmp_path)) == 18


def test_a_chestmnist_frame_is_normal_where_no_label_is_set(tmp_path: Path) -> None:
    labels = {
        f"{split}_labels": np.eye(count, 14, k=1, dtype=np.uint8) for split, count in (("train", 8), ("val", 4), ("test", 6))
    }
    labels["test_labels"][5] = 0
    entries = read_by("medmnist", medmnist(tmp_path / "chestmnist.npz", **labels))
    assert facts(entries["chestmnist.npz#17"]) == ("none", "normal", "test")
    assert facts(entries["chestmnist.npz#0"]) == ("1", "abnormal", "unused")


def test_of_a_medmnist_set_without_a_normal_class_nothing_has_a_label(tmp_path: Path) -> None:
    medmnist(tmp_path / "pathmnist.npz", (28, 28, 3))
    listing = listed_by("medmnist", tmp_path)
    assert {entry.label for entry in listing.entries} == {""} and "nothing says which class is normal" in listing.notes[0]
