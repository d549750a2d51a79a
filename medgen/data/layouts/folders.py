"""What files on disk mean: path -> file, finding, label, split, group, mask.

Three layouts are understood.

(a) A ``manifest.csv`` in the folder, or a .csv that is named directly: `manifest.read_manifest`.
(b) A folder for each class, at any depth, below train, val and test or not. The innermost folder is the finding; one that is
    called images or frames names none, and the folder around it does. ``train/good`` beside ``test`` is the layout of MVTec and
    anomalib: what lies in test under a name that `FINDINGS` does not know is abnormal there. Masks lie in a folder called masks
    or ground_truth beside the images' folders, directly or in folders of the same names, each with its image's name, ``_mask``
    behind it or not.
(c) Images directly in the folder: no finding, no label.

The label of a finding is what `FINDINGS` says; what it does not know has no label and is never taken for normal.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from medgen.data.images import is_image, stem_of, suffixes
from medgen.data.layouts.class_names import FINDINGS, MASKS, SourceFile, classes, finding_of, label_of, normalised_name, split_of
from medgen.data.layouts.manifest import nearest, read_manifest
from medgen.errors import DataError, did_you_mean
from medgen.types import LABELS

__all__ = ["FINDINGS", "SourceFile", "check_splits", "read_source"]

MANIFEST = "manifest.csv"
Folders = tuple[str, ...]


def read_source(source: Path, assume: str = "") -> list[SourceFile]:
    """List the images of a folder, manifest or single file, sorted by `SourceFile.file`. No image is opened.

    Hidden files and files that are no images (Thumbs.db, notes, tables) are left out. Links to folders are followed.

    Parameters
    ----------
    source : folder, .csv or image
    assume : label of the images whose label the source does not say

    Raises
    ------
    DataError : if there is nothing to read, or a manifest or the masks do not fit.
    """
    if assume and assume not in LABELS:
        raise DataError(f"cannot assume the label '{assume}'; {did_you_mean(assume, LABELS)}")
    if not source.exists():
        kind, _, path = str(source).partition(":")
        if path and Path(path).exists():
            raise DataError(
                f"'{source}' is opened as it stands by commands that take a data set, such as train, score and audit; "
                f"raw frames have no '{kind}:' before their path"
            )
        raise DataError(f"there is no file or folder '{source}'{nearest(source)}")
    if source.is_dir():
        manifest = source / MANIFEST
        entries = read_manifest(manifest) if manifest.is_file() else _read_folder(source)
    elif source.suffix.lower() == ".csv":
        entries = read_manifest(source)
    elif is_image(source):
        entries = [SourceFile(source, source.name, "", "", "", "", None)]
    else:
        raise DataError(f"'{source}' is not an image; expected a folder, a .csv, or one of {', '.join(suffixes())}")
    labelled = (entry if entry.label else replace(entry, label=assume) for entry in entries)
    return sorted(labelled, key=lambda entry: entry.file)


def check_splits(entries: Sequence[SourceFile]) -> None:
    """Check the splits that a source gives: none divides a group, and only normal images are trained on or calibrated with.

    Raises
    ------
    DataError : naming the group and both splits, or how many images are not normal and the first of them.
    """
    first: dict[str, SourceFile] = {}
    for entry in entries:
        if entry.group and entry.split:
            other = first.setdefault(entry.group, entry)
            if other.split != entry.split:
                raise DataError(
                    f"group '{entry.group}' is divided: '{other.file}' is in {other.split}, '{entry.file}' in {entry.split}; "
                    "put all images of a group into one split"
                )
    wrong = [entry for entry in entries if entry.split in ("train", "val") and entry.label != "normal"]
    if wrong:
        first_one = f"'{wrong[0].file}' ({wrong[0].split}, {wrong[0].label or 'no label'})"
        raise DataError(
            f"{len(wrong)} training or validation images are not labelled normal, the first {first_one}; models learn from "
            "normal images alone: move the others to test, or assume that unlabelled ones are normal"
        )


def _read_folder(source: Path) -> list[SourceFile]:
    if (source / "prepare.toml").is_file():
        raise DataError(f"'{source}' is a prepared data set; expected a folder of images as they came from the camera")
    files = list(_walk(source))
    if not files:
        raise DataError(f"'{source}' is empty; expected images, a folder of images for each class, or a {MANIFEST}")
    placed = [(path, path.relative_to(source).parts[:-1]) for path in files if is_image(path)]
    entries, masks = [], []
    for path, folders in placed:
        if any(normalised_name(folder) in MASKS for folder in folders):
            masks.append((path, folders))
        else:
            entries.append(_entry(source, path, folders))
    if not entries:
        only = f" but {len(masks)} masks" if masks else ""
        count = f"{len(files)} file{'s' if len(files) > 1 else ''}"
        raise DataError(f"'{source}' holds {count}, none of them an image{only}; expected {', '.join(suffixes())}")
    if (source / "train" / "good").is_dir() and (source / "test").is_dir():
        entries = [_as_in_mvtec(entry) for entry in entries]
    return _with_masks(source, entries, masks) if masks else entries


def _walk(source: Path) -> Iterator[Path]:
    """Yield all files that are not hidden, below links too, each folder once."""

    def refuse(error: OSError) -> None:
        raise DataError(f"cannot read the folder '{error.filename}': {error.strerror}")

    seen = set()
    for folder, below, names in os.walk(source, followlinks=True, onerror=refuse):
        real = os.path.realpath(folder)
        if real in seen:  # a link that leads back up
            below.clear()
            continue
        seen.add(real)
        below[:] = sorted(name for name in below if not name.startswith((".", "__MACOSX")))
        yield from (Path(folder, name) for name in sorted(names) if not name.startswith("."))


def _entry(source: Path, path: Path, folders: Folders) -> SourceFile:
    finding = finding_of(folders)
    return SourceFile(path, path.relative_to(source).as_posix(), label_of(finding), finding, split_of(folders), "", None)


def _as_in_mvtec(entry: SourceFile) -> SourceFile:
    known = not entry.finding or normalised_name(entry.finding) in FINDINGS
    return entry if known or entry.split != "test" else replace(entry, label="abnormal")


def _with_masks(source: Path, entries: list[SourceFile], masks: list[tuple[Path, Folders]]) -> list[SourceFile]:
    """Give each entry the mask that has its name.

    Raises
    ------
    DataError : if a mask fits several images that may need it, an image several masks, or no mask any image.
    """
    index: dict[tuple[Folders, Folders, str], list[Path]] = defaultdict(list)  # folder of the mask folder, folders in it, name
    for path, folders in masks:
        depth = next(place for place, folder in enumerate(folders) if normalised_name(folder) in MASKS)
        index[folders[:depth], folders[depth + 1 :], stem_of(path)].append(path)
    found = {entry.file: _mask_of(entry, index) for entry in entries}
    if not any(found.values()):
        one = masks[0][0].relative_to(source).as_posix()
        raise DataError(
            f"'{source}' holds {len(masks)} masks, but none has the name of an image, for example '{one}'; "
            "name each after its image, with or without _mask behind it"
        )
    fits = Counter(mask for mask in found.values() if mask)
    # of images of one name in several classes, the normal ones need no mask
    needs_mask = [entry for entry in entries if (mask := found[entry.file]) and (fits[mask] == 1 or entry.label != "normal")]
    taken: dict[Path | None, SourceFile] = {}
    for entry in needs_mask:
        other = taken.setdefault(found[entry.file], entry)
        if other is not entry:
            raise DataError(
                f"the mask '{found[entry.file]}' fits both '{other.file}' and '{entry.file}'; "
                f"put masks into a folder for each class, or name them in a {MANIFEST}"
            )
    owners = {entry.file for entry in taken.values()}
    return [replace(entry, mask=found[entry.file]) if entry.file in owners else entry for entry in entries]


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
