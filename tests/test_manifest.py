"""manifest.csv: what it may hold, and the line that is named where it holds something else."""

from __future__ import annotations

from pathlib import Path

import pytest

from medgen.data.source_file import MaskFile, SourceFile
from medgen.data.sources import list_source, read_source
from medgen.errors import DataError
from medgen.types import Box


def write(folder: Path, text: str, name: str = "manifest.csv") -> Path:
    (folder / name).write_bytes(text.encode())
    return folder


def read(folder: Path, text: str) -> list[SourceFile]:
    return read_source(write(folder, text))


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(DataError) as error:
        read(folder, text)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_all_columns_are_read(tmp_path: Path) -> None:
    (tmp_path / "m.png").touch()
    (entry,) = read(tmp_path, "file,finding,label,split,group,mask\nx/a.jpg,polyps,abnormal,test,p1,m.png\n")
    masks = (MaskFile(tmp_path / "m.png"),)
    assert entry == SourceFile(tmp_path / "x/a.jpg", "x/a.jpg", "abnormal", "polyps", "test", "p1", masks, annotated=True)


def test_columns_that_are_not_there_come_from_the_folders(tmp_path: Path) -> None:
    first, second = read(tmp_path, "file,age\ntest/polyps/a.jpg,61\nb.jpg,\n")
    assert (first.file, first.finding, first.label, first.split) == ("b.jpg", "", "", "")
    assert (second.finding, second.label, second.split, second.group, second.masks) == ("polyps", "abnormal", "test", "", ())


@pytest.mark.parametrize(
    ("header", "said"),
    [("patient_id", True), ("Video", True), ("age", False), ("group,patient_id", False), ("patient age", False)],
)
def test_a_column_of_patients_that_is_not_called_group_is_told_of(tmp_path: Path, header: str, said: bool) -> None:
    cells = ",".join("x" for _ in header.split(","))
    notes = list_source(write(tmp_path, f"file,{header}\na.jpg,{cells}\n")).notes
    assert any(f"its column '{header.lower()}' is not looked at" in note for note in notes) == said


def test_an_empty_cell_means_unknown_even_where_the_finding_is_known(tmp_path: Path) -> None:
    assert read(tmp_path, "file,finding,label\npolyps/a.jpg,polyps,\n")[0].label == ""


def test_a_table_may_be_named_directly(tmp_path: Path) -> None:
    write(tmp_path, "file\na.jpg\n", "fold1.csv")
    assert read_source(tmp_path / "fold1.csv")[0].path == tmp_path / "a.jpg"


def test_a_manifest_stands_above_the_folders(tmp_path: Path) -> None:
    (tmp_path / "b.jpg").touch()
    assert [entry.file for entry in read(tmp_path, "file\na.jpg\n")] == ["a.jpg"]


def test_spreadsheets_may_write_it_with_semicolons_and_a_byte_order_mark(tmp_path: Path) -> None:
    (entry,) = read(tmp_path, "\ufeffFile;Label\r\npolyps\\a.jpg;Abnormal\r\n\r\n")
    assert (entry.file, entry.label) == ("polyps/a.jpg", "abnormal")


def test_assume_labels_empty_cells(tmp_path: Path) -> None:
    write(tmp_path, "file,label\na.jpg,\nb.jpg,abnormal\n")
    assert [entry.label for entry in read_source(tmp_path, "normal")] == ["normal", "abnormal"]


def test_rows_are_sorted_by_file(tmp_path: Path) -> None:
    assert [entry.file for entry in read(tmp_path, "file\nb.jpg\na.jpg\n")] == ["a.jpg", "b.jpg"]


def test_a_row_may_be_a_frame_of_a_file_with_a_mask_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "seg.nii.gz").touch()
    first, second, third = read(
        tmp_path, "file,label,mask\nv.nii.gz#12,abnormal,seg.nii.gz#3\nv.nii.gz#2,normal,\nv.nii.gz#3,abnormal,seg.nii.gz\n"
    )
    assert (first.file, first.path, first.frame, first.masks) == ("v.nii.gz#2", tmp_path / "v.nii.gz", 2, ())
    assert (second.frame, second.masks) == (3, (MaskFile(tmp_path / "seg.nii.gz"),))
    assert (third.frame, third.label, third.masks) == (12, "abnormal", (MaskFile(tmp_path / "seg.nii.gz", 3),))


def test_a_file_whose_own_name_ends_so_is_no_frame_of_another(tmp_path: Path) -> None:
    (tmp_path / "a#1").touch()
    (entry,) = read(tmp_path, "file\na#1\n")
    assert (entry.path, entry.frame) == (tmp_path / "a#1", None)


