"""Images directly in a folder, without folders below it: no finding and no label but what masks beside them say."""

from __future__ import annotations

import os
from pathlib import Path

from medgen.data.source_file import Listing
from medgen.data.tree.masks import labelled_by_masks
from medgen.data.tree.read import read_tree
from medgen.data.tree.walk import is_hidden

ORDER = 30
MEANING = "images in one folder, without classes"


def recognises(source: Path) -> bool:
    """Tell a folder that has none in it but hidden ones."""
    try:
        if not source.is_dir():
            return False
        with os.scandir(source) as entries:  # which knows what is a folder without looking at each file
            return not any(entry.is_dir() and not is_hidden(entry.name) for entry in entries)
    except OSError:  # whoever reads the folder says what is wrong with it
        return False


def read(source: Path) -> Listing:
    """Return the images of the folder.

    Raises
    ------
    DataError : if there is no image, or the folder is a prepared data set.
    """
    return labelled_by_masks(read_tree(source))
