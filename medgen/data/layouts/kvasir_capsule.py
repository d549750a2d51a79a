"""Kvasir-Capsule (Smedsrud et al. 2021, https://osf.io/dv2ag): ``labelled_images`` with a folder for each of 14 classes.

Names such as 04a78ef00c5245e0_888.jpg are a video and a frame: the frames of a video belong together, whatever class they are
of. ``metadata.csv`` has the corners of boxes. Where the two files of ``official_splits`` are there, split_0 is for training and
split_1 is the test; abnormal frames of split_0 are "unused".
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from medgen.data.images import stem_of
from medgen.data.source_file import Listing, SourceFile
from medgen.data.tree.class_names import normalised_name
from medgen.data.tree.read import read_tree
from medgen.data.tree.tables import read_rows
from medgen.data.tree.walk import children, files_below, roots

ORDER = 13
MEANING = "Kvasir-Capsule: classes, with the video in each name"
CLASSES = frozenset(
    {
        "ampulla-of-vater", "angiectasia", "blood-fresh", "blood-hematin", "erosion", "erythema", "foreign-body",
        "ileocecal-valve", "lymphangiectasia", "normal-clean-mucosa", "reduced-mucosal-view",
    }
)  # fmt: skip  # other sets have the remaining three, too
VIDEO = re.compile(r"(?P<video>[0-9a-f]{12,})_\d+")
SPLITS = {"split_0.csv": "train", "split_1.csv": "test"}


def _known(folder: Path) -> bool:
    found = {normalised_name(child.name) for child in children(folder)}
    return len(found & CLASSES) >= (1 if folder.name == "labelled_images" else 2)


def recognises(source: Path) -> bool:
    """Tell a folder of its classes, at most two levels further down."""
    return bool(roots(source, _known, depth=2))


def read(source: Path) -> Listing:
    """Return the frames of all classes.

    Raises
    ------
    DataError : if there is no image, the folder is a prepared data set or cannot be read, or a table cannot be read.
    """
    listing = read_tree(source)
    tables = {path.name: path for path in files_below(source) if path.name in SPLITS}
    splits: dict[str, str] = {}
    if len(tables) == len(SPLITS):
        for name, path in tables.items():
            splits |= {row["filename"]: SPLITS[name] for row in read_rows(path) if row.get("filename")}
    return replace(listing, entries=[_placed(entry, splits) for entry in listing.entries])


def _placed(entry: SourceFile, splits: dict[str, str]) -> SourceFile:
    match = VIDEO.fullmatch(stem_of(entry.path).lower())
    split = splits.get(entry.path.name, entry.split)
    if split == "train" and entry.label != "normal":
        split = "unused"
    return replace(entry, split=split, related=(f"name:{match['video']}",) if match else entry.related)
