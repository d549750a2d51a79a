"""What becomes of the files of a source that nobody opened, and of files that hold the pixels of others."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK
from trees import tree
from writers import DRAW, save

from medgen.data.images import parts_of, suffixes
from medgen.data.preparing.alike.duplicates import digest
from medgen.data.preparing.left_over import ARCHIVES, MEDICAL, left_over
from medgen.data.source_file import Listing, SourceFile
from medgen.data.sources import list_source

VOXELS = DRAW.integers(0, 256, (6, 5, 4), dtype=np.uint8)


def pair(folder: Path, name: str, kind: type = nib.AnalyzeImage, seed: int = 0) -> Path:
    nib.save(kind(np.roll(VOXELS, seed), np.eye(4)), folder / f"{name}.img")
    return folder / f"{name}.hdr"


def image(folder: Path, name: str, compressed: bool = False) -> Path:
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(VOXELS), str(folder / name), compressed)
    return folder / name


def listing(*paths: Path) -> Listing:
    return Listing([SourceFile(path, path.name, "normal", "", "", "", ()) for path in paths])


@pytest.mark.parametrize("kind", [nib.AnalyzeImage, nib.Nifti1Pair])
def test_the_voxels_of_a_hdr_are_used(tmp_path: Path, kind: type) -> None:
    assert left_over(tmp_path, listing(pair(tmp_path, "a", kind))).empty


@pytest.mark.parametrize(("name", "compressed"), [("a.mhd", False), ("a.mhd", True), ("a.nhdr", False)])
def test_the_voxels_that_a_header_names_are_used(tmp_path: Path, name: str, compressed: bool) -> None:
    header = image(tmp_path, name, compressed)
    assert len(list(tmp_path.iterdir())) == 2 and left_over(tmp_path, listing(header)).empty


def test_voxels_without_a_header_are_rejected(tmp_path: Path) -> None:
    for name in ("a.img", "b.raw"):
        (tmp_path / name).write_bytes(b"123")
    assert left_over(tmp_path, Listing([]))["kind"].tolist() == ["rejected", "rejected"]


@pytest.mark.parametrize(
    ("header", "parts"),
    [
        ("ElementDataFile = s%02d.raw 1 3 2", ["s01.raw", "s03.raw"]),
        ("ElementDataFile = LIST\ns01.raw\ns02.raw", ["s01.raw", "s02.raw"]),
        ("ElementDataFile = s02.raw\r", ["s02.raw"]),
        ("ElementDataFile = LOCAL\n", []),
        ("NRRD0004\ndata file: s%02d.raw 1 3 1", ["s01.raw", "s02.raw", "s03.raw"]),
        ("NRRD0004\ndatafile: LIST\ns01.raw\ns03.raw\n", ["s01.raw", "s03.raw"]),
        ("NRRD0004\nsizes: 3", []),
    ],
)
def test_the_files_that_a_header_names(tmp_path: Path, header: str, parts: list[str]) -> None:
    for k in range(1, 4):
        (tmp_path / f"s{k:02}.raw").write_bytes(b"1")
    path = tmp_path / ("a.nhdr" if header.startswith("NRRD") else "a.mhd")
    path.write_bytes(header.encode())
    assert [part.name for part in parts_of(path)] == parts


def test_volumes_with_the_same_header_are_no_copies_of_each_other(tmp_path: Path) -> None:
    first, other = pair(tmp_path, "a"), pair(tmp_path, "b", seed=1)
    assert first.read_bytes() == other.read_bytes() and digest(first) != digest(other)


def test_a_picture_of_a_format_that_is_not_read_is_rejected(tmp_path: Path) -> None:
    for name in ("a.tga", "b.heic", "c.ico", "d.svs"):
        (tmp_path / name).write_bytes(b"1")
    assert left_over(tmp_path, Listing([]))["kind"].tolist() == ["rejected"] * 4


def test_an_archive_is_named_as_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "images.zip").write_bytes(b"PK")
    assert left_over(tmp_path, Listing([])).to_numpy().tolist() == [
        ["images.zip", "an archive (.zip), which is not opened; unpack it if it holds images", "ignored"]
    ]


@pytest.mark.parametrize("name", ["manifest.xlsx", "Manifest.csv"])
def test_a_manifest_that_is_not_read_is_no_file_like_any_other(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    (tmp_path / "ages.xlsx").touch()
    rows = left_over(tmp_path, Listing([])).set_index("file")
    assert (
        rows.kind[name] == "rejected" and "save it as manifest.csv" in rows.reason[name] and rows.kind["ages.xlsx"] == "ignored"
    )


def test_an_image_that_the_source_does_not_speak_of_is_ignored(tmp_path: Path) -> None:
    save(tmp_path / "a.png", VOXELS[0])
    assert left_over(tmp_path, Listing([]))["kind"].tolist() == ["ignored"]


def test_drawings_and_masks_without_an_image_are_named_as_what_they_are(tmp_path: Path) -> None:
    tree(tmp_path, *(f"Kvasir-SEG/{file}" for file in ("images/a.jpg", "masks/a.jpg", "masks/b.jpg", "annotated_images/a.jpg")))
    rows = left_over(tmp_path, list_source(tmp_path)).set_index("file")["reason"].to_dict()
    assert rows == {
        "Kvasir-SEG/annotated_images/a.jpg": "a drawing or a copy of another, as its folder or its name says",
        "Kvasir-SEG/masks/b.jpg": "a mask that no image of its name needs",
    }


def test_no_suffix_that_is_read_counts_as_one_that_is_not() -> None:
    assert (MEDICAL | ARCHIVES).isdisjoint(suffixes())
