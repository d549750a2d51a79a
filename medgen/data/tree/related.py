"""What folders and names say of frames that belong together: a folder of a patient or video, a common stem with a running number.

A stem says something where its number runs (case12_0001, case12_0002) and it is one of several in its folder: ISIC_0000001,
img_001 and 0001 name nobody, and one stem for a whole class would be the class and no patient. It must hold a digit itself:
polyp_01 and normal_01 in one folder are no patients, either.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from medgen.data.images import stem_of
from medgen.data.source_file import MANIFEST, SourceFile
from medgen.data.tree.class_names import class_depth, classes, patient_of

RUNNING = re.compile(r"(?P<stem>.*\d.*?)[-_ .]+(frame|image|img|slice|f|s|z)?[-_]?\d+", re.IGNORECASE)
NUMBER = re.compile(r"[a-z]{0,2}[-_]?\d+([-_.]\d+)*", re.IGNORECASE)  # 0017, P0017, 10253_2
SPLIT_AMONG = 3  # train, val and test


def _own_name(entry: SourceFile) -> str:
    return stem_of(entry.path)


def with_relations(
    entries: Sequence[SourceFile], common: int | None = None, name_of: Callable[[SourceFile], str] = _own_name
) -> list[SourceFile]:
    """Add what folders and names say to `SourceFile.related`, in front of what is there.

    Parameters
    ----------
    entries : the images of a source
    common : the depth of its known classes, where all have the same
    name_of : what an image is called where that is not the name of its file: without the number of a channel
    """
    stems = _stems(entries, name_of)
    unnamed = _unnamed_patients({tuple(entry.file.split("/")[:-1]) for entry in entries}, common)
    patients: dict[str, str] = {}  # of each folder
    known: dict[tuple[str, ...], tuple[str, ...]] = {}  # one for all frames that have the same
    related = []
    for entry in entries:
        folder = entry.file.rpartition("/")[0]
        if folder not in patients:
            folders = tuple(folder.split("/")) if folder else ()
            patients[folder] = patient_of(folders, common) or unnamed.get(folders, "")
        patient = patients[folder]
        keys = [f"folder:{patient}"] if patient else []
        keys += [stem] if (stem := stems.get(entry.file)) else []
        all_keys = tuple(dict.fromkeys([*keys, *entry.related]))
        related.append(entry if all_keys == entry.related else replace(entry, related=known.setdefault(all_keys, all_keys)))
    return related


def patients_of_one_name(entries: Sequence[SourceFile]) -> list[str]:
    """Return a sentence where folders of patients have one name in several classes, as nothing says whether they are the same."""
    keys = {key.removeprefix("folder:") for entry in entries for key in entry.related if key.startswith("folder:")}
    counts = Counter(key.rpartition("/")[2] for key in keys if "/" in key)
    shared = sorted(name for name, count in counts.items() if count > 1)
    if not shared:
        return []
    return [
        f"{len(shared)} folders of patients or videos have one name in several classes, the first '{shared[0]}', and are taken "
        f"for different ones; where they are the same, say so by the column group of a {MANIFEST}"
    ]


def _unnamed_patients(every: Collection[tuple[str, ...]], common: int | None) -> dict[tuple[str, ...], str]:
    """Return the patient of nested folders whose names alone do not say that they are patients, as `patient_of` writes it.

    Words below known classes (normal/mueller) and bare numbers above them (0017/normal) are patients where there are at least
    three of them: fewer may as well be two halves of an organ, and could not fill three splits.
    """
    below: set[str] = set()
    above: dict[tuple[str, ...], set[str]] = defaultdict(set)
    found: dict[tuple[str, ...], tuple[set[str], str]] = {}
    for folders in every:
        named = classes(folders)
        depth = class_depth(named, common)
        if patient_of(folders, common):
            continue
        if depth < len(named):
            below.add(named[depth])
            found[folders] = below, "/".join(named[: depth + 1])
        for position in range(depth - 1):
            if folders not in found and NUMBER.fullmatch(named[position]):
                siblings = above[tuple(named[:position])]
                siblings.add(named[position])
                found[folders] = siblings, "/".join(named[: position + 1])
    return {folders: patient for folders, (siblings, patient) in found.items() if len(siblings) >= SPLIT_AMONG}


def _stems(entries: Sequence[SourceFile], name_of: Callable[[SourceFile], str]) -> dict[str, str]:
    """Return the stem of each file whose name has one that says something, as "name:folder/stem"."""
    folders: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for entry in entries:
        if match := RUNNING.fullmatch(name_of(entry)):
            folder = entry.file.rpartition("/")[0]
            folders[folder].append((entry.file, match["stem"]))
    found: dict[str, str] = {}
    for folder, members in folders.items():
        counts = Counter(stem for _, stem in members)
        if len(counts) > 1:
            found |= {file: f"name:{folder}/{stem}" if folder else f"name:{stem}" for file, stem in members if counts[stem] > 1}
    return found
