"""Data sets of endoscopy as their archives unpack: the Kvasir family, CVC-ClinicDB, PolypGen, SUN and SUN-SEG."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from trees import facts, listed_by, masks_of, read_by, text, tree

from medgen.types import Box

LOWER, UPPER = "labeled-images/lower-gi-tract", "labeled-images/upper-gi-tract"


# HyperKvasir


def hyperkvasir(root: Path) -> Path:
    tree(root, f"{LOWER}/anatomical-landmarks/cecum/n1.jpg", f"{LOWER}/quality-of-mucosal-views/bbps-2-3/n2.jpg")
    tree(root, f"{LOWER}/pathological-findings/polyps/p1.jpg", f"{LOWER}/pathological-findings/polyps/p2.jpg")
    tree(root, f"{UPPER}/pathological-findings/barretts/b1.jpg", f"{LOWER}/therapeutic-interventions/dyed-lifted-polyps/d1.jpg")
    text(root, "labeled-images/image-labels.csv", "Video file,Organ,Finding,Classification\np1,Lower GI,polyps,pathological\n")
    tree(root, "segmented-images/images/p1.jpg", "segmented-images/masks/p1.jpg", "segmented-images/masks/x9.jpg")
    tree(root, "segmented-images/images/x9.jpg")
    box = {"height": 100, "width": 120, "bbox": [{"label": "polyp", "xmin": 10, "ymin": 20, "xmax": 50, "ymax": 60}]}
    return text(root, "segmented-images/bounding-boxes.json", json.dumps({"p1": box, "x9": box}))


def test_a_polyp_of_hyperkvasir_stands_once_with_label_and_mask(tmp_path: Path) -> None:
    entries = read_by("hyperkvasir", hyperkvasir(tmp_path))
    (polyp,) = [entry for file, entry in entries.items() if file.endswith("p1.jpg")]
    assert polyp.file == f"{LOWER}/pathological-findings/polyps/p1.jpg" and facts(polyp) == ("polyps", "abnormal", "")
    assert masks_of(polyp, tmp_path) == ["segmented-images/masks/p1.jpg"] and polyp.annotated


def test_a_segmented_image_that_the_labelled_ones_lack_is_a_polyp(tmp_path: Path) -> None:
    alone = read_by("hyperkvasir", hyperkvasir(tmp_path))["segmented-images/images/x9.jpg"]
    assert facts(alone) == ("polyps", "abnormal", "") and masks_of(alone, tmp_path) == ["segmented-images/masks/x9.jpg"]


def test_a_mask_of_hyperkvasir_says_more_than_its_box(tmp_path: Path) -> None:
    assert all(entry.boxes == () for entry in read_by("hyperkvasir", hyperkvasir(tmp_path)).values())


def test_classes_of_hyperkvasir_have_the_labels_of_its_paper(tmp_path: Path) -> None:
    entries = read_by("hyperkvasir", hyperkvasir(tmp_path)).values()
    assert {entry.finding: entry.label for entry in entries} == {
        "cecum": "normal",
        "bbps-2-3": "normal",
        "polyps": "abnormal",
        "barretts": "abnormal",
        "dyed-lifted-polyps": "",
    }


def test_copies_of_hyperkvasir_are_counted(tmp_path: Path) -> None:
    assert any("1 file is a drawing or copy" in note for note in listed_by("hyperkvasir", hyperkvasir(tmp_path)).notes)


@pytest.mark.parametrize("inside", ["", "segmented-images/", "hyper-kvasir/segmented-images/"])
def test_segmented_images_alone_are_polyps(tmp_path: Path, inside: str) -> None:
    tree(tmp_path, f"{inside}images/p1.jpg", f"{inside}masks/p1.jpg", f"{inside}bounding-boxes.json")
    (entry,) = read_by("hyperkvasir", tmp_path).values()
    assert facts(entry) == ("polyps", "abnormal", "") and masks_of(entry, tmp_path) == [f"{inside}masks/p1.jpg"]


def test_unlabelled_images_of_hyperkvasir_have_no_label(tmp_path: Path) -> None:
    entries = read_by("hyperkvasir", tree(hyperkvasir(tmp_path), "unlabeled-images/images/u1.jpg"))
    assert entries["unlabeled-images/images/u1.jpg"].label == ""


# Kvasir


@pytest.mark.parametrize("folder", ["kvasir-dataset", "kvasir-dataset-v2"])
def test_both_kvasirs_are_folders_of_classes(tmp_path: Path, folder: str) -> None:
    tree(tmp_path, f"{folder}/normal-cecum/a.jpg", f"{folder}/polyps/b.jpg", f"{folder}/dyed-resection-margins/c.jpg")
    assert [facts(entry)[:2] for entry in read_by("class_folders", tmp_path).values()] == [
        ("dyed-resection-margins", ""),
        ("normal-cecum", "normal"),
        ("polyps", "abnormal"),
    ]


@pytest.mark.parametrize("folder", ["Kvasir-SEG/", ""])
def test_kvasir_seg_is_polyps_with_masks(tmp_path: Path, folder: str) -> None:
    tree(tmp_path, f"{folder}images/cju1.jpg", f"{folder}masks/cju1.jpg", f"{folder}annotated_images/cju1.jpg")
    text(tmp_path, f"{folder}bbox/cju1.csv", "class_name,xmin,ymin,xmax,ymax\npolyp,1,2,3,4\n")
    box = {"height": 9, "width": 9, "bbox": [{"label": "polyp", "xmin": 1, "ymin": 2, "xmax": 3, "ymax": 4}]}
    text(tmp_path, f"{folder}kavsir_bboxes.json", json.dumps({"cju1": box}))
    (entry,) = read_by("kvasir_seg", tmp_path).values()
    assert facts(entry) == ("polyps", "abnormal", "") and masks_of(entry, tmp_path) == [f"{folder}masks/cju1.jpg"]


def test_boxes_of_kvasir_seg_are_the_truth_where_there_is_no_mask(tmp_path: Path) -> None:
    tree(tmp_path, "images/cju1.jpg")
    box = {"height": 900, "width": 900, "bbox": [{"label": "polyp", "xmin": 10, "ymin": 20, "xmax": 300, "ymax": 400}]}
    text(tmp_path, "kavsir_bboxes.json", json.dumps({"cju1": box}))
    (entry,) = read_by("kvasir_seg", tmp_path).values()
    assert entry.boxes == (Box(10, 20, 300, 400),) and entry.annotated


# Kvasir-Capsule

VIDEO, OTHER = "04a78ef00c5245e0", "bca26705313a4644"


def capsule(root: Path) -> Path:
    tree(root, f"labelled_images/Normal clean mucosa/{VIDEO}_888.jpg", f"labelled_images/Normal clean mucosa/{OTHER}_1.jpg")
    tree(root, f"labelled_images/Blood - fresh/{VIDEO}_20.jpg", f"labelled_images/Reduced mucosal view/{VIDEO}_5.jpg")
    return tree(root, f"labelled_images/Angiectasia/{OTHER}_873.jpg", f"labelled_images/Ampulla of vater/{OTHER}_2.jpg")


def test_classes_of_kvasir_capsule_have_the_labels_of_its_paper(tmp_path: Path) -> None:
    entries = read_by("kvasir_capsule", capsule(tmp_path)).values()
    assert {entry.finding: entry.label for entry in entries} == {
        "Normal clean mucosa": "normal",
        "Ampulla of vater": "normal",
        "Blood - fresh": "abnormal",
        "Angiectasia": "abnormal",
        "Reduced mucosal view": "",
    }


@pytest.mark.parametrize("name", ["Erosion", "Erythema", "Ulcer", "Lymphangiectasia", "Blood - hematin", "Polyp"])
def test_every_pathology_of_kvasir_capsule_is_abnormal(tmp_path: Path, name: str) -> None:
    entries = read_by("kvasir_capsule", tree(capsule(tmp_path), f"labelled_images/{name}/{VIDEO}_7.jpg"))
    assert entries[f"labelled_images/{name}/{VIDEO}_7.jpg"].label == "abnormal"


def test_frames_of_a_capsule_video_belong_together_whatever_their_class(tmp_path: Path) -> None:
    entries = read_by("kvasir_capsule", capsule(tmp_path))
    assert {entry.related for file, entry in entries.items() if VIDEO in file} == {(f"name:{VIDEO}",)}
    assert {entry.related for file, entry in entries.items() if OTHER in file} == {(f"name:{OTHER}",)}


def test_official_splits_of_kvasir_capsule_are_kept(tmp_path: Path) -> None:
    capsule(tmp_path)
    text(
        tmp_path,
        "official_splits/split_0.csv",
        f"filename,label\n{VIDEO}_888.jpg,Normal Clean Mucosa\n{VIDEO}_20.jpg,Blood\n",
    )
    text(tmp_path, "official_splits/split_1.csv", f"filename,label\n{OTHER}_873.jpg,Angiectasia\n")
    entries = read_by("kvasir_capsule", tmp_path)
    assert {file.rpartition("/")[2]: entry.split for file, entry in entries.items()} == {
        f"{VIDEO}_888.jpg": "train",
        f"{VIDEO}_20.jpg": "unused",
        f"{OTHER}_873.jpg": "test",
        f"{VIDEO}_5.jpg": "",
        f"{OTHER}_1.jpg": "",
        f"{OTHER}_2.jpg": "",
    }


def test_corners_in_the_metadata_of_kvasir_capsule_are_boxes(tmp_path: Path) -> None:
    header = "filename;video_id;frame_number;finding_category;finding_class;x1;y1;x2;y2;x3;y3;x4;y4"
    corners = f"{OTHER}_873.jpg;{OTHER};873;Luminal;Angiectasia;10;20;60;20;60;90;10;90"
    text(capsule(tmp_path), "metadata.csv", f"{header}\n{corners}\n{VIDEO}_888.jpg;{VIDEO};888;Luminal;Normal;;;;;;;;\n")
    entries = read_by("kvasir_capsule", tmp_path)
    assert entries[f"labelled_images/Angiectasia/{OTHER}_873.jpg"].boxes == (Box(10, 20, 60, 90),)
    assert entries[f"labelled_images/Normal clean mucosa/{VIDEO}_888.jpg"].boxes == ()


# CVC-ClinicDB


def test_cvc_clinicdb_is_polyps_with_masks(tmp_path: Path) -> None:
    tree(tmp_path, "CVC-ClinicDB/Original/1.tif", "CVC-ClinicDB/Ground Truth/1.tif", "CVC-ClinicDB/Original/2.tif")
    tree(tmp_path, "CVC-ClinicDB/Ground Truth/2.png")
    first, second = read_by("cvc_clinicdb", tmp_path).values()
    assert facts(first) == ("polyps", "abnormal", "")
    assert masks_of(first, tmp_path) == ["CVC-ClinicDB/Ground Truth/1.tif"]
    assert masks_of(second, tmp_path) == ["CVC-ClinicDB/Ground Truth/2.png"]


def test_other_frames_in_folders_of_these_names_are_no_polyps(tmp_path: Path) -> None:
    tree(tmp_path, "Original/scan_a.png", "Ground Truth/scan_a.png")
    (entry,) = read_by("class_folders", tmp_path).values()
    assert entry.label == "" and masks_of(entry, tmp_path) == ["Ground Truth/scan_a.png"]


def test_frames_of_cvc_clinicdb_that_lie_there_twice_are_read_once(tmp_path: Path) -> None:
    tree(tmp_path, "PNG/Original/1.png", "PNG/Ground Truth/1.png", "TIF/Original/1.tif", "TIF/Ground Truth/1.tif")
    (entry,) = read_by("cvc_clinicdb", tmp_path).values()
    assert entry.file == "PNG/Original/1.png" and masks_of(entry, tmp_path) == ["PNG/Ground Truth/1.png"]


def test_sequences_of_cvc_clinicdb_are_groups(tmp_path: Path) -> None:
    tree(tmp_path, "PNG/Original/1.png", "PNG/Ground Truth/1.png", "PNG/Original/26.png", "PNG/Ground Truth/26.png")
    text(tmp_path, "metadata.csv", "frame_id,sequence_id,png_image_path\n1,1,PNG/Original/1.png\n26,2,PNG/Original/26.png\n")
    assert [entry.group for entry in read_by("cvc_clinicdb", tmp_path).values()] == ["sequence 1", "sequence 2"]


# PolypGen

ROOT = "PolypGen2021_MultiCenterData_v3"


@pytest.mark.parametrize("inside", ["", "data_C1/", f"{ROOT}/data_C1/"])
def test_a_centre_of_polypgen_is_polyps_with_masks(tmp_path: Path, inside: str) -> None:
    tree(tmp_path, f"{inside}images_C1/100H0050.jpg", f"{inside}masks_C1/100H0050_mask.jpg")
    tree(tmp_path, f"{inside}bbox_C1/100H0050_mask.txt", f"{inside}bbox_image_C1/100H0050.jpg")
    (entry,) = read_by("polypgen", tmp_path).values()
    assert facts(entry) == ("polyps", "abnormal", "") and masks_of(entry, tmp_path) == [f"{inside}masks_C1/100H0050_mask.jpg"]


def test_sequences_of_polypgen_have_their_labels_and_belong_together(tmp_path: Path) -> None:
    positive, negative = f"{ROOT}/sequenceData/positive/seq1", f"{ROOT}/sequenceData/negativeOnly/seq1_neg"
    tree(tmp_path, f"{ROOT}/data_C6/images_C6/a.jpg", f"{ROOT}/data_C6/masks_C6/a_mask.jpg", f"{ROOT}/imagesAll_positive/a.jpg")
    tree(tmp_path, f"{positive}/images_seq1/C6_1.jpg", f"{positive}/masks_seq1/C6_1_mask.jpg", f"{negative}/C3_1.jpg")
    entries = read_by("polypgen", tmp_path)
    assert len(entries) == 3
    found, clean = entries[f"{positive}/images_seq1/C6_1.jpg"], entries[f"{negative}/C3_1.jpg"]
    assert facts(found) == ("polyps", "abnormal", "") and masks_of(found, tmp_path) == [f"{positive}/masks_seq1/C6_1_mask.jpg"]
    assert facts(clean) == ("normal", "normal", "")
    assert found.related == (f"folder:{ROOT}/sequenceData/positive/seq1",)
    assert clean.related == (f"folder:{ROOT}/sequenceData/negativeOnly/seq1_neg",)


# SUN and SUN-SEG

NAME = "case_M_20181001100941_0U62372100109341_1_005_001-1_a2_ayy_image0001"


def test_sun_seg_has_masks_and_splits_and_knows_the_case(tmp_path: Path) -> None:
    for part in ("TrainDataset", "TestEasyDataset/Unseen", "TestHardDataset/Seen"):
        for kind, suffix in (("Frame", "jpg"), ("GT", "png"), ("Edge", "png"), ("Scribble", "png"), ("Polygon", "png")):
            tree(tmp_path, f"SUN-SEG/{part}/{kind}/case1_1/{NAME}.{suffix}", f"SUN-SEG/{part}/{kind}/case1_3/{NAME}2.{suffix}")
    entries = read_by("sun", tmp_path)
    assert len(entries) == 6
    train = entries[f"SUN-SEG/TrainDataset/Frame/case1_1/{NAME}.jpg"]
    assert facts(train) == ("polyps", "abnormal", "unused")
    assert masks_of(train, tmp_path) == [f"SUN-SEG/TrainDataset/GT/case1_1/{NAME}.png"]
    assert entries[f"SUN-SEG/TestEasyDataset/Unseen/Frame/case1_3/{NAME}2.jpg"].split == "test"
    assert {entry.related for entry in entries.values()} == {("folder:polyps/case1",)}


def test_frame_and_gt_of_another_set_are_no_polyps(tmp_path: Path) -> None:
    (entry,) = read_by("class_folders", tree(tmp_path, "Frame/a.jpg", "GT/a.png")).values()
    assert entry.label == "" and masks_of(entry, tmp_path) == ["GT/a.png"]


def test_sun_has_boxes_and_negative_cases(tmp_path: Path) -> None:
    tree(tmp_path, "SUN-Positive/case1/p1.jpg", "SUN-Positive/case1/p2.jpg", "SUN-Negative/case1/n1.jpg")
    text(tmp_path, "annotation_txt/case1.txt", "p1.jpg 10,20,300,400,0\np2.jpg 1,2,3,4,0\n")
    entries = read_by("sun", tmp_path)
    found, clean = entries["SUN-Positive/case1/p1.jpg"], entries["SUN-Negative/case1/n1.jpg"]
    assert facts(found) == ("polyps", "abnormal", "") and found.boxes == (Box(10, 20, 300, 400),)
    assert facts(clean) == ("normal", "normal", "") and not clean.boxes
    assert (found.related, clean.related) == (("folder:polyps/case1",), ("folder:normal/case1",))
