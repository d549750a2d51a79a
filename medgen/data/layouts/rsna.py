"""The RSNA Pneumonia Detection Challenge: DICOM files beside a table with ``patientId`` and ``Target``.

Other tables with these columns are read in the same way. ``stage_2_train_labels.csv`` has a row for each box (x, y, width,
height) and one without a box for each image that has none. Target 1 is abnormal, with its boxes as truth. Of Target 0,
``stage_2_detailed_class_info.csv`` says which are Normal; the others ("No Lung Opacity / Not Normal") are abnormal, too,
without a box. Where that table is missing, Target 0 is normal. Images that no table names (``stage_2_test_images``) have no
label.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from medgen.data.images import stem_of
from medgen.data.source_file import Listing, SourceFile
from medgen.data.tree.boxes import box_of_row
from medgen.data.tree.read import read_tree
from medgen.data.tree.tables import Row, read_rows
from medgen.data.tree.walk import roots
from medgen.errors import DataError

ORDER = 24
MEANING = "a table of patientId and Target beside the images, as in RSNA"
NAME, TARGET, KIND = "patientid", "target", "class"


def _tables(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.suffix.lower() == ".csv" and _columns(path) >= {NAME, TARGET})
    except OSError:
        return []


def _columns(path: Path) -> set[str]:
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            return {name.strip().strip('"').lower() for name in file.readline().split(",")}
    except OSError:
        return set()


def _known(folder: Path) -> bool:
    return bool(_tables(folder))


def recognises(source: Path) -> bool:
    """Tell a folder with such a table, at most one level further down."""
    return bool(roots(source, _known, depth=1))


def read(source: Path) -> Listing:
    """Return the images with what the tables say of them; one that they do not name keeps a known class of its folder.

    Raises
    ------
    DataError : if there is no image, a table cannot be read or names no image, or the folder is a prepared data set.
    """
    rows: dict[str, list[Row]] = defaultdict(list)
    kinds: dict[str, str] = {}
    for folder in roots(source, _known, depth=1):
        for path in _tables(folder):
            for row in read_rows(path):
                rows[row[NAME]].append(row)
        for path in sorted(folder.glob("*.csv")):
            if _columns(path) >= {NAME, KIND}:
                kinds |= {row[NAME]: row[KIND] for row in read_rows(path)}
    listing = read_tree(source)
    entries = [_said(entry, rows.get(stem_of(entry.path), ()), kinds.get(stem_of(entry.path), "")) for entry in listing.entries]
    missing = len(rows) - sum(stem_of(entry.path) in rows for entry in entries)
    if missing == len(rows):
        raise DataError(f"'{source}': the tables name {len(rows)} images, none of which is there; put them below the table")
    notes = [f"{missing} of {len(rows)} images that the tables name are not there"] if missing else []
    return replace(listing, entries=entries, notes=[*listing.notes, *notes])


def _said(entry: SourceFile, rows: Sequence[Row], kind: str) -> SourceFile:
    if not rows and entry.label:
        return entry
    if not rows:
        return replace(entry, finding="", label="", boxes=(), annotated=False)
    boxes = tuple(dict.fromkeys(box for row in rows if (box := box_of_row(row))))
    positive = any(row[TARGET] not in ("0", "0.0", "") for row in rows)
    normal = not positive and kind.lower() in ("", "normal")
    finding = kind or ("abnormal" if positive else "normal")
    return replace(
        entry,
        finding=finding,
        label="normal" if normal else "abnormal",
        boxes=boxes,
        annotated=bool(boxes) or normal,
        split="",
    )
