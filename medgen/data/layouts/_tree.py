"""A folder and all below it to its images, each with the mask that has its name: what the layouts of folders share.

The innermost folder is the finding; one that is called images or frames names none, and the folder around it does. Masks lie in a
folder called masks or ground_truth beside the images' folders, directly or in folders of the same names, each with its image's
name, ``_mask`` behind it or not. Hidden files and files that are no images (Thumbs.db, notes, tables) are left out. Links to
folders are followed.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from medgen.data.class_names import MASKS, classes, finding_of, label_of, normalised_name, split_of
from medgen.data.images import is_image, stem_of, suffixes
from medgen.data.source_file import MANIFEST, MaskFile, SourceFile
from medgen.errors import DataError

Folders = tuple[str, ...]


def read_tree(source: Path) -> list[SourceFile]:
    """Return the images in a folder and below it, masks given to their images.

    Raises
    ------
    DataError : if there is no image, the folder is a prepared data set or cannot be read, or masks do not fit.
    """
    if (source / "prepare.toml").is_file():
        raise DataError(f"'{source}' is a prepared data set; expected a folder of images as they came from the camera")
    files = list(walk(source))
    if not files:
        raise DataError(f"'{source}' is empty; expected images, a folder of images for each class, or a {MANIFEST}")
    entries, masks = [], []
    for path in filter(is_image, files):
        folders = path.relative_to(source).parts[:-1]
        if any(normalised_name(folder) in MASKS for folder in folders):
            masks.append((path, folders))
        else:
            finding = finding_of(folders)
            file = path.relative_to(source).as_posix()
            entries.append(SourceFile(path, file, label_of(finding), finding, split_of(folders), ""))
    if not entries:
        only = f" but {len(masks)} masks" if masks else ""
        count = f"{len(files)} file{'s' if len(files) > 1 else ''}"
        raise DataError(f"'{source}' holds {count}, none of them an image{only}; expected {', '.join(suffixes())}")
    return _with_masks(source, entries, masks) if masks else entries


def walk(source: Path) -> Iterator[Path]:
    """Yield all files that are not hidden, below links too, each folder once."""

    def refuse(error: OSError) -> None:
        raise DataError(f"cannot read the folder '{error.filename}': {error.strerror}")

    visited = set()
    for folder, below, names in os.walk(source, followlinks=True, onerror=refuse):
        real = os.path.realpath(folder)
        if real in visited:  # a link that leads back up
            below.clear()
            continue
        visited.add(real)
        below[:] = sorted(name for name in below if not name.startswith((".", "__MACOSX")))
        yield from (Path(folder, name) for name in sorted(names) if not name.startswith("."))


def _with_masks(source: Path, entries: list[SourceFile], masks: list[tuple[Path, Folders]]) -> list[SourceFile]:
    """Give each entry the mask that has its name.

    Raises
    ------
    DataError : if a mask fits several images that may need it, an image several masks, or no mask any image.
    """
    index: dict[tuple[Folders, Folders, str], list[Path]] = defaultdict(list)  # folder of the mask folder, folders in it, name
    for path, folders in masks:
        depth = next(depth for depth, folder in enumerate(folders) if normalised_name(folder) in MASKS)
        index[folders[:depth], folders[depth + 1 :], stem_of(path)].append(path)
    matching = {entry.file: _mask_of(entry, index) for entry in entries}
    if not any(matching.values()):
        example = masks[0][0].relative_to(source).as_posix()
        raise DataError(
            f"'{source}' holds {len(masks)} masks, but none has the name of an image, for example '{example}'; "
            "name each after its image, with or without _mask behind it"
        )
    fits = Counter(mask for mask in matching.values() if mask)
    # of images of one name in several classes, the normal ones need no mask
    needs_mask = [entry for entry in entries if (mask := matching[entry.file]) and (fits[mask] == 1 or entry.label != "normal")]
    taken: dict[Path | None, SourceFile] = {}
    for entry in needs_mask:
        other = taken.setdefault(matching[entry.file], entry)
        if other is not entry:
            raise DataError(
                f"the mask '{matching[entry.file]}' fits both '{other.file}' and '{entry.file}'; "
                f"put masks into a folder for each class, or name them in a {MANIFEST}"
            )
    owners = {entry.file for entry in taken.values()}
    return [_masked(entry, matching[entry.file]) if entry.file in owners else entry for entry in entries]


def _masked(entry: SourceFile, mask: Path | None) -> SourceFile:
    return replace(entry, masks=(MaskFile(mask),), annotated=True) if mask else entry


def _mask_of(entry: SourceFile, index: dict[tuple[Folders, Folders, str], list[Path]]) -> Path | None:
    """Return the mask of one entry: the nearest mask folder first, and in it the most alike folder."""
    folders = tuple(entry.file.split("/")[:-1])
    for depth in range(len(folders), -1, -1):
        below = folders[depth:]
        named = tuple(classes(below))
        for inner in (below, named, named[-1:], below[:1], ()):
            for name in (stem_of(entry.path), f"{stem_of(entry.path)}_mask", f"{stem_of(entry.path)}-mask"):
                if paths := index.get((folders[:depth], inner, name)):
                    if len(paths) > 1:
                        raise DataError(f"'{entry.file}' has two masks, '{paths[0]}' and '{paths[1]}'; keep one")
                    return paths[0]
    return None
