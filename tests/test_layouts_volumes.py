"""Volumes with their masks as they unpack: the Medical Segmentation Decathlon, nnU-Net, BraTS."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from trees import listed_by, masks_of, read_by, refusal, text, tree


def test_volumes_of_the_decathlon_are_labelled_by_their_masks(tmp_path: Path) -> None:
    tree(tmp_path, "Task03_Liver/imagesTr/liver_0.nii.gz", "Task03_Liver/labelsTr/liver_0.nii.gz")
    tree(tmp_path, "Task03_Liver/imagesTs/liver_132.nii.gz", "Task03_Liver/imagesTr/._liver_0.nii.gz")
    labels = {"0": "background", "1": "liver", "2": "cancer"}
    text(tmp_path, "Task03_Liver/dataset.json", json.dumps({"labels": labels, "modality": {"0": "CT"}}))
    listing = listed_by("nnunet", tmp_path)
    entries = {entry.file: entry for entry in listing.entries}
    marked, bare = entries["Task03_Liver/imagesTr/liver_0.nii.gz"], entries["Task03_Liver/imagesTs/liver_132.nii.gz"]
    assert len(entries) == 2 and masks_of(marked, tmp_path) == ["Task03_Liver/labelsTr/liver_0.nii.gz"]
    assert (marked.label, marked.label_by_mask, marked.annotated) == ("", True, True)
    assert (bare.label, bare.label_by_mask, bare.annotated) == ("", False, False)
    assert "the masks hold 1 liver, 2 cancer" in listing.notes[0]
    assert (marked.finding, bare.finding) == ("marked", "")


def test_the_first_channel_of_nnunet_is_read_and_the_others_counted(tmp_path: Path) -> None:
    root = tmp_path / "Dataset001_BrainTumour"
    tree(root, "imagesTr/BRATS_001_0000.nii.gz", "imagesTr/BRATS_001_0001.nii.gz", "labelsTr/BRATS_001.nii.gz")
    tree(root, "imagesTs/BRATS_485_0000.nii.gz", "imagesTs/BRATS_485_0001.nii.gz", "labelsTs/BRATS_485.nii.gz")
    text(root, "dataset.json", json.dumps({"labels": {"background": 0, "tumour": 1}, "file_ending": ".nii.gz"}))
    listing = listed_by("nnunet", root)
    assert {entry.file: masks_of(entry, root) for entry in listing.entries} == {
        "imagesTr/BRATS_001_0000.nii.gz": ["labelsTr/BRATS_001.nii.gz"],
        "imagesTs/BRATS_485_0000.nii.gz": ["labelsTs/BRATS_485.nii.gz"],
    }
    assert {entry.finding for entry in listing.entries} == {"tumour"}
    assert listing.notes == [
        "'Dataset001_BrainTumour': channel 0000 of each volume is read; 2 files of other channels are left out"
    ]


def test_a_volume_of_the_decathlon_whose_name_ends_in_four_digits_is_whole(tmp_path: Path) -> None:
    tree(tmp_path, "imagesTr/la_0007.nii.gz", "labelsTr/la_0007.nii.gz")
    assert masks_of(read_by("nnunet", tmp_path)["imagesTr/la_0007.nii.gz"], tmp_path) == ["labelsTr/la_0007.nii.gz"]


def test_masks_without_a_volume_are_counted(tmp_path: Path) -> None:
    tree(tmp_path, "imagesTr/a.nii.gz", "labelsTr/a.nii.gz", "labelsTr/b.nii.gz")
    assert any("1 masks have no volume of their name" in note for note in listed_by("nnunet", tmp_path).notes)


@pytest.mark.parametrize(
    ("case", "sequences", "read"),
    [
        ("BraTS2021_00000", ("_t1", "_t1ce", "_t2", "_flair"), "_flair"),
        ("BraTS20_Training_001", ("_t1", "_t1ce", "_t2", "_flair"), "_flair"),
        ("BraTS-GLI-00000-000", ("-t1n", "-t1c", "-t2w", "-t2f"), "-t2f"),
    ],
)
@pytest.mark.parametrize("above", ["", "MICCAI_BraTS2020_TrainingData/", "MICCAI_BraTS_2018_Data_Training/HGG/"])
def test_flair_of_a_brats_case_is_labelled_by_its_segmentation(
    tmp_path: Path, above: str, case: str, sequences: tuple[str, ...], read: str
) -> None:
    tree(tmp_path, *(f"{above}{case}/{case}{end}.nii.gz" for end in (*sequences, f"{read[0]}seg")))
    listing = listed_by("brats", tmp_path)
    (entry,) = listing.entries
    assert entry.file == f"{above}{case}/{case}{read}.nii.gz" and entry.label_by_mask and entry.finding == "tumour"
    assert masks_of(entry, tmp_path) == [f"{above}{case}/{case}{read[0]}seg.nii.gz"]
    assert "3 volumes of other sequences are left out" in listing.notes[0]


def test_a_brats_case_without_a_segmentation_has_no_label(tmp_path: Path) -> None:
    tree(tmp_path, *(f"BraTS20_Validation_001/BraTS20_Validation_001_{name}.nii" for name in ("flair", "t1", "t1ce", "t2")))
    (entry,) = read_by("brats", tmp_path).values()
    assert (entry.label, entry.label_by_mask, entry.annotated) == ("", False, False)


def test_examinations_of_a_brats_patient_belong_together(tmp_path: Path) -> None:
    for case in ("BraTS-GLI-00008-000", "BraTS-GLI-00008-001", "BraTS-GLI-00009-000"):
        tree(tmp_path, f"{case}/{case}-t2f.nii.gz", f"{case}/{case}-t1n.nii.gz", f"{case}/{case}-seg.nii.gz")
    related = [entry.related for entry in read_by("brats", tmp_path).values()]
    assert related == [("folder:BraTS-GLI-00008",), ("folder:BraTS-GLI-00008",), ("folder:BraTS-GLI-00009",)]


def test_a_folder_of_labels_alone_is_refused(tmp_path: Path) -> None:
    assert "none of them an image" in refusal(tree(tmp_path, "imagesTr/notes.txt", "labelsTr/a.nii.gz"))
