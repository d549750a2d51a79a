"""Kvasir-SEG (Jha et al. 2020, https://datasets.simula.no/kvasir-seg): polyps with masks.

They lie in ``images`` and ``masks``, beside ``kavsir_bboxes.json``. Later archives have drawings in ``annotated_images`` and
tables in ``bbox``, too; masks say more than boxes.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from medgen.data.source_file import Listing
from medgen.data.tree.read import read_tree
from medgen.data.tree.walk import Folders, is_below, roots

ORDER = 12
MEANING = "Kvasir-SEG: polyps with masks"
DRAWINGS = {"annotated_images", "bbox"}


def _known(folder: Path) -> bool:
    named = folder.name.lower() == "kvasir-seg" or (folder / "kavsir_bboxes.json").is_file()  # the authors' spelling
    return named and (folder / "images").is_dir()


def recognises(source: Path) -> bool:
    """Tell a folder of this name or with its table of boxes."""
    return bool(roots(source, _known, depth=1))


def read(source: Path) -> Listing:
    """Return the images, each a polyp; what lies beside the data set keeps the class of its folder.

    Raises
    ------
    DataError : if there is no image, the folder is a prepared data set or cannot be read, or masks do not fit.
    """

    found = roots(source, _known, depth=1)

    def is_drawing(folders: Folders, name: str) -> bool:
        return bool(DRAWINGS & set(folders))

    listing = read_tree(source, is_drawing)
    entries = [
        replace(entry, finding="polyps", label="abnormal") if is_below(entry.path, found) else entry for entry in listing.entries
    ]
    return replace(listing, entries=entries)
