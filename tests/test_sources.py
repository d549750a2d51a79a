"""What folders and manifests mean, and the one line that helps where they mean nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from trees import refusal, tree

from medgen.data.source_file import MaskFile, SourceFile
from medgen.data.sources import check_splits, read_source
from medgen.data.tree.class_names import FINDINGS
from medgen.errors import DataError
from medgen.outputs.folder import Mark


def facts(entries: list[SourceFile]) -> list[tuple[str, str, str, str]]:
    return [(entry.file, entry.finding, entry.label, entry.split) for entry in entries]


# a folder for each class


def test_the_innermost_folder_is_the_finding(tmp_path: Path) -> None:
    tree(tmp_path, "lower-gi-tract/anatomical-landmarks/cecum/a.jpg", "lower-gi-tract/pathological-findings/polyps/b.jpg")
    first, second = read_source(tmp_path)
    assert (first.finding, first.label, second.finding, second.label) == ("cecum", "normal", "polyps", "abnormal")
    assert first.path == tmp_path / first.file and first.file == "lower-gi-tract/anatomical-landmarks/cecum/a.jpg"


@pytest.mark.parametrize(
    "name", ["normal-cecum", "normal_z_line", "Normal Pylorus", "BBPS-2-3", "retroflex-stomach", "good", "ileum"]
)
def test_landmarks_and_clean_mucosa_are_normal(tmp_path: Path, name: str) -> None:
    assert read_source(tree(tmp_path, f"{name}/a.jpg"))[0].label == "normal"


@pytest.mark.parametrize(
    "name", ["polyps", "Polyp", "esophagitis-b-d", "ulcerative_colitis_grade_2-3", "hemorrhoids", "barretts", "defect"]
)
def test_pathology_is_abnormal(tmp_path: Path, name: str) -> None:
    assert read_source(tree(tmp_path, f"{name}/a.jpg"))[0].label == "abnormal"


@pytest.mark.parametrize("name", ["dyed-lifted-polyps", "dyed-resection-margins", "impacted-stool", "bbps-0-1", "diverticulum"])
def test_all_else_is_unknown_and_keeps_its_name(tmp_path: Path, name: str) -> None:
    (entry,) = read_source(tree(tmp_path, f"{name}/a.jpg"))
    assert (entry.finding, entry.label) == (name, "")


def test_every_class_folder_of_kvasir_and_hyperkvasir_is_known() -> None:
    kvasir = (
        "dyed-lifted-polyps dyed-resection-margins esophagitis normal-cecum normal-pylorus normal-z-line polyps "
        "ulcerative-colitis"
    )
    hyper = (
        "barretts barretts-short-segment bbps-0-1 bbps-2-3 cecum dyed-lifted-polyps dyed-resection-margins esophagitis-a "
        "esophagitis-b-d hemorrhoids ileum impacted-stool polyps pylorus retroflex-rectum retroflex-stomach "
        "ulcerative-colitis-grade-0-1 ulcerative-colitis-grade-1 ulcerative-colitis-grade-1-2 ulcerative-colitis-grade-2 "
        "ulcerative-colitis-grade-2-3 ulcerative-colitis-grade-3 z-line"
    )
    assert len(hyper.split()) == 23
    assert {*kvasir.split(), *hyper.split()} <= FINDINGS.keys()


def test_split_folders_give_the_split_in_either_order(tmp_path: Path) -> None:
    tree(tmp_path, "train/normal/a.png", "Validation/normal/b.png", "test/polyps/c.png", "polyps/test/d.png", "train/e.png")
    assert facts(read_source(tmp_path)) == [
        ("Validation/normal/b.png", "normal", "normal", "val"),
        ("polyps/test/d.png", "polyps", "abnormal", "test"),
        ("test/polyps/c.png", "polyps", "abnormal", "test"),
        ("train/e.png", "", "", "train"),
        ("train/normal/a.png", "normal", "normal", "train"),
    ]


def test_mvtec_layout(tmp_path: Path) -> None:
    tree(tmp_path, "train/good/000.png", "test/good/000.png", "test/broken_large/000.png", "test/dyed-lifted-polyps/1.png")
    tree(tmp_path, "ground_truth/broken_large/000_mask.png")
    broken, dyed, good, train = read_source(tmp_path)
    assert (broken.finding, broken.label, broken.split) == ("broken_large", "abnormal", "test")
    assert broken.masks == (MaskFile(tmp_path / "ground_truth/broken_large/000_mask.png"),)
    assert (good.label, good.split, good.masks, train.label, train.split, train.masks) == (
        "normal",
        "test",
        (),
        "normal",
        "train",
        (),
    )
    assert dyed.label == ""


def test_an_unknown_class_in_test_is_not_abnormal_outside_mvtec(tmp_path: Path) -> None:
    tree(tmp_path, "train/normal/a.png", "test/diverticulum/b.png")
    assert read_source(tmp_path)[0].label == ""


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("polyps/a.jpg", "masks/a.png"),
        ("polyps/a.jpg", "masks/polyps/a.png"),
        ("polyps/a.jpg", "polyps/masks/a-mask.png"),
        ("segmented-images/images/a.jpg", "segmented-images/masks/a.jpg"),
        ("test/polyps/a.jpg", "Masks/test/polyps/a_mask.png"),
        ("test/polyps/a.jpg", "test/mask/a.png"),
        ("polyps/a.nii.gz", "ground_truth/polyps/a.nii.gz"),
        ("images/a.jpg", "masks/a.jpg"),
    ],
)
def test_masks_are_found_by_the_name_of_the_image(tmp_path: Path, image: str, mask: str) -> None:
    (entry,) = read_source(tree(tmp_path, image, mask))
    assert entry.file == image and entry.masks == (MaskFile(tmp_path / mask),)


def test_a_folder_called_images_names_no_finding(tmp_path: Path) -> None:
    tree(tmp_path, "images/a.jpg", "polyps/images/b.jpg")
    assert [entry.finding for entry in read_source(tmp_path)] == ["", "polyps"]


def test_of_images_with_one_name_the_normal_one_gets_no_mask(tmp_path: Path) -> None:
    normal, polyp = read_source(tree(tmp_path, "normal/1.jpg", "polyps/1.jpg", "masks/1.png"))
    assert normal.masks == () and polyp.masks == (MaskFile(tmp_path / "masks/1.png"),)


def test_a_mask_that_fits_two_findings_is_an_error(tmp_path: Path) -> None:
    reason = refusal(tree(tmp_path, "polyps/1.jpg", "barretts/1.jpg", "masks/1.png"))
    assert "fits both 'barretts/1.jpg' and 'polyps/1.jpg'" in reason and "folder for each class" in reason


def test_masks_of_which_none_fits_are_an_error(tmp_path: Path) -> None:
    assert "holds 1 masks, but none has the name of an image" in refusal(tree(tmp_path, "polyps/1.jpg", "masks/x1.png"))


# a plain folder, a single file


def test_a_plain_folder_has_no_findings_and_no_labels(tmp_path: Path) -> None:
    assert facts(read_source(tree(tmp_path, "b.png", "a.JPG"))) == [("a.JPG", "", "", ""), ("b.png", "", "", "")]


def test_assume_labels_only_what_has_no_label(tmp_path: Path) -> None:
    tree(tmp_path, "a.png", "polyps/b.png", "diverticulum/c.png")
    assert [entry.label for entry in read_source(tmp_path, "normal")] == ["normal", "normal", "abnormal"]


def test_assuming_another_label_names_the_known_ones(tmp_path: Path) -> None:
    assert "did you mean 'normal'?" in refusal(tree(tmp_path, "a.png"), "norml")


def test_a_single_file_is_one_entry(tmp_path: Path) -> None:
    (entry,) = read_source(tree(tmp_path, "a.dcm") / "a.dcm")
    assert entry == SourceFile(tmp_path / "a.dcm", "a.dcm", "", "", "", "")


def test_hidden_files_and_files_that_are_no_images_are_left_out(tmp_path: Path) -> None:
    tree(
        tmp_path,
        "a.png",
        "Thumbs.db",
        ".DS_Store",
        "notes.txt",
        "x.csv",
        "y.json",
        "._a.png",
        ".git/b.png",
        "__MACOSX/c.png",
        "@eaDir/a.png/SYNOPHOTO_THUMB_XL.jpg",
        "#recycle/d.png",
        "$RECYCLE.BIN/e.png",
        "README",
    )
    assert [entry.file for entry in read_source(tmp_path)] == ["a.png"]


def test_what_medgen_wrote_among_the_frames_is_left_out_unless_it_was_drawn(tmp_path: Path) -> None:
    tree(tmp_path, "normal/a.png", "data/frames.npy", "data/prepare.toml", "run/panels/1.png", "run/run.toml")
    tree(tmp_path, "begun/frames.npy", "scores/pictures/a.png", "ranked/scores/maps.npy", "steps/a.png", "drawn/b.png")
    verbs = {"begun": "prepare", "scores": "score", "ranked": "report --input", "steps": "inspect", "drawn": "sample"}
    for folder, verb in verbs.items():
        Mark(verb, finished=folder != "begun").write(tmp_path / folder)
    assert [entry.file for entry in read_source(tmp_path)] == ["drawn/b.png", "normal/a.png"]
    assert [entry.file for entry in read_source(tmp_path / "run")] == ["panels/1.png"]  # which somebody names


def test_dicom_without_suffix_is_found(tmp_path: Path) -> None:
    (tmp_path / "IM0001").write_bytes(b"\0" * 128 + b"DICM")
    (tmp_path / "DICOMDIR").write_bytes(b"\0" * 128 + b"DICM")
    assert [entry.file for entry in read_source(tmp_path)] == ["IM0001"]


def test_links_to_folders_are_followed_once(tmp_path: Path) -> None:
    tree(tmp_path, "real/a.png", "source/polyps/b.png")
    (tmp_path / "source" / "normal").symlink_to(tmp_path / "real", target_is_directory=True)
    (tmp_path / "source" / "polyps" / "back").symlink_to(tmp_path / "source", target_is_directory=True)
    assert [entry.file for entry in read_source(tmp_path / "source")] == ["normal/a.png", "polyps/b.png"]


# nothing to read


def test_a_wrong_path_names_the_nearest_one(tmp_path: Path) -> None:
    tree(tmp_path, "hyperkvasir/polyps/a.jpg")
    assert f"did you mean '{tmp_path / 'hyperkvasir'}'?" in refusal(tmp_path / "hyperkvasri")
    assert f"did you mean '{tmp_path / 'hyperkvasir'}'?" in refusal(tmp_path / "hyper-kvasir" / "polyps")


def test_an_empty_folder_says_what_is_expected(tmp_path: Path) -> None:
    assert "is empty; expected images, a folder of images for each class, or a manifest.csv" in refusal(tmp_path)


def test_a_folder_of_texts_says_what_it_holds(tmp_path: Path) -> None:
    reason = refusal(tree(tmp_path, *(f"{k}.txt" for k in range(12))))
    assert "holds 12 files, none of them an image; expected ." in reason and ".bmp, " in reason


def test_a_text_as_source_says_what_is_expected(tmp_path: Path) -> None:
    assert "is not an image; expected a folder, a .csv, or one of ." in refusal(tree(tmp_path, "a.txt") / "a.txt")


def test_a_prepared_data_set_is_not_a_source(tmp_path: Path) -> None:
    assert "is a prepared data set" in refusal(tree(tmp_path, "prepare.toml", "frames.npy"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_a_folder_without_permission_is_an_error(tmp_path: Path) -> None:
    tree(tmp_path, "a.png", "polyps/b.png")
    (tmp_path / "polyps").chmod(0)
    try:
        assert "cannot read the folder" in refusal(tmp_path)
    finally:
        (tmp_path / "polyps").chmod(0o700)


# splits


def entry(file: str, label: str = "normal", split: str = "", group: str = "") -> SourceFile:
    return SourceFile(Path(file), file, label, "", split, group)


def test_a_divided_group_is_named_with_both_splits_and_files() -> None:
    entries = [entry("a", split="train", group="p1"), entry("b", group="p1"), entry("c", "abnormal", "test", "p1")]
    with pytest.raises(DataError, match="group 'p1' is divided: 'a' is in train, 'c' in test"):
        check_splits(entries)


def test_training_and_validation_rows_have_to_be_normal() -> None:
    entries = [entry("a", split="train"), entry("b", "", "val"), entry("c", "abnormal", "train")]
    with pytest.raises(DataError, match=r"2 training or validation images .* first 'b' \(val, no label\)"):
        check_splits(entries)


def test_good_splits_pass() -> None:
    check_splits(
        [entry("a", split="train", group="p1"), entry("b", "abnormal", "test", "p2"), entry("c", ""), entry("d", "abnormal")]
    )


def test_the_real_manifest_is_read_and_its_splits_are_good(real_data: Path) -> None:
    entries = read_source(real_data / "hyperkvasir")
    check_splits(entries)
    assert len(entries) == 975 and sum(entry.annotated for entry in entries) == 491
    assert sum(entry.label == "abnormal" for entry in entries) == 491 and len({entry.group for entry in entries}) == 868


def test_the_address_of_a_data_set_is_no_folder_of_raw_frames(tmp_path: Path) -> None:
    tree(tmp_path, "a/b.jpg")
    assert "have no 'folder:' before their path" in refusal(Path(f"folder:{tmp_path}"))
