"""The Medical Segmentation Decathlon (Antonelli et al. 2022) and nnU-Net (Isensee et al. 2021).

Volumes lie in ``imagesTr`` and ``imagesTs``, masks in ``labelsTr``. A volume has the name of its mask; in nnU-Net's, a channel
of four digits behind it: the first one, _0000, is read. A slice is abnormal where its mask marks something. Volumes without a
mask (imagesTs) have no label. What the numbers in the masks mean is in ``dataset.json``.
"""

from __future__ import annotations

import re
from pathlib import Path

from medgen.data.images import is_image, stem_of
from medgen.data.source_file import Listing, MaskFile, SourceFile
from medgen.data.tree.tables import read_json_file
from medgen.data.tree.walk import files_below, folders_of, no_images, roots
from medgen.errors import DataError

ORDER = 21
MEANING = "volumes in imagesTr and labelsTr, as in MSD and nnU-Net"
CHANNEL = re.compile(r"(?P<case>.+)_(?P<channel>\d{4})")
PARTS = {"imagesTr": "labelsTr", "imagesTs": "labelsTs", "imagesVal": "labelsVal"}


def _known(folder: Path) -> bool:
    return (folder / "imagesTr").is_dir()


def recognises(source: Path) -> bool:
    """Tell a folder with imagesTr, at most two levels further down."""
    return bool(roots(source, _known, depth=2))


def read(source: Path) -> Listing:
    """Return the volumes of all parts.

    Raises
    ------
    DataError : if there is no volume, or the folder is a prepared data set or cannot be read.
    """
    files = files_below(source)
    found = roots(source, _known, depth=2)
    entries, notes = [], []
    for root in found:
        listed, other_channels, lost = _entries(source, root, files)
        entries += listed
        name = root.name
        if other_channels:
            notes.append(f"'{name}': channel 0000 of each volume is read; {other_channels} files of other channels are left out")
        if lost:
            notes.append(f"'{name}': {lost} masks have no volume of their name and are left out")
        if meaning := _meaning(root):
            notes.append(f"'{name}': the masks hold {meaning}; all but 0 is taken for a finding, unless its numbers are named")
    if not entries:
        raise no_images(source, len(files), 0)
    return Listing(entries, notes)


def _entries(source: Path, root: Path, files: list[Path]) -> tuple[list[SourceFile], int, int]:
    """Return the volumes of one data set, how many files of other channels there are, and how many masks without a volume."""
    inside = [path for path in files if path.is_relative_to(root) and is_image(path)]
    masks = {(path.parent.name, stem_of(path)): path for path in inside if path.parent.name in PARTS.values()}
    names = _names(root)
    finding = next(iter(names.values())) if len(names) == 1 else "marked"
    entries, others = [], 0
    for path in inside:
        folder = next((folder for folder in folders_of(path, root) if folder in PARTS), "")
        if not folder:
            continue
        stem, match = stem_of(path), CHANNEL.fullmatch(stem_of(path))
        mask = masks.pop((PARTS[folder], stem), None)
        if mask is None and match:
            if match["channel"] != "0000":
                others += 1
                continue
            mask = masks.pop((PARTS[folder], match["case"]), None)
        file = path.relative_to(source).as_posix()
        marked = (MaskFile(mask),) if mask else ()
        entries.append(
            SourceFile(
                path, file, "", finding if marked else "", "", "", marked, annotated=bool(marked), label_by_mask=bool(marked)
            )
        )
    return entries, others, len(masks)


def _meaning(root: Path) -> str:
    """Return what dataset.json calls the numbers in the masks ("1 liver, 2 cancer"), where there are several."""
    names = _names(root)
    return ", ".join(f"{number} {name}" for number, name in names.items()) if len(names) > 1 else ""


def _names(root: Path) -> dict[str, str]:
    """Return the name of each number in the masks but 0 from dataset.json, which MSD and nnU-Net write the other way round."""
    try:
        labels = read_json_file(root / "dataset.json")["labels"]
        named = {str(number): str(name) for number, name in labels.items() if str(number).isdigit()} or {
            str(number): str(name) for name, number in labels.items()
        }
    except (DataError, AttributeError, KeyError, TypeError):
        return {}
    named.pop("0", None)
    return named
