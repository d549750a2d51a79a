"""MedIAnomaly (Cai et al. 2025, https://github.com/caiyu6666/MedIAnomaly): lists in ``data.json``, or folders of BraTS2021.

RSNA, VinCXR, BrainTumor and LAG have ``images`` and a ``data.json`` of file names: for train and for test those of "0", normal,
and of "1", abnormal; training frames of any other name ("unlabeled") are "unused". BraTS2021 has ``train`` (all normal) and
``test`` with ``normal``, ``tumor`` and masks in ``annotation``. Its Camelyon16 is laid out as in BMAD, its ISIC2018_Task3 as
ISIC has it.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path, PurePath

from medgen.data.images import is_image
from medgen.data.source_file import Listing, SourceFile
from medgen.data.tree.class_names import SPLITS
from medgen.data.tree.read import read_tree
from medgen.data.tree.related import with_relations
from medgen.data.tree.tables import read_json_file
from medgen.data.tree.walk import roots, walk
from medgen.errors import DataError

ORDER = 17
MEANING = "MedIAnomaly: lists of images in data.json, or normal and tumor"
LABEL_OF = {"0": ("normal", "normal"), "1": ("abnormal", "abnormal")}  # finding and label


def _listed(folder: Path) -> bool:
    if not (folder / "data.json").is_file() or not (folder / "images").is_dir():
        return False
    try:
        content = read_json_file(folder / "data.json")
    except DataError:
        return False
    return isinstance(content, dict) and any(isinstance(lists, dict) and "0" in lists for lists in content.values())


def _brats(folder: Path) -> bool:
    return (folder / "train").is_dir() and (folder / "test" / "tumor").is_dir() and (folder / "test" / "annotation").is_dir()


def recognises(source: Path) -> bool:
    """Tell a folder of one set, or of several."""
    return bool(roots(source, _listed, depth=1)) or _brats(source)


def read(source: Path) -> Listing:
    """Return the images that the lists name, or those of the folders.

    Raises
    ------
    DataError : if a list is none, or there is no image.
    """
    if _brats(source):
        listing = read_tree(source)
        return replace(listing, entries=[_of_training(entry) for entry in listing.entries])
    entries: dict[str, SourceFile] = {}
    notes = []
    for folder in roots(source, _listed, depth=1):
        listed = _entries(source, folder)
        entries |= listed
        names = {entry.path for entry in listed.values()}
        if left := sum(path not in names and is_image(path) for path in walk(folder / "images") if path.is_file()):
            notes.append(f"{left} images of '{folder.name}' stand in no list of its data.json and are left out")
    if not entries:
        raise DataError(f"the data.json of '{source}' names no images")
    return Listing(with_relations(list(entries.values())), notes)


def _of_training(entry: SourceFile) -> SourceFile:
    return replace(entry, finding="normal", label="normal") if entry.split == "train" else entry


def _entries(source: Path, folder: Path) -> dict[str, SourceFile]:
    entries = {}
    try:
        for part, lists in read_json_file(folder / "data.json").items():
            for kind, names in _flat(lists):
                finding, label = LABEL_OF.get(kind, (kind, ""))
                split = SPLITS[part.lower()]
                if split != "test" and label != "normal":
                    split = "unused"
                for name in names:
                    if PurePath(name).is_absolute() or ".." in PurePath(name).parts:
                        raise TypeError(f"'{name}' leads out of the folder of images")
                    path = folder / "images" / name
                    file = path.relative_to(source).as_posix()
                    entries[file] = SourceFile(path, file, label, finding, split, "")
    except (AttributeError, KeyError, TypeError) as error:
        raise DataError(
            f"'{folder / 'data.json'}' is no list as MedIAnomaly has it ({error}); expected names of files below train and test, "
            'below "0" and "1"'
        ) from None
    return entries


def _flat(lists: dict[str, object]) -> list[tuple[str, list[str]]]:
    """Return the lists of names with the outermost key that stands above each: "unlabeled" has lists of its own."""
    flat: list[tuple[str, list[str]]] = []
    for kind, names in lists.items():
        if isinstance(names, dict):
            flat += [(kind, inner) for _, inner in _flat(names)]
        elif isinstance(names, list):
            flat.append((kind, [str(name) for name in names]))
    return flat
