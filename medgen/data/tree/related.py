"""What folders and names say of frames that belong together: a folder of a patient or video, a common stem with a running number.

A stem says something where its number runs (case12_0001, case12_0002) and it is one of several in its folder: ISIC_0000001,
img_001 and 0001 name nobody, and one stem for a whole class would be the class and no patient. It must hold a digit itself:
polyp_01 and normal_01 in one folder are no patients, either.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace

from medgen.data.class_names import patient_of
from medgen.data.images import stem_of
from medgen.data.source_file import SourceFile

RUNNING = re.compile(r"(?P<stem>.*\d.*?)[-_ .]+(frame|image|img|slice|f|s|z)?[-_]?\d+", re.IGNORECASE)


def with_relations(entries: Sequence[SourceFile], common: int | None = None) -> list[SourceFile]:
    """Add what folders and names say to `SourceFile.related`, in front of what is there.

    Parameters
    ----------
    entries : the images of a source
    common : the depth of its known classes, where all have the same
    """
    stems = _stems(entries)
    related = []
    for entry in entries:
        patient = patient_of(entry.file.split("/")[:-1], common)
        keys = [f"folder:{patient}"] if patient else []
        keys += [stem] if (stem := stems.get(entry.file)) else []
        related.append(replace(entry, related=tuple(dict.fromkeys([*keys, *entry.related]))))
    return related


def _stems(entries: Sequence[SourceFile]) -> dict[str, str]:
    """Return the stem of each file whose name has one that says something, as "name:folder/stem"."""
    folders: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for entry in entries:
        if match := RUNNING.fullmatch(stem_of(entry.path)):
            folder = entry.file.rpartition("/")[0]
            folders[folder].append((entry.file, match["stem"]))
    found: dict[str, str] = {}
    for folder, members in folders.items():
        counts = Counter(stem for _, stem in members)
        if len(counts) > 1:
            found |= {file: f"name:{folder}/{stem}" if folder else f"name:{stem}" for file, stem in members if counts[stem] > 1}
    return found
