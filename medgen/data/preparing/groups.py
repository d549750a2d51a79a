"""Which frames belong together, so that no split divides them: one patient, one video, one file, one scene.

A group that the source states wins. Of all other frames those belong together that share anything: the file that they come from,
the patient, study or series that the file names, a folder or a stem that says patient or video. Frames of which nothing of that
is known belong to those that they are nearly the same as. Two patients stay two, however alike their frames are: the outermost
slices of all brains are nearly the same.

What a file says of a patient is personal. It is kept as a keyed digest alone: the key is made of the names of the files, so that
the same patient has another digest in another data set, and no table made beforehand finds the number behind it. Whoever has the
files has the numbers anyway.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medgen.data.preparing.alike.duplicates import join

STATED = "stated"
KINDS: Mapping[str, str] = {
    STATED: "the source",
    "patient": "patient, as the files say",
    "study": "study, as the files say",
    "series": "series, as the files say",
    "folder": "folder of a patient or video",
    "name": "common stem of the names",
    "file": "file",
    "auto": "near-duplicates",
    "alone": "nothing: a frame alone",
}
"""Why frames are in one group, in the order in which a group is called after its reasons."""


def group_key(files: Iterable[str]) -> bytes:
    """Return the key of the digests of a data set, 32 bytes, of the paths of its files."""
    return blake2b("\n".join(sorted(files)).encode(), digest_size=32).digest()


def keyed_digest(identity: tuple[str, str], key: bytes) -> str:
    """Return what is kept of an identity, "patient:5f0c...", 16 hexadecimal digits; "" of none."""
    kind, value = identity
    return f"{kind}:{blake2b(value.encode(), key=key, digest_size=8).hexdigest()}" if value else ""


def find_groups(
    stated: Sequence[str], related: Sequence[Sequence[str]], paths: Sequence[str], alike: Sequence[tuple[int, int]]
) -> list[str]:
    """Return a group for each frame.

    Parameters
    ----------
    stated : group of each frame, "" where the source states none
    related : what each frame belongs to, each with its kind before a colon ("patient:5f0c", "folder:normal/p1", "file:a.dcm")
    paths : of the frames; the first of a group names it where nothing else does
    alike : pairs of rows that are near-duplicates

    Returns
    -------
    The stated group, or that of all that is joined by common relations and near-duplicates: called after the first relation that
    they have in the order of `KINDS`, else "auto:" and its first path.
    """
    owners = find_owners(stated, related)
    alike = [(a, b) for a, b in alike if not (stated[a] or stated[b]) and not 0 <= owners[a] != owners[b] >= 0]
    parts = join(len(paths), [*_of_one_owner(stated, related), *alike]).tolist()
    order = list(KINDS)
    names: dict[int, tuple[int, str]] = {}
    for part, keys, path in zip(parts, related, paths, strict=True):
        own = [(order.index(key.partition(":")[0]), key) for key in keys]
        names[part] = min([*own, names.get(part, (order.index("auto"), f"auto:{path}"))])
    return [group or names[part][1] for group, part in zip(stated, parts, strict=True)]


def find_owners(stated: Sequence[str], related: Sequence[Sequence[str]]) -> NDArray[np.int64]:
    """Return (N,) the number of the patient, video or file that each frame is known to belong to, -1 where nothing is known.

    Parameters
    ----------
    stated, related : of each frame, as `find_groups` takes them
    """
    owners = join(len(related), _of_one_owner(stated, related))
    return np.where([bool(group or keys) for group, keys in zip(stated, related, strict=True)], owners, -1)


def _of_one_owner(stated: Sequence[str], related: Sequence[Sequence[str]]) -> list[tuple[int, int]]:
    """Return the pairs of rows that share a relation, or the stated group, each with the first row that has it."""
    first: dict[str, int] = {}
    every = [[f"{STATED}:{group}"] if group else keys for group, keys in zip(stated, related, strict=True)]
    return [(earlier, row) for row, keys in enumerate(every) for key in keys if (earlier := first.setdefault(key, row)) != row]


def count_groups(groups: Sequence[str], stated: Sequence[bool], frames: Sequence[int]) -> pd.DataFrame:
    """Return by what frames are grouped: kind (`KINDS`), groups, frames; kinds that no group has are left out.

    Parameters
    ----------
    groups : of each row
    stated : whether the source states it
    frames : that each row stands for
    """
    table = (
        pd.DataFrame({"group": groups, "stated": stated, "frames": frames})
        .groupby("group", sort=False)
        .agg(stated=("stated", "any"), rows=("frames", "size"), frames=("frames", "sum"))
    )
    kind = pd.Series([str(name).partition(":")[0] for name in table.index], index=table.index, dtype=str)
    kind[(kind == "auto") & (table["rows"] == 1)] = "alone"
    kind[table["stated"]] = STATED
    counts = table.assign(kind=kind).groupby("kind").agg(groups=("frames", "size"), frames=("frames", "sum"))
    present = [name for name in KINDS if name in counts.index]
    return counts.loc[present].reset_index()


def findings_of_few_groups(index: pd.DataFrame) -> list[str]:
    """Return a sentence for each finding of normal frames whose one or two groups cannot fill three splits.

    Parameters
    ----------
    index : of a prepared data set
    """
    normal = index[index["label"] == "normal"].groupby("finding")
    counts = {str(finding): (frames["group"].nunique(), frames["split"].nunique()) for finding, frames in normal}
    return [
        f"'{finding or 'normal'}' has {groups} group{'s' if groups > 1 else ''} for three splits, so that training, calibration "
        "or test goes without; more patients or videos are needed"
        for finding, (groups, splits) in counts.items()
        if splits < 3 > groups
    ]
