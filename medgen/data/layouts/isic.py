"""The ISIC challenges (https://challenge.isic-archive.com/data) and HAM10000: dermoscopy with tables and masks.

Masks are named ``_segmentation``. A table has a column for each diagnosis (MEL, NV, BCC, AK, AKIEC, BKL, DF, VASC, SCC, UNK;
one of them is 1), or melanoma and seborrheic_keratosis (2017; neither is a naevus), or a word (2016 and 2020: benign or
malignant; HAM10000: dx). Naevi and what is called benign are normal, UNK is unknown, all else is abnormal. Folders of Training,
Validation and Test give the split where there is a table; diagnosed lesions among the frames to learn from are "unused". Frames
of one patient, or else of one lesion, are one group where a table says so. Segmentations mark the lesion, whatever its diagnosis;
superpixels and the attributes of task 2 are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from medgen.data.images import stem_of
from medgen.data.source_file import Listing, SourceFile
from medgen.data.tree.read import read_tree
from medgen.data.tree.tables import Row, column, read_rows
from medgen.data.tree.walk import Folders, files_below, folders_of, roots

ORDER = 23
MEANING = "ISIC: dermoscopy with diagnoses in tables and segmentations"
NAMED = re.compile(r"(isic|isbi)[-_]?20\d\d[-_].*|ham10000_.*", re.IGNORECASE)
NAMES = ("image", "image_id", "image_name", "isic_id")
ONE_HOT = ("mel", "nv", "bcc", "ak", "akiec", "bkl", "df", "vasc", "scc", "unk")
TWO = ("melanoma", "seborrheic_keratosis")
WORD = ("dx", "benign_malignant", "diagnosis")
GROUPS = ("patient_id", "lesion_id")  # a patient may have several lesions, no lesion several patients
NORMAL = {"nv", "nevus", "benign"}
UNKNOWN = {"unk", "unknown", "indeterminate", ""}
PARTS = {"training": "train", "validation": "val", "test": "test"}
DROPPED = re.compile(r".*_superpixels|.*_attribute_.*", re.IGNORECASE)


def _known(folder: Path) -> bool:
    try:
        return any(NAMED.fullmatch(child.name) for child in folder.iterdir())
    except OSError:
        return False


def recognises(source: Path) -> bool:
    """Tell a folder with what the challenges call their folders and tables."""
    return bool(roots(source, _known, depth=1))


def read(source: Path) -> Listing:
    """Return the images of all parts, with what the tables say; one that they do not name keeps a known class of its folder.

    Raises
    ------
    DataError : if there is no image, a table cannot be read, or the folder is a prepared data set or cannot be read.
    """
    findings: dict[str, str] = {}
    groups: dict[str, str] = {}
    for path in files_below(source):
        if path.suffix.lower() == ".csv":
            for name, finding, group in _said(path):
                findings |= {name: finding} if finding else {}
                if group and not groups.get(name, "").startswith(GROUPS[0]):
                    groups[name] = group

    def is_dropped(folders: Folders, name: str) -> bool:
        return DROPPED.fullmatch(Path(name).stem) is not None

    listing = read_tree(source, is_dropped)
    entries = [_placed(source, entry, findings, groups) for entry in listing.entries]
    return replace(listing, entries=entries)


def _said(path: Path) -> Iterator[tuple[str, str, str]]:
    """Yield image, finding and group of each row of a table; "" for what it does not say."""
    rows = read_rows(path)
    names = rows[0].keys() if rows else ()
    image = column(names, NAMES)
    if not image:
        yield from _without_header(path)
        return
    for row in rows:
        yield row[image], _finding(row), next((f"{name} {row[name]}" for name in GROUPS if row.get(name)), "")


def _finding(row: Row) -> str:
    one_hot = [name for name in ONE_HOT if name in row]
    if len(one_hot) > 1:
        return next((name.upper() for name in one_hot if _is_one(row[name])), "")
    if all(name in row for name in TWO):
        return next((name for name in TWO if _is_one(row[name])), "nevus")
    return row[word].lower() if (word := column(row, WORD)) else ""


def _is_one(cell: str) -> bool:
    try:
        return float(cell) == 1
    except ValueError:
        return False


def _without_header(path: Path) -> Iterator[tuple[str, str, str]]:
    """Yield what a table of 2016 says: lines of an image and benign or malignant."""
    for line in path.read_text(encoding="utf-8-sig", errors="replace").splitlines():
        name, _, word = (cell.strip() for cell in line.partition(","))
        if word in ("benign", "malignant"):
            yield name, word, ""


def _placed(source: Path, entry: SourceFile, findings: dict[str, str], groups: dict[str, str]) -> SourceFile:
    name = stem_of(entry.path)
    if entry.label and name not in findings:
        return entry
    finding = findings.get(name, "")
    plain = finding.lower()
    label = "" if plain in UNKNOWN else "normal" if plain in NORMAL else "abnormal"
    split = _split(folders_of(entry.path, source)) if findings else ""
    if split in ("train", "val") and label != "normal":
        split = "unused"
    return replace(entry, finding=finding, label=label, split=split, group=groups.get(name, ""), related=())


def _split(folders: Folders) -> str:
    words = re.split(r"[-_]", "_".join(folders).lower())
    return next((PARTS[word] for word in words if word in PARTS), "")
