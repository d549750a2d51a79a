"""Volumes with their masks as they unpack: the Medical Segmentation Decathlon, nnU-Net, BraTS."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from trees import listed_by, masks_of, read_by, refusal, text, tree
from writers import DRAW, nifti

from medgen import api
from medgen.data.prepared import PrepareSettings
from medgen.data.preparing.left_over import left_over
from medgen.data.sources import list_source
from medgen.errors import DataError


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


def test_volumes_of_one_patient_of_nnunet_belong_together(tmp_path: Path) -> None:
    names = [f"patient{patient:03}_frame{frame:02}" for patient in (1, 2) for frame in (1, 12)]
    tree(tmp_path, *(f"imagesTr/{name}_0000.nii.gz" for name in names), *(f"labelsTr/{name}.nii.gz" for name in names))
    related = [entry.related for entry in read_by("nnunet", tmp_path).values()]
    assert related == [(f"name:imagesTr/patient{patient:03}",) for patient in (1, 1, 2, 2)]


def test_masks_without_a_volume_are_counted(tmp_path: Path) -> None:
    tree(tmp_path, "imagesTr/a.nii.gz", "labelsTr/a.nii.gz", "labelsTr/b.nii.gz")
    assert any("1 mask has no volume of its name and is left out" in note for note in listed_by("nnunet", tmp_path).notes)


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
    assert "3 volumes of other sequences are left out; --modality takes another of T1, T1CE, T2" in listing.notes[0]


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


# modalities

SEQUENCES = {"0": "FLAIR", "1": "T1w", "2": "t1gd", "3": "T2w"}


def decathlon(root: Path) -> Path:
    """A set of the Decathlon with four modalities in the fourth dimension: two volumes of six slices."""
    for name in ("BRATS_001", "BRATS_002"):
        for folder, voxels in (
            ("imagesTr", DRAW.integers(0, 1000, (20, 24, 6, 4)).astype(np.int16)),
            ("labelsTr", (DRAW.random((20, 24, 6)) < 0.1).astype(np.uint8)),
        ):
            (root / folder).mkdir(parents=True, exist_ok=True)
            nifti(root / folder / f"{name}.nii.gz", voxels)
    return text(root, "dataset.json", json.dumps({"modality": SEQUENCES, "labels": {"0": "background", "1": "tumour"}}))


@pytest.mark.parametrize(("modality", "number"), [("", 0), ("t1w", 1), ("T2w", 3)])
def test_one_modality_of_the_decathlon_is_read(tmp_path: Path, modality: str, number: int) -> None:
    settings = PrepareSettings(size=24, square="pad", intensity="window:0,1000", overlay="none", channels=1, modality=modality)
    data = api.prepare(decathlon(tmp_path / "Task01_BrainTumour"), tmp_path / "d", settings)
    voxels = np.asarray(nib.load(tmp_path / "Task01_BrainTumour/imagesTr/BRATS_002.nii.gz").dataobj)[..., number]  # type: ignore[attr-defined]
    expected = np.rint(voxels[:, :, 4].T * (255 / 1000)).ravel()  # the affine of `nifti` is upright when it is turned
    row = int(np.flatnonzero(data.index["path"] == "imagesTr/BRATS_002.nii.gz#4")[0])
    frame = np.asarray(data.frames[row][..., 0], np.float64)
    stored = frame[:, 2:22].ravel()  # padded to a square, left and right
    assert len(data.index) == 12 and np.abs(stored - expected).max() <= 1


def test_which_modality_is_read_is_said(tmp_path: Path) -> None:
    assert api.inspect(decathlon(tmp_path / "Task01")).warnings[-1] == (
        "'Task01': FLAIR, channel 0000 of each volume is read; --modality takes another of FLAIR, T1w, t1gd, T2w"
    )


def test_a_channel_of_nnunet_is_found_by_its_name(tmp_path: Path) -> None:
    tree(tmp_path, "imagesTr/a_0000.nii.gz", "imagesTr/a_0001.nii.gz", "labelsTr/a.nii.gz")
    text(tmp_path, "dataset.json", json.dumps({"channel_names": {"0": "T2", "1": "ADC"}, "labels": {"background": 0, "x": 1}}))
    listing = list_source(tmp_path, modality="adc")
    assert [entry.file for entry in listing.entries] == ["imagesTr/a_0001.nii.gz"] and listing.axes == ""
    assert masks_of(listing.entries[0], tmp_path) == ["labelsTr/a.nii.gz"]


@pytest.mark.parametrize(("modality", "end"), [("T1", "t1n"), ("t1ce", "t1c"), ("T2w", "t2w"), ("flair", "t2f")])
def test_another_sequence_of_brats_is_read_when_it_is_asked_for(tmp_path: Path, modality: str, end: str) -> None:
    case = "BraTS-GLI-00000-000"
    tree(tmp_path, *(f"{case}/{case}-{name}.nii.gz" for name in ("t1n", "t1c", "t2w", "t2f", "seg")))
    (entry,) = list_source(tmp_path, modality=modality).entries
    assert entry.file == f"{case}/{case}-{end}.nii.gz" and entry.label_by_mask


def test_a_modality_that_there_is_not_is_refused_with_those_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no modality 'T1ww'; did you mean 'T1w'\? known: FLAIR, T1w, T2w, t1gd"):
        list_source(decathlon(tmp_path), modality="T1ww")


def test_a_layout_without_modalities_says_so(tmp_path: Path) -> None:
    (note,) = list_source(tree(tmp_path, "normal/a.jpg"), modality="T1").notes
    assert "modality 'T1' is not looked for" in note


# what belongs to no case


@pytest.mark.parametrize(
    ("stray", "reason"),
    [
        ("extra.nii.gz", "belongs to no case of BraTS"),
        ("normal/a.nii.gz", "belongs to no case of BraTS"),
        ("BraTS2021_00000/BraTS2021_00000_t1.nii.gz", "another sequence than FLAIR"),
        ("BraTS2021_00001/BraTS2021_00001_t1.nii.gz", "its case has no FLAIR"),
    ],
)
def test_a_volume_that_is_no_case_of_brats_is_named_with_the_reason(tmp_path: Path, stray: str, reason: str) -> None:
    tree(tmp_path, stray, *(f"BraTS2021_00000/BraTS2021_00000_{name}.nii.gz" for name in ("flair", "t2", "seg")))
    rows = left_over(tmp_path, list_source(tmp_path)).set_index("file")
    assert rows.loc[stray, "reason"].startswith(reason) and rows.loc[stray, "kind"] == "ignored"


@pytest.mark.parametrize(
    ("stray", "reason"),
    [
        ("extra.nii.gz", "lies outside of imagesTr, imagesTs and imagesVal"),
        ("normal/a.nii.gz", "lies outside of imagesTr, imagesTs and imagesVal"),
        ("T/imagesTr/a_0001.nii.gz", "another channel than 0000"),
        ("T/labelsTr/b.nii.gz", "a mask without a volume of its name"),
    ],
)
def test_a_volume_that_is_none_of_nnunet_is_named_with_the_reason(tmp_path: Path, stray: str, reason: str) -> None:
    tree(tmp_path, stray, "T/imagesTr/a_0000.nii.gz", "T/labelsTr/a.nii.gz")
    rows = left_over(tmp_path, list_source(tmp_path))
    assert rows[["file", "reason"]].to_numpy().tolist() == [[stray, reason]]


def test_images_beside_cases_are_counted(tmp_path: Path) -> None:
    tree(tmp_path, "extra.nii.gz", *(f"BraTS2021_00000/BraTS2021_00000_{name}.nii.gz" for name in ("flair", "seg")))
    (note,) = listed_by("brats", tmp_path).notes
    assert note == "1 images belong to no case of BraTS and are left out, the first 'extra.nii.gz'"
