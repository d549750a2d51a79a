"""HyperKvasir (Borgli et al. 2020, https://doi.org/10.17605/OSF.IO/MH9SJ) as its archives unpack.

The archives may lie side by side, or one alone. ``labeled-images`` has the classes in folders of the tract and the kind of
finding. ``segmented-images`` has ``images``, ``masks`` and ``bounding-boxes.json`` of 1,000 labelled polyps: these are known as
polyps, and where the labelled archive is there, too, the copy is left out and the labelled frame gets the mask. Frames of
``unlabeled-images`` have no label.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from medgen.data.source_file import Listing, SourceFile
from medgen.data.tree.read import read_tree
from medgen.data.tree.walk import Folders, children, files_below, folders_of, roots

ORDER = 11
MEANING = "HyperKvasir: labelled, segmented and unlabelled images"
LABELLED, SEGMENTED, UNLABELLED = "labeled-images", "segmented-images", "unlabeled-images"


def _known(folder: Path) -> bool:
    names = {child.name for child in children(folder)}
    alone = folder.name == SEGMENTED or (folder / "bounding-boxes.json").is_file()
    return bool(names & {LABELLED, SEGMENTED, UNLABELLED}) or (alone and {"images", "masks"} <= names)


def recognises(source: Path) -> bool:
    """Tell a folder of these archives, at most one level further down, or the segmented images alone."""
    return bool(roots(source, _known, depth=1))


def read(source: Path) -> Listing:
    """Return the images of all archives, each once.

    Raises
    ------
    DataError : if there is no image, the folder is a prepared data set or cannot be read, or masks do not fit.
    """
    labelled = {path.name for path in files_below(source) if LABELLED in folders_of(path, source)}

    def is_copy(folders: Folders, name: str) -> bool:
        return _is_segmented(folders) and folders[-1] == "images" and name in labelled

    listing = read_tree(source, is_copy)
    return replace(listing, entries=[_named(entry) for entry in listing.entries])


def _is_segmented(folders: Folders) -> bool:
    return SEGMENTED in folders or folders == ("images",)


def _named(entry: SourceFile) -> SourceFile:
    segmented = _is_segmented(tuple(entry.file.split("/")[:-1]))
    return replace(entry, finding="polyps", label="abnormal") if segmented else entry
