"""The layout of MVTec AD, MVTec LOCO, VisA as one class, and anomalib: ``train/good`` beside ``test``, masks in ``ground_truth``.

What lies in test under a name that `class_names.FINDINGS` does not know is abnormal there: a scratch, a broken edge. LOCO has
``validation/good`` besides, and several masks for an image in a folder of its name. The source may be one category or a folder of
categories (bottle, cable, ...).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from medgen.data.source_file import Listing, SourceFile
from medgen.data.tree.class_names import FINDINGS, normalised_name
from medgen.data.tree.read import read_tree
from medgen.data.tree.walk import is_below, roots

ORDER = 25
MEANING = "train/good and test, as in MVTec AD and LOCO"


def _known(folder: Path) -> bool:
    return (folder / "train" / "good").is_dir() and (folder / "test").is_dir()


def recognises(source: Path) -> bool:
    """Tell a folder that has both, or a folder of such folders."""
    return bool(roots(source, _known, depth=1))


def read(source: Path) -> Listing:
    """Return the images of train, validation and test; what lies beside a category keeps the class of its folder.

    Raises
    ------
    DataError : if there is no image, the folder is a prepared data set or cannot be read, or masks do not fit.
    """
    listing = read_tree(source)
    found = roots(source, _known, depth=1)
    return replace(listing, entries=[_labelled(entry) if is_below(entry.path, found) else entry for entry in listing.entries])


def _labelled(entry: SourceFile) -> SourceFile:
    """Return an entry without patients, whose finding is the folder of its defect."""
    folders = entry.file.split("/")[:-1]
    finding = folders[-1] if folders else ""  # an overview beside train and test
    known = normalised_name(finding) in FINDINGS
    label = "abnormal" if entry.split == "test" and not known else entry.label
    return replace(entry, finding=finding, label=label)