def test_a_row_may_have_several_masks(tmp_path: Path) -> None:
    for name in ("m1.png", "m2.png"):
        (tmp_path / name).touch()
    (entry,) = read(tmp_path, "file,mask\na.jpg,m1.png; m2.png\n")
    assert [mask.path.name for mask in entry.masks] == ["m1.png", "m2.png"] and entry.annotated


@pytest.mark.parametrize(
    ("cell", "boxes", "annotated"),
    [
        ("10 20 50 60", (Box(10, 20, 50, 60),), True),
        ("10.5 20 50 59.2;1 2 3 4", (Box(10, 20, 50, 60), Box(1, 2, 3, 4)), True),
        ('"10,20,50,60"', (Box(10, 20, 50, 60),), True),
        ("none", (), True),
        ("", (), False),
    ],
)
def test_a_row_may_have_boxes(tmp_path: Path, cell: str, boxes: tuple[Box, ...], annotated: bool) -> None:
    (entry,) = read(tmp_path, f"file,boxes\na.jpg,{cell}\n")
    assert (entry.boxes, entry.annotated) == (boxes, annotated)


def test_folders_and_names_of_a_manifest_say_what_belongs_together(tmp_path: Path) -> None:
    entries = read(tmp_path, "file\nnormal/patient7/1.png\ncase1_01.png\ncase1_02.png\ncase2_01.png\n")
    assert {entry.file: entry.related for entry in entries} == {
        "normal/patient7/1.png": ("folder:normal/patient7",),
        "case1_01.png": ("name:case1",),
        "case1_02.png": ("name:case1",),
        "case2_01.png": (),
    }


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("file\nv.nii#1\nv.nii\n", "line 2: 'v.nii#1' is a frame of 'v.nii', which stands on line 3 as a whole"),
        ("file,boxes\na.jpg,10 20 50\n", "line 2: the box '10 20 50' is not left, top, right and bottom in pixels"),
        ("file,boxes\na.jpg,50 20 10 60\n", "line 2: the box '50 20 10 60' is not"),
        ("file,boxes\na.jpg,a b c d\n", "line 2: the box 'a b c d' is not"),
        ("filename,label\na.jpg,normal\n", "manifest.csv: no column 'file'; did you mean 'filename'?"),
        ("file,lable\na.jpg,normal\n", "column 'lable': did you mean 'label'?"),
        ("file,group,group\na.jpg,1,2\n", "column 'group': it is there twice"),
        ("file,label\na.jpg,normal\nb.jpg,abnormall\n", "line 3: unknown label 'abnormall'; did you mean 'abnormal'?"),
        ("file,split\na.jpg,trian\n", "line 2: unknown split 'trian'; did you mean 'train'? known: test, train, val"),
        ("file\na.jpg\nb.jpg\n./a.jpg\n", "line 4: 'a.jpg' was already on line 2"),
        ("file\n/data/a.jpg\n", "line 2: '/data/a.jpg' leads out of the folder"),
        ("file\nx/../../a.jpg\n", "line 2: 'x/../../a.jpg' leads out of the folder"),
        ("file\nC:\\a.jpg\n", "leads out of the folder"),
        ("file,label\n,normal\n", "line 2: the column 'file' is empty"),
        ("file,label\na,b.jpg,normal\n", "line 2: 3 cells, but the header names 2 columns"),
        ("file,mask\na.jpg,../m.png\n", "line 2: '../m.png' leads out of the folder"),
        ("file\n", "names no files"),
        ("", "no column 'file'"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, text: str, reason: str) -> None:
    assert reason in refusal(tmp_path, text)


def test_a_mask_that_does_not_exist_is_named_with_the_nearest_one(tmp_path: Path) -> None:
    (tmp_path / "a_mask.png").touch()
    reason = refusal(tmp_path, "file,mask\na.jpg,a-mask.png\n")
    assert f"line 2: the mask 'a-mask.png' does not exist; did you mean '{tmp_path / 'a_mask.png'}'?" in reason


def test_an_image_that_does_not_exist_stays_in_to_be_reported(tmp_path: Path) -> None:
    assert not read(tmp_path, "file\nmissing.jpg\n")[0].path.exists()


def test_a_manifest_that_is_not_utf_8_says_how_to_save_it(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_bytes("file\nGefäß.jpg\n".encode("latin-1"))
    with pytest.raises(DataError, match="save it as 'CSV UTF-8'"):
        read_source(tmp_path)
