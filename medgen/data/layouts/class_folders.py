"""A folder for each class, at any depth, in or around folders of splits or not; masks in folders of their own.

``normal/a.jpg``, ``polyps/b.jpg``, ``masks/b.png``; ``train/normal/a.jpg``, ``test/polyps/b.jpg``. Where no folder is
called after a class (``images/a.jpg``, ``masks/a.png``), masks say which frames are normal.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from medgen.data.source_file import Listing
from medgen.data.tree.masks import labelled_by_masks
from medgen.data.tree.read import read_tree
from medgen.data.tree.related import patients_of_one_name

ORDER = 40
MEANING = "folders of classes"


def recognises(source: Path) -> bool:
    """Tell any folder."""
    return source.is_dir()


def read(source: Path) -> Listing:
    """Return the images of all class folders.

    Raises
    ------
    DataError : if there is no image, the folder is a prepared data set or cannot be read, or masks do not fit.
    """
    listing = labelled_by_masks(read_tree(source))
    return replace(listing, notes=[*listing.notes, *patients_of_one_name(listing.entries)])
