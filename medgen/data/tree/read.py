"""A folder and all below it to its images, each with the masks and boxes that have its name: what the layouts of folders share.

The innermost folder whose name is known is the finding; what lies below it is a patient, a video or a series. One that is called
images or frames names none, and the folder around it does. Hidden files and files that are no images (Thumbs.db, notes) are left
out. Links to folders are followed. What might be masks in a folder of an unknown name is refused.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from medgen.data.images import is_image, read_image, stem_of
from medgen.data.pixel_format import to_uint8
from medgen.data.source_file import Listing, SourceFile
from medgen.data.tree.boxes import with_boxes
from medgen.data.tree.class_names import (
    FINDINGS,
    SPLITS,
    class_depth,
    classes,
    finding_of,
    is_container,
    is_patient,
    label_of,
    normalised_name,
    split_of,
)
from medgen.data.tree.mask_names import image_keys, mask_keys
from medgen.data.tree.masks import divide, with_masks
from medgen.data.tree.related import with_relations
from medgen.data.tree.walk import Folders, files_below, folders_of, no_images
from medgen.errors import DataError, ImageError, number_of

SAMPLE = 20  # files of a folder whose names are looked for in others
LOOKED_AT = 3  # images of a folder that are opened to tell whether they are black and white
EDGE = 16  # levels that a lossy compression may move black and white by


def _keep_all(folders: Folders, name: str) -> bool:
    return False


def read_tree(source: Path, left_out: Callable[[Folders, str], bool] = _keep_all) -> Listing:
    """Return the images in a folder and below it, masks and boxes given to their images.

    Parameters
    ----------
    source : the folder
    left_out : tells by the folders and the name of a file that it is known to be no picture, and none is missed: copies, drawings

    Raises
    ------
    DataError : if there is no image, the folder is a prepared data set or cannot be read, masks do not fit, or a folder may hold
        masks and is not called so.
    """
    files = files_below(source)
    images: list[Path] = []
    others: list[Path] = []
    for path in files:
        (images if is_image(path) else others).append(path)
    kept = [path for path in images if not left_out(folders_of(path, source), path.name)]
    pictures, masks = divide(source, kept)
    if not pictures:
        raise no_images(source, len(files), len(masks))
    _refuse_doubtful(source, pictures)
    common = _common_depth(source, pictures)
    entries, notes = with_masks(source, [_entry(source, path, common) for path in pictures], masks)
    entries, box_notes, holding_boxes = with_boxes(with_relations(entries, common), others)
    used = {mask.path for entry in entries for mask in entry.masks}
    reasons = dict.fromkeys(holding_boxes, "")
    if len(kept) < len(images):
        reasons |= dict.fromkeys(set(images).difference(kept), "a drawing or a copy of another, as its folder or its name says")
    reasons |= dict.fromkeys((path for path, _ in masks if path not in used), "a mask that no image of its name needs")
    if count := len(images) - len(kept):
        are = number_of(count, "file is a drawing or copy", "files are drawings or copies")
        notes.append(f"{are} of the others, as the names of their folders say, and left out")
    return Listing(entries, [*notes, *box_notes], reasons)


def _entry(source: Path, path: Path, common: int | None) -> SourceFile:
    folders = folders_of(path, source)
    return SourceFile(path, "/".join((*folders, path.name)), *_said_by(folders, common), "")


@lru_cache(maxsize=1024)  # of the files of a folder one after the other
def _said_by(folders: Folders, common: int | None) -> tuple[str, str, str]:
    """Return label, finding and split of the files in nested folders."""
    finding = finding_of(folders, common)
    return label_of(finding), finding, split_of(folders)


def _common_depth(source: Path, pictures: Sequence[Path]) -> int | None:
    """Return how many folders lead to the classes that are known by name, where that is the same for all."""
    depths = set()
    for folders in {folders_of(path, source) for path in pictures}:
        named = classes(folders)
        depth = class_depth(named)
        if depth and normalised_name(named[depth - 1]) in FINDINGS:
            depths.add(depth)
    return depths.pop() if len(depths) == 1 else None


def _refuse_doubtful(source: Path, pictures: Sequence[Path]) -> None:
    """Refuse a folder of an unknown name whose files have the names of those in another: they may be masks or drawings of these.

    Beside a folder that is called images, any such folder is refused; elsewhere one whose frames are black and white.
    """
    folders: dict[Folders, list[Path]] = defaultdict(list)
    for path in pictures:
        folders[folders_of(path, source)].append(path)
    if all(not folder or _says_what_it_is(folder) for folder in folders):
        return
    having: dict[str, set[Folders]] = defaultdict(set)
    for folder, paths in folders.items():
        for path in paths:
            for key in image_keys(stem_of(path)):
                having[key].add(folder)
    for folder, paths in folders.items():
        if not folder or _says_what_it_is(folder):
            continue
        others = _namesakes(folder, paths, having)
        beside = [other for other in others if other and other[:-1] == folder[:-1] and is_container(other[-1])]
        if not others or not (beside or (_black_and_white(paths) and not _black_and_white(folders[others[0]]))):
            continue
        other = "/".join(beside[0] if beside else others[0]) or "."
        raise DataError(
            f"'{source}': the folder '{'/'.join(folder)}' has files of the names of those in '{other}': it may hold masks or "
            "drawings of these, and no frames of its own; call it masks, or move it out of the source"
        )


def _says_what_it_is(folders: Folders) -> bool:
    last = normalised_name(folders[-1])
    known = any(normalised_name(folder) in FINDINGS for folder in folders)
    return known or is_container(last) or last in SPLITS or is_patient(last, below_class=len(folders) > 1)


def _namesakes(folder: Folders, paths: Sequence[Path], having: Mapping[str, set[Folders]]) -> list[Folders]:
    """Return the other folders in which half of the first files of a folder have a namesake, without _mask behind it."""
    sample = paths[:SAMPLE]
    counts = Counter(
        other
        for path in sample
        for other in {other for key in mask_keys(stem_of(path)) for other in having.get(key, ())}
        if other != folder
    )
    return [other for other, count in counts.items() if 2 * count >= len(sample)]


def _black_and_white(paths: Sequence[Path]) -> bool:
    """Tell whether the first images hold two levels and no other, but for what a lossy compression leaves of them."""
    two = False
    for path in paths[:LOOKED_AT]:
        try:
            pixels = to_uint8(read_image(path).pixels)
        except ImageError:
            return False
        low, high = int(pixels.min()), int(pixels.max())
        between = np.mean((pixels > low + EDGE) & (pixels < high - EDGE))
        two |= high > low + 2 * EDGE
        if between > 0.05:
            return False
    return two
