"""CVC-ClinicDB (Bernal et al. 2015, https://polyp.grand-challenge.org/CVCClinicDB): frames of polyps with masks.

The frames lie in ``Original``, their masks in ``Ground Truth``. Some archives have both as ``PNG`` and as ``TIF``, the same
frames twice: PNG is read. Where ``metadata.csv`` names the sequence of each frame, that is its group.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from medgen.data.images import stem_of
from medgen.data.source_file import Listing
from medgen.data.tree.class_names import normalised_name
from medgen.data.tree.read import read_tree
from medgen.data.tree.tables import read_rows
from medgen.data.tree.walk import Folders, children, files_below, is_below, is_hidden, roots

ORDER = 14
MEANING = "CVC-ClinicDB: polyps in Original, masks in Ground Truth"


def _known(folder: Path) -> bool:
    """Tell a folder of both whose files are numbered; other sets have folders of these names, too."""
    named = {normalised_name(child.name): child for child in children(folder)}
    if not {"original", "ground-truth"} <= named.keys():
        return False
    try:
        return all(path.stem.isdigit() for path in named["original"].iterdir() if not is_hidden(path.name))
    except OSError:
        return False


def recognises(source: Path) -> bool:
    """Tell a folder that has both, at most two levels further down."""
    return bool(roots(source, _known, depth=2))


def read(source: Path) -> Listing:
    """Return the frames, each a polyp; what lies beside the data set keeps the class of its folder.

    Raises
    ------
    DataError : if there is no image, the folder is a prepared data set or cannot be read, or masks do not fit.
    """
    found = roots(source, _known, depth=2)
    formats = {root.name.lower() for root in found}

    def is_copy(folders: Folders, name: str) -> bool:
        copies = "png" in formats and bool({"tif", "tiff"} & {folder.lower() for folder in folders})
        return copies and is_below(source.joinpath(*folders), found)

    listing = read_tree(source, is_copy)
    sequences = _sequences(source)
    entries = [
        replace(entry, finding="polyps", label="abnormal", group=sequences.get(stem_of(entry.path), ""))
        if is_below(entry.path, found)
        else entry
        for entry in listing.entries
    ]
    return replace(listing, entries=entries)


def _sequences(source: Path) -> dict[str, str]:
    """Return the sequence of each frame by its number, where the table is there."""
    tables = [path for path in files_below(source) if path.name == "metadata.csv"]
    rows = [row for path in tables for row in read_rows(path)]
    return {row["frame_id"]: f"sequence {row['sequence_id']}" for row in rows if row.get("frame_id") and row.get("sequence_id")}
