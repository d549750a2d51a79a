"""The SUN database (Misawa et al. 2021, http://amed8k.sundatabase.org) and SUN-SEG (Ji et al. 2022, https://github.com/GewelsJI/VPS).

SUN unpacks to ``case1``, ``case2``, ... in a folder that is called after positive or negative cases, and ``annotation_txt``
with a box for each frame of a case. SUN-SEG has ``TrainDataset``, ``TestEasyDataset`` and ``TestHardDataset``, the last two
with ``Seen`` and ``Unseen``, each with ``Frame`` and the masks in ``GT``; its drawings (Edge, Scribble, Polygon) are left out.
case1_3 is a part of case1: all parts belong together. Frames of positive cases are polyps, those of negative cases normal;
polyps among the training frames are "unused".
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

from medgen.data.source_file import Listing, SourceFile
from medgen.data.tree.boxes import box_of, boxed
from medgen.data.tree.read import read_tree
from medgen.data.tree.walk import Folders, children, files_below, folders_of, is_below, roots
from medgen.types import Box

ORDER = 16
MEANING = "SUN or SUN-SEG: cases with and without polyps"
DRAWINGS = {"Edge", "Scribble", "Polygon", "Classification", "Detection"}
CASES = re.compile(r"(sun|sundatabase)[-_](positive|negative).*", re.IGNORECASE)
CASE = re.compile(r"(case\d+)([-_]\d+)?", re.IGNORECASE)


def _known(folder: Path) -> bool:
    if (folder / "Frame").is_dir() and (folder / "GT").is_dir():
        return _has_cases(folder / "Frame")
    return CASES.fullmatch(folder.name) is not None and _has_cases(folder)


def _has_cases(folder: Path) -> bool:
    return any(CASE.fullmatch(child.name) for child in children(folder))


def recognises(source: Path) -> bool:
    """Tell a folder of either, at most three levels further down."""
    return bool(roots(source, _known, depth=3))


def read(source: Path) -> Listing:
    """Return the frames of all cases; what lies beside the data set keeps the class of its folder.

    Raises
    ------
    DataError : if there is no image, the folder is a prepared data set or cannot be read, or masks do not fit.
    """

    def is_drawing(folders: Folders, name: str) -> bool:
        return bool(DRAWINGS & set(folders))

    listing = read_tree(source, is_drawing)
    boxes = _boxes(source)
    found = roots(source, _known, depth=3)
    entries = []
    for entry in listing.entries:
        placed = _placed(entry, source.name) if is_below(entry.path, found) else entry
        name = entry.path.name
        entries.append(boxed(placed, boxes[name]) if name in boxes and not entry.masks else placed)
    return replace(listing, entries=entries)


def _placed(entry: SourceFile, source: str) -> SourceFile:
    folders = [source, *entry.file.split("/")[:-1]]
    negative = any((match := CASES.fullmatch(folder)) and match[2].lower() == "negative" for folder in folders)
    part = next((folder for folder in folders if folder.endswith("Dataset")), "")
    split = "test" if part.startswith("Test") else "train" if part.startswith("Train") else ""
    if split == "train" and not negative:
        split = "unused"
    finding = "normal" if negative else "polyps"
    case = next((match[1].lower() for folder in folders if (match := CASE.fullmatch(folder))), "")
    related = (f"folder:{finding}/{case}",) if case else ()
    return replace(entry, finding=finding, label="normal" if negative else "abnormal", split=split, related=related)


def _boxes(source: Path) -> dict[str, list[Box]]:
    """Return the boxes of each frame by its name: lines of a name and of left, top, right, bottom and a class, with commas."""
    boxes: dict[str, list[Box]] = defaultdict(list)
    for path in files_below(source):
        if path.suffix == ".txt" and "annotation_txt" in folders_of(path, source):
            for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
                name, _, edges = line.partition(" ")
                numbers = [float(number) for number in edges.split(",")[:4] if number.strip().isdigit()]
                if len(numbers) == 4 and (box := box_of(*numbers)):
                    boxes[name].append(box)
    return boxes
