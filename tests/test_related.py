"""What folders and names say of frames that belong together, and of the class that a nested folder is of."""

from __future__ import annotations

from pathlib import Path

import pytest
from trees import tree

from medgen.data.sources import list_source, read_source


def related(source: Path, *files: str) -> dict[str, tuple[str, ...]]:
    return {entry.file: entry.related for entry in read_source(tree(source, *files))}


@pytest.mark.parametrize(
    ("file", "finding", "key"),
    [
        ("normal/patient0/000.png", "normal", "folder:normal/patient0"),
        ("polyp/Patient 12/series 3/000.png", "polyp", "folder:polyp/Patient 12"),
        ("polyp/17/000.png", "polyp", "folder:polyp/17"),
        ("polyp/TCGA-02-0003/1.dcm", "polyp", "folder:polyp/TCGA-02-0003"),
        ("polyp/1.2.840.113619.2/1.dcm", "polyp", "folder:polyp/1.2.840.113619.2"),
        ("polyp/video_b/images/1.png", "polyp", "folder:polyp/video_b"),
        ("train/normal/patient0/000.png", "normal", "folder:normal/patient0"),
        ("normal/train/case-7/000.png", "normal", "folder:normal/case-7"),
        ("patient4/polyp/000.png", "polyp", "folder:patient4"),
        ("case12/000.png", "", "folder:case12"),
        ("diverticulum/case12/000.png", "diverticulum", "folder:diverticulum/case12"),
    ],
)
def test_a_folder_of_a_patient_is_no_class_and_keeps_its_frames_together(
    tmp_path: Path, file: str, finding: str, key: str
) -> None:
    (entry,) = read_source(tree(tmp_path, file))
    assert (entry.finding, entry.related) == (finding, (key,))


@pytest.mark.parametrize("file", ["normal/left/000.png", "polyp/000.png", "bbps-2-3/1.jpg", "3/1.png", "study/normal/1.png"])
def test_other_folders_say_nothing_of_patients(tmp_path: Path, file: str) -> None:
    assert related(tmp_path, file) == {file: ()}


def test_words_below_a_class_are_patients_where_there_are_three(tmp_path: Path) -> None:
    found = related(tmp_path, "normal/anna/1.png", "normal/bert/series2/1.png", "polyp/carl/1.png")
    assert list(found.values()) == [("folder:normal/anna",), ("folder:normal/bert",), ("folder:polyp/carl",)]


@pytest.mark.parametrize("names", [("0017", "0018", "0019"), ("P1", "P2", "p-3"), ("10253_1", "10253_2", "7")])
def test_numbers_above_the_classes_are_patients_where_there_are_three(tmp_path: Path, names: tuple[str, ...]) -> None:
    found = related(tmp_path, *(f"{name}/{kind}/1.png" for name in names for kind in ("normal", "polyp")))
    assert set(found.values()) == {(f"folder:{name}",) for name in names}


@pytest.mark.parametrize("names", [("2018", "2019"), ("kvasir-v1", "kvasir-v2", "kvasir-v3"), ("pcb1", "pcb2", "pcb3")])
def test_two_numbers_and_names_of_data_sets_above_the_classes_are_no_patients(tmp_path: Path, names: tuple[str, ...]) -> None:
    assert set(related(tmp_path, *(f"{name}/normal/1.png" for name in names)).values()) == {()}


def test_folders_of_one_name_in_several_classes_are_told(tmp_path: Path) -> None:
    tree(tmp_path, *(f"{kind}/p{k}/1.png" for kind in ("normal", "polyp") for k in range(3)), "polyp/p7/1.png")
    (note,) = list_source(tmp_path).notes
    assert note.startswith("3 folders of patients or videos have one name in several classes, the first 'p0', and are taken for")


def test_an_unknown_class_beside_known_ones_is_the_folder_at_their_depth(tmp_path: Path) -> None:
    entries = read_source(tree(tmp_path, "normal/anna/1.png", "diverticulum/berta/2.png"))
    assert [entry.finding for entry in entries] == ["diverticulum", "normal"]


def test_a_common_stem_with_a_running_number_keeps_frames_together(tmp_path: Path) -> None:
    found = related(tmp_path, "polyp/case12_0001.png", "polyp/case12_0002.png", "polyp/case13_0001.png", "polyp/case13_0002.png")
    assert list(found.values()) == [("name:polyp/case12",)] * 2 + [("name:polyp/case13",)] * 2


@pytest.mark.parametrize(
    ("first", "second"),
    [("00003_60", "00005_61"), ("v0_3", "v1_4"), ("a7-frame 3", "b8-frame 4"), ("P1_S2_003", "P2_S1_004"), ("c1.17", "c2.18")],
)
def test_stems_in_other_ways_of_writing(tmp_path: Path, first: str, second: str) -> None:
    again = [name[:-1] + "9" for name in (first, second)]
    assert all(related(tmp_path, *(f"x/{name}.png" for name in (first, second, *again))).values())


@pytest.mark.parametrize(
    "names",
    [
        ("ISIC_0000000", "ISIC_0000001", "ISIC_0000002"),
        ("img_001", "img_002"),
        ("n00", "n01", "n39"),
        ("000", "001"),
        ("case12_0001", "case12_0002"),  # one stem for all of a class
        ("polyp_01", "polyp_02", "normal_01", "normal_02"),
        ("case1_01", "case2_01", "case3_01"),  # no two of one stem
        ("0a1b2c3d-1f2e", "7a8b9c0d-3e4f"),
    ],
)
def test_names_that_name_nobody_relate_nothing(tmp_path: Path, names: tuple[str, ...]) -> None:
    assert not any(related(tmp_path, *(f"polyp/{name}.png" for name in names)).values())


def test_names_may_be_left_out_of_account(tmp_path: Path) -> None:
    tree(tmp_path, "polyp/p1/a1_1.png", "polyp/p1/a1_2.png", "polyp/p1/a2_1.png")
    kept = [entry.related for entry in read_source(tmp_path, group_names=False)]
    assert kept == [("folder:polyp/p1",)] * 3
