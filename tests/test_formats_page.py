"""The tables of docs/formats.md name what is read, and every format that they name is.

Containers of videos are tested in test_video.py, and what is read of each format in the test of its reader.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import PIL.Image
import pytest
import SimpleITK
import tifffile
from writers import write_dicom

from medgen.data.images import all_readers, read_images, stem_of, suffixes
from medgen.data.readers import video
from medgen.data.sources import all_layouts

PAGE = (Path(__file__).parents[1] / "docs" / "formats.md").read_text(encoding="utf-8")
SUFFIX = re.compile(r"`(\.[a-z0-9.]+)`")
PARTS = {".img", ".raw", ".zraw"}  # hold the pixels of a header
GREY = np.arange(30 * 40, dtype=np.uint8).reshape(30, 40) // 8
UPRIGHT = np.diag([-1.0, -1.0, 1.0, 1.0])


def rows(heading: str) -> list[list[str]]:
    """The cells of the first table below a heading, without its head."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    table = section[section.index("|") :].partition("\n\n")[0].splitlines()
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in table[2:]]


def named(cells: list[str]) -> set[str]:
    return set(SUFFIX.findall(" ".join(cells)))


FORMATS = {suffix for row in rows("Formats") for suffix in named(row[:1])} - PARTS
LAYOUTS = {
    "MedMNIST, MedMNIST+": "medmnist",
    "`manifest.csv`": "manifest",
    "HyperKvasir": "hyperkvasir",
    "Kvasir-SEG": "kvasir_seg",
    "Kvasir-Capsule": "kvasir_capsule",
    "CVC-ClinicDB": "cvc_clinicdb",
    "PolypGen": "polypgen",
    "SUN, SUN-SEG": "sun",
    "MedIAnomaly": "medianomaly",
    "BMAD": "bmad",
    "MSD, nnU-Net": "nnunet",
    "BraTS": "brats",
    "ISIC, HAM10000": "isic",
    "RSNA": "rsna",
    "MVTec AD, LOCO": "mvtec",
    "plain folder": "plain_folder",
    "class folders": "class_folders",
    "one file": "single_file",
}
"""From the first cell of a row, without what is in brackets, to the file of `medgen.data.layouts`."""
VIDEOS = {suffix for row in rows("Videos") for suffix in named(row[1:2])}


def save_picture(path: Path) -> None:
    PIL.Image.fromarray(GREY > 16 if path.suffix == ".pbm" else GREY).save(path, format_of(path.suffix))


def format_of(suffix: str) -> str | None:
    return {".apng": "PNG", ".jpf": "JPEG2000"}.get(suffix)


def save_nifti(path: Path) -> None:
    nib.save(nib.Nifti1Image(GREY.T[..., None], UPRIGHT), path)


def save_freesurfer(path: Path) -> None:
    nib.save(nib.MGHImage(GREY.T[..., None], UPRIGHT), path)


def save_pair(path: Path) -> None:
    nib.save(nib.Nifti1Pair(GREY.T[..., None], UPRIGHT), path.with_suffix(".img"))


def save_itk(path: Path) -> None:
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(GREY), str(path))


def save_array(path: Path) -> None:
    np.save(path, GREY) if path.suffix == ".npy" else np.savez(path, GREY)


def save_tiff(path: Path) -> None:
    tifffile.imwrite(path, GREY)


WRITERS: dict[str, Callable[[Path], object]] = {
    "arrays": save_array,
    "dicom": lambda path: write_dicom(path, GREY, "MONOCHROME2"),
    "freesurfer": lambda path: save_pair(path) if path.suffix == ".hdr" else save_freesurfer(path),
    "itk": save_itk,
    "nifti": save_nifti,
    "pictures": save_picture,
    "tiff": save_tiff,
}


def test_the_page_names_every_suffix_that_is_read_and_no_other() -> None:
    assert sorted(FORMATS | VIDEOS) == list(suffixes())


def test_videos_have_a_table_of_their_own() -> None:
    assert VIDEOS == video.SUFFIXES


def test_every_row_says_what_is_read_and_how_it_is_grouped() -> None:
    table = rows("Formats")
    assert len(table) > 10 and all(len(row) == 4 and row[1] and row[2] and named(row[:1]) for row in table)


@pytest.mark.parametrize("suffix", sorted(FORMATS))
def test_a_format_that_the_page_names_is_read(tmp_path: Path, suffix: str) -> None:
    reader = next(name for name, reader in all_readers().items() if suffix in reader.SUFFIXES)
    path = tmp_path / f"a{suffix}"
    WRITERS[reader](path)
    (image,) = read_images(path)
    shown = image.pixels.mean(axis=2)
    expected = 255 * (GREY > 16) if suffix == ".pbm" else GREY
    assert stem_of(path) == "a" and np.abs(shown - expected).mean() < 3  # lossy ones, too


@pytest.mark.parametrize("suffix", sorted(FORMATS))
def test_a_suffix_in_capitals_is_read_as_well(tmp_path: Path, suffix: str) -> None:
    reader = next(name for name, reader in all_readers().items() if suffix in reader.SUFFIXES)
    WRITERS[reader](tmp_path / f"a{suffix}")
    for path in list(tmp_path.iterdir()):
        if path.suffix != ".raw":  # whose name stands in its header
            path.rename(tmp_path / f"a{path.name[1:].upper()}")
    assert len(list(read_images(tmp_path / f"a{suffix.upper()}"))) == 1


def test_every_layout_has_a_row_in_the_order_in_which_they_are_asked() -> None:
    assert [LAYOUTS[row[0].partition(" (")[0]] for row in rows("Layouts")] == list(all_layouts())


def test_every_row_of_a_layout_says_what_is_read_which_frames_are_normal_and_what_is_kept_together() -> None:
    assert all(len(row) == 5 and row[1] and row[2] for row in rows("Layouts"))


@pytest.mark.parametrize("layout", LAYOUTS.values())
def test_every_layout_has_a_test_that_reads_a_source_by_it(layout: str) -> None:
    texts = [path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py")]
    assert any(re.search(rf"(read_by|listed_by)\(\s*\"{layout}\"", text) for text in texts)
