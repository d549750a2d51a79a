"""PolypGen (Ali et al. 2023, https://doi.org/10.7303/syn26376615): frames of six centres and sequences, with masks.

``data_C1/images_C1`` and ``masks_C1`` (names with _mask behind them) up to C6 are single frames of polyps;
``sequenceData/positive/seq1/images_seq1`` and ``masks_seq1`` are sequences with polyps, ``sequenceData/negativeOnly/seq1_neg``
those without, which are normal. The frames of a sequence belong together. Frames with boxes drawn on them (``bbox_image_C1``)
and ``imagesAll_positive``, which has all again, are left out.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from medgen.data.source_file import Listing, SourceFile
from medgen.data.tree.read import read_tree
from medgen.data.tree.walk import Folders, children, is_below, roots

ORDER = 15
MEANING = "PolypGen: single frames of centres, sequences with and without polyps"
CENTRE = re.compile(r"images_C\d")
REPEATED = re.compile(r"bbox.*|(images|masks)All_positive", re.IGNORECASE)


def _known(folder: Path) -> bool:
    names = {child.name for child in children(folder)}
    return any(map(CENTRE.fullmatch, names)) or bool({"negativeOnly", "positive"} <= names)


def recognises(source: Path) -> bool:
    """Tell a folder of one centre, of the sequences, or of all, at most two levels further down."""
    return bool(roots(source, _known, depth=2))


def read(source: Path) -> Listing:
    """Return the frames of all centres and sequences, each once; what lies beside them keeps the class of its folder.

    Raises
    ------
    DataError : if there is no image, the folder is a prepared data set or cannot be read, or masks do not fit.
    """

    def is_repeated(folders: Folders, name: str) -> bool:
        return any(map(REPEATED.fullmatch, folders))

    listing = read_tree(source, is_repeated)
    found = roots(source, _known, depth=2)
    return replace(listing, entries=[_labelled(entry) if is_below(entry.path, found) else entry for entry in listing.entries])


def _labelled(entry: SourceFile) -> SourceFile:
    negative = "negativeOnly" in entry.file.split("/")
    return replace(entry, finding="normal" if negative else "polyps", label="normal" if negative else "abnormal")
