"""Masks to their images: which files of a tree are masks, and which image each marks.

Masks lie in a folder that is called after them, beside the images' folders, directly or in folders of the same names or of the
image's own name; or beside their images under the image's name with _mask, _segmentation and so on behind it. Their suffix may be
another than the image's (.tif beside .jpg). An image may have several: what any of them marks is marked.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from medgen.data.images import stem_of
from medgen.data.source_file import MANIFEST, MARKED, Listing, MaskFile, SourceFile
from medgen.data.tree.class_names import FINDINGS, classes, normalised_name
from medgen.data.tree.mask_names import image_keys, image_of, is_mask_folder, is_named_mask, mask_keys
from medgen.data.tree.walk import Folders, folders_of
from medgen.errors import DataError

Index = dict[tuple[Folders, Folders, str], list[Path]]  # folder around the mask folder, folders in it, name


def divide(source: Path, paths: Sequence[Path]) -> tuple[list[Path], list[tuple[Path, int]]]:
    """Divide image files into pictures and masks, each mask with how many folders lead to that of its masks."""
    pictures: list[Path] = []
    masks: list[tuple[Path, int]] = []
    folders: dict[Folders, list[Path]] = defaultdict(list)
    for path in paths:
        inside = folders_of(path, source)
        depth = next((depth for depth, folder in enumerate(inside) if is_mask_folder(folder)), None)
        if depth is None:
            folders[inside].append(path)
        else:
            masks.append((path, depth))
    for inside, members in folders.items():
        stems = {stem_of(path).lower() for path in members}
        marked = {path for path in members if image_of(stem_of(path)).lower() in stems}
        if inside and len(folders) > 1 and all(is_named_mask(stem_of(path)) for path in members):
            masks += [(path, len(inside) - 1) for path in members]  # a folder of masks, whatever it is called
        else:
            masks += [(path, len(inside)) for path in members if path in marked]
            pictures += [path for path in members if path not in marked]
    return pictures, masks


def with_masks(source: Path, entries: list[SourceFile], masks: Sequence[tuple[Path, int]]) -> tuple[list[SourceFile], list[str]]:
    """Give each entry the masks that have its name; return the entries and a sentence on masks that have no image.

    Raises
    ------
    DataError : if a mask fits several images that may need it, or no mask any image.
    """
    if not masks:
        return entries, []
    index = _index(source, masks)
    matching = {entry.file: _masks_of(entry, index) for entry in entries}
    _match_elsewhere(entries, masks, matching)
    used = {mask for found in matching.values() for mask in found}
    if not used:
        example = masks[0][0].relative_to(source).as_posix()
        raise DataError(
            f"'{source}' holds {len(masks)} masks, but none has the name of an image, for example '{example}'; "
            "name each after its image, with or without _mask behind it"
        )
    left = [path for path, _ in masks if path not in used]
    notes = []
    if left:
        example = left[0].relative_to(source).as_posix()
        notes.append(f"{len(left)} of {len(masks)} masks have no image of their name and are left out, the first '{example}'")
    owners = _owners(entries, matching)
    return [_masked(entry, matching[entry.file]) if entry.file in owners else entry for entry in entries], notes


def labelled_by_masks(listing: Listing) -> Listing:
    """Let masks say which frames are normal where no folder does: one whose mask marks something is abnormal, else it is normal.

    A frame keeps what the class of its folder says. So does one of a class of an unknown name beside others whose names are
    known: an empty mask there says less than that class. Frames without a mask stay as they are.
    """
    classes_known = any(entry.label for entry in listing.entries)
    chosen = {
        entry.file
        for entry in listing.entries
        if entry.masks and not entry.label and not (classes_known and entry.finding)
        if normalised_name(entry.finding) not in FINDINGS
    }
    if not chosen:
        return listing
    note = (
        f"no folder says of {len(chosen)} of {len(listing.entries)} files whether they are normal, so that their masks do: "
        "a frame is abnormal where its mask marks something"
    )
    entries = [
        replace(entry, finding=entry.finding or MARKED, label_by_mask=True) if entry.file in chosen else entry
        for entry in listing.entries
    ]
    return replace(listing, entries=entries, notes=[*listing.notes, note])


def _index(source: Path, masks: Sequence[tuple[Path, int]]) -> Index:
    index: Index = defaultdict(list)
    for path, depth in masks:
        folders = folders_of(path, source)
        inner = folders[depth + 1 :]
        for key in mask_keys(stem_of(path)):
            index[folders[:depth], inner, key].append(path)
        if inner:  # a folder for each image, with several masks of any name in it
            index[folders[:depth], inner[:-1], inner[-1].lower()].append(path)
    return index


def _masks_of(entry: SourceFile, index: Index) -> tuple[Path, ...]:
    """Return the masks of one entry: of the nearest mask folder, and in it of the most alike folder."""
    folders = tuple(entry.file.split("/")[:-1])
    keys = image_keys(stem_of(entry.path))
    for depth in range(len(folders), -1, -1):
        below = folders[depth:]
        named = tuple(classes(below))
        for inner in dict.fromkeys((below, named, below[1:], named[-1:], below[:1], ())):
            for key in keys:
                if paths := index.get((folders[:depth], inner, key)):
                    return tuple(paths)
    return ()


def _match_elsewhere(
    entries: Sequence[SourceFile], masks: Sequence[tuple[Path, int]], matching: dict[str, tuple[Path, ...]]
) -> None:
    """Give the masks that fit no image near them to the only image of their name, wherever it lies."""
    used = {mask for found in matching.values() for mask in found}
    having: dict[str, list[SourceFile]] = defaultdict(list)
    for entry in entries:
        for key in image_keys(stem_of(entry.path)):
            having[key].append(entry)
    for path, _ in masks:
        if path not in used:
            owners = next((having[key] for key in mask_keys(stem_of(path)) if key in having), [])
            if len(owners) == 1 and (not matching[owners[0].file] or set(matching[owners[0].file]).isdisjoint(used)):
                matching[owners[0].file] += (path,)


def _owners(entries: Sequence[SourceFile], matching: dict[str, tuple[Path, ...]]) -> set[str]:
    """Return the files that keep their masks: of images of one name in several classes, the normal ones need none."""
    fits = Counter(mask for found in matching.values() for mask in found)
    taken: dict[Path, SourceFile] = {}
    owners = set()
    for entry in entries:
        found = matching[entry.file]
        if not found or (max(fits[mask] for mask in found) > 1 and entry.label == "normal"):
            continue
        owners.add(entry.file)
        for mask in found:
            other = taken.setdefault(mask, entry)
            if other is not entry:
                raise DataError(
                    f"the mask '{mask}' fits both '{other.file}' and '{entry.file}'; "
                    f"put masks into a folder for each class, or name them in a {MANIFEST}"
                )
    return owners


def _masked(entry: SourceFile, masks: tuple[Path, ...]) -> SourceFile:
    return replace(entry, masks=tuple(MaskFile(mask) for mask in masks), annotated=True)
