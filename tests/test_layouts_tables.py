"""Labels and boxes in tables beside the images: ISIC, RSNA, boxes as CSV, COCO and Pascal VOC."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from trees import facts, listed_by, masks_of, read_by, refusal, text, tree

from medgen.types import Box

# ISIC


def test_a_segmentation_of_isic_belongs_to_its_image(tmp_path: Path) -> None:
    tree(tmp_path, "ISIC2018_Task1-2_Training_Input/ISIC_0000000.jpg", "ISIC2018_Task1-2_Training_Input/ATTRIBUTION.txt")
    tree(tmp_path, "ISIC2018_Task1_Training_GroundTruth/ISIC_0000000_segmentation.png")
    tree(tmp_path, "ISIC2018_Task2_Training_GroundTruth_v3/ISIC_0000000_attribute_globules.png")
    (entry,) = read_by("isic", tmp_path).values()
    assert masks_of(entry, tmp_path) == ["ISIC2018_Task1_Training_GroundTruth/ISIC_0000000_segmentation.png"]
    assert facts(entry) == ("", "", "") and entry.related == ()


def test_superpixels_of_isic_2017_are_no_images(tmp_path: Path) -> None:
    tree(tmp_path, "ISIC-2017_Training_Data/ISIC_0000000.jpg", "ISIC-2017_Training_Data/ISIC_0000000_superpixels.png")
    tree(tmp_path, "ISIC-2017_Training_Part1_GroundTruth/ISIC_0000000_segmentation.png")
    text(tmp_path, "ISIC-2017_Training_Part3_GroundTruth.csv", "image_id,melanoma,seborrheic_keratosis\nISIC_0000000,0.0,0.0\n")
    (entry,) = read_by("isic", tmp_path).values()
    assert facts(entry) == ("nevus", "normal", "train") and len(entry.masks) == 1


def test_a_diagnosis_of_isic_is_the_column_that_is_1(tmp_path: Path) -> None:
    for name in ("ISIC_1", "ISIC_2", "ISIC_3"):
        tree(tmp_path, f"ISIC2018_Task3_Training_Input/{name}.jpg")
    tree(tmp_path, "ISIC2018_Task3_Test_Input/ISIC_4.jpg")
    head = "image,MEL,NV,BCC,AKIEC,BKL,DF,VASC"
    rows = "ISIC_1,0.0,1.0,0.0,0.0,0.0,0.0,0.0\nISIC_2,1.0,0.0,0.0,0.0,0.0,0.0,0.0"
    text(tmp_path, "ISIC2018_Task3_Training_GroundTruth/ISIC2018_Task3_Training_GroundTruth.csv", f"{head}\n{rows}\n")
    row = "ISIC_4,0.0,0.0,1.0,0.0,0.0,0.0,0.0"
    text(tmp_path, "ISIC2018_Task3_Test_GroundTruth/ISIC2018_Task3_Test_GroundTruth.csv", f"{head}\n{row}\n")
    groups = "image,lesion_id,diagnosis_confirm_type\nISIC_1,HAM_0000118,follow_up\n"
    text(tmp_path, "ISIC2018_Task3_Training_LesionGroupings.csv", groups)
    first, second, third, fourth = sorted(read_by("isic", tmp_path).values(), key=lambda entry: entry.path.name)
    assert facts(first) == ("NV", "normal", "train") and first.group == "lesion_id HAM_0000118"
    assert facts(second) == ("MEL", "abnormal", "unused")
    assert facts(third) == ("", "", "unused")
    assert facts(fourth) == ("BCC", "abnormal", "test")


def test_an_unknown_diagnosis_of_isic_2019_is_unknown(tmp_path: Path) -> None:
    tree(tmp_path, "ISIC_2019_Test_Input/ISIC_9.jpg")
    text(tmp_path, "ISIC_2019_Test_GroundTruth.csv", "image,MEL,NV,BCC,AK,BKL,DF,VASC,SCC,UNK\nISIC_9,0,0,0,0,0,0,0,0,1.0\n")
    assert facts(read_by("isic", tmp_path)["ISIC_2019_Test_Input/ISIC_9.jpg"]) == ("UNK", "", "test")


def test_the_table_of_isic_2016_has_no_header(tmp_path: Path) -> None:
    tree(tmp_path, "ISBI2016_ISIC_Part3_Test_Data/ISIC_1.jpg", "ISBI2016_ISIC_Part3_Test_Data/ISIC_2.jpg")
    text(tmp_path, "ISBI2016_ISIC_Part3_Test_GroundTruth.csv", "ISIC_1,benign\nISIC_2,malignant\n")
    assert [facts(entry) for entry in read_by("isic", tmp_path).values()] == [
        ("benign", "normal", "test"),
        ("malignant", "abnormal", "test"),
    ]


def test_ham10000_is_read_by_its_metadata(tmp_path: Path) -> None:
    tree(tmp_path, "HAM10000_images_part_1/ISIC_0027419.jpg", "HAM10000_images_part_2/ISIC_0025030.jpg")
    rows = "HAM_0000118,ISIC_0027419,bkl,histo,80.0,male,scalp\nHAM_0000119,ISIC_0025030,nv,histo,80.0,male,scalp\n"
    text(tmp_path, "HAM10000_metadata.csv", f"lesion_id,image_id,dx,dx_type,age,sex,localization\n{rows}")
    keratosis, naevus = read_by("isic", tmp_path).values()
    assert facts(keratosis)[:2] == ("bkl", "abnormal") and facts(naevus)[:2] == ("nv", "normal")
    assert naevus.group == "lesion_id HAM_0000119"


def test_lesions_of_one_isic_patient_belong_together(tmp_path: Path) -> None:
    tree(tmp_path, *(f"ISIC_2020_Training_Input/ISIC_000000{k}.jpg" for k in (1, 2, 3)))
    rows = "ISIC_0000001,IP_1,IL_1,benign\nISIC_0000002,IP_1,IL_2,benign\nISIC_0000003,,IL_3,benign\n"
    text(tmp_path, "ISIC_2020_Training_GroundTruth_v2.csv", f"image_name,patient_id,lesion_id,benign_malignant\n{rows}")
    text(tmp_path, "ISIC_2020_lesions.csv", "image,lesion_id\nISIC_0000002,IL_2\n")
    groups = [entry.group for entry in read_by("isic", tmp_path).values()]
    assert groups == ["patient_id IP_1", "patient_id IP_1", "lesion_id IL_3"]


# RSNA

LABELS = "patientId,x,y,width,height,Target\np1,,,,,0\np2,264.0,152.0,213.0,379.0,1\np2,562.0,152.0,256.0,453.0,1\np3,,,,,0\n"


def rsna(root: Path) -> Path:
    tree(root, *(f"stage_2_train_images/{name}.dcm" for name in ("p1", "p2", "p3")), "stage_2_test_images/t1.dcm")
    return text(root, "stage_2_train_labels.csv", LABELS)


def test_target_of_rsna_gives_labels_and_boxes(tmp_path: Path) -> None:
    entries = read_by("rsna", rsna(tmp_path))
    normal, pneumonia = entries["stage_2_train_images/p1.dcm"], entries["stage_2_train_images/p2.dcm"]
    assert facts(normal) == ("normal", "normal", "") and normal.boxes == ()
    assert facts(pneumonia) == ("abnormal", "abnormal", "")
    assert pneumonia.boxes == (Box(264, 152, 477, 531), Box(562, 152, 818, 605)) and pneumonia.annotated
    assert facts(entries["stage_2_test_images/t1.dcm"]) == ("", "", "")


def test_the_detailed_classes_of_rsna_tell_what_is_not_normal_either(tmp_path: Path) -> None:
    kinds = "patientId,class\np1,Normal\np2,Lung Opacity\np2,Lung Opacity\np3,No Lung Opacity / Not Normal\n"
    entries = read_by("rsna", text(rsna(tmp_path), "stage_2_detailed_class_info.csv", kinds))
    assert facts(entries["stage_2_train_images/p1.dcm"]) == ("Normal", "normal", "")
    assert facts(entries["stage_2_train_images/p2.dcm"])[:2] == ("Lung Opacity", "abnormal")
    other = entries["stage_2_train_images/p3.dcm"]
    assert facts(other)[:2] == ("No Lung Opacity / Not Normal", "abnormal") and not other.annotated


def test_images_that_a_table_names_and_that_are_not_there_are_counted(tmp_path: Path) -> None:
    (rsna(tmp_path) / "stage_2_train_images/p3.dcm").unlink()
    assert "1 of 3 images that the tables name are not there" in listed_by("rsna", tmp_path).notes


def test_a_table_of_targets_of_other_images_is_refused(tmp_path: Path) -> None:
    assert "none of which is there" in refusal(text(tree(tmp_path, "images/x.dcm"), "labels.csv", LABELS))


# boxes


@pytest.mark.parametrize(
    "table",
    [
        "filename,xmin,ymin,xmax,ymax,class\na.jpg,10,20,50,60,polyp\n",
        "image_id;x_min;y_min;x_max;y_max\na;10.4;20.9;49.5;59.1\n",
        "image,x,y,width,height\nimages/a.jpg,10,20,40,40\n",
        "image\tx1\ty1\tx2\ty2\na.jpg\t10\t20\t50\t60\n",
    ],
)
def test_boxes_in_a_table_mark_a_finding(tmp_path: Path, table: str) -> None:
    tree(tmp_path, "images/a.jpg", "images/b.jpg")
    first, second = read_by("class_folders", text(tmp_path, "boxes.csv", table)).values()
    assert first.boxes == (Box(10, 20, 50, 60),) and (first.label, first.annotated) == ("abnormal", True)
    assert (second.boxes, second.label, second.annotated) == ((), "", False)


def test_boxes_of_coco_mark_a_finding_and_an_image_without_any_is_annotated(tmp_path: Path) -> None:
    images = [{"id": 7, "file_name": "a.jpg", "width": 9, "height": 9}, {"id": 8, "file_name": "b.jpg"}]
    marks = [{"id": 1, "image_id": 7, "category_id": 1, "bbox": [10, 20, 40.5, 40]}]
    text(
        tree(tmp_path, "normal/b.jpg", "polyp/a.jpg"),
        "_annotations.coco.json",
        json.dumps({"images": images, "annotations": marks}),
    )
    normal, polyp = read_by("class_folders", tmp_path).values()
    assert polyp.boxes == (Box(10, 20, 51, 60),) and (normal.boxes, normal.annotated) == ((), True)


def test_an_annotation_of_coco_without_a_box_has_that_around_its_outline_and_hides_no_other(tmp_path: Path) -> None:
    images = [{"id": k, "file_name": f"{k}.png"} for k in range(3)]
    outlined = {"image_id": 1, "segmentation": [[4.5, 6, 20, 6, 20, 9.5], [2, 7, 5, 8, 3, 8]]}
    coded = {"image_id": 2, "bbox": [], "segmentation": {"size": [9, 9], "counts": "abc"}}
    found = {"images": images, "annotations": [{"image_id": 0, "bbox": [1, 2, 3, 4]}, outlined, coded]}
    tree(tmp_path, *(f"images/{k}.png" for k in range(3)))
    first, second, third = read_by("class_folders", text(tmp_path, "a.json", json.dumps(found))).values()
    assert (first.boxes, second.boxes) == ((Box(1, 2, 4, 6),), (Box(2, 6, 20, 10),))
    assert (third.boxes, third.annotated) == ((), False)


def test_boxes_of_pascal_voc_mark_a_finding(tmp_path: Path) -> None:
    edges = "<xmin>10</xmin><ymin>20</ymin><xmax>50</xmax><ymax>60</ymax>"
    content = f"<annotation><object><name>polyp</name><bndbox>{edges}</bndbox></object></annotation>"
    text(tree(tmp_path, "JPEGImages/a.jpg", "JPEGImages/b.jpg"), "Annotations/a.xml", content)
    entries = read_by("class_folders", tmp_path)
    assert entries["JPEGImages/a.jpg"].boxes == (Box(10, 20, 50, 60),) and not entries["JPEGImages/b.jpg"].annotated


def test_a_mask_says_more_than_a_box(tmp_path: Path) -> None:
    text(tree(tmp_path, "images/a.jpg", "masks/a.png"), "boxes.csv", "file,xmin,ymin,xmax,ymax\na.jpg,1,2,3,4\n")
    (entry,) = read_by("class_folders", tmp_path).values()
    assert entry.boxes == () and len(entry.masks) == 1


def test_boxes_of_names_that_no_image_or_several_have_are_counted(tmp_path: Path) -> None:
    table = "file,xmin,ymin,xmax,ymax\n1.jpg,1,2,3,4\ngone.jpg,1,2,3,4\nnormal/2.jpg,1,2,3,4\n"
    listing = listed_by("class_folders", text(tree(tmp_path, "normal/1.jpg", "polyp/1.jpg", "normal/2.jpg"), "b.csv", table))
    assert [entry.boxes for entry in listing.entries] == [(), (Box(1, 2, 3, 4),), ()]
    assert listing.notes == ["boxes of 2 of 3 names belong to no image, or to several of one name, and are left out"]


@pytest.mark.parametrize("content", ["", "a", "x,y\n1,2\n", "file,age\na.jpg,61\n", '"', "\xff\x00"])
def test_a_table_of_something_else_holds_no_boxes(tmp_path: Path, content: str) -> None:
    (entry,) = read_by("class_folders", text(tree(tmp_path, "polyp/a.jpg"), "notes.csv", content)).values()
    assert not entry.annotated


@pytest.mark.parametrize("content", ["", "[1]", "{}", '{"a": 1}', '{"images": 1, "annotations": 2}', "3", "null"])
def test_a_json_of_something_else_holds_no_boxes(tmp_path: Path, content: str) -> None:
    (entry,) = read_by("class_folders", text(tree(tmp_path, "polyp/a.jpg"), "notes.json", content)).values()
    assert not entry.annotated
