"""Part files to the data set: groups, splits, leaks and copies, for which all frames have to be known."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medgen.config import to_toml
from medgen.data.contents import side_tables, table_digest
from medgen.data.prepared import LEAKS, NEAR, PrepareSettings, columns_of, read_table
from medgen.data.preparing.alike.duplicates import likest_before, near_duplicates
from medgen.data.preparing.assembling.parts import read_contents
from medgen.data.preparing.assembling.store import store
from medgen.data.preparing.groups import find_groups, find_owners
from medgen.data.preparing.splits import split_prepared
from medgen.data.preparing.tally import blanked, tally
from medgen.data.preparing.video_frames import LeftOut
from medgen.data.scorable import noise_warning
from medgen.data.storage.arrays import open_arrays
from medgen.data.storage.shards import Arrays
from medgen.errors import DataError
from medgen.files import write_csv, write_text

RANKS = {"train": 0, "val": 1, "test": 2}  # a frame leaks into a split from those before it


def assemble(
    out: Path,
    parts: Sequence[Path],
    unread: pd.DataFrame,
    about: Mapping[str, object],
    notes: Sequence[str],
    settings: PrepareSettings,
    workers: int | None,
    hide: Callable[[str], str] = str,
    shards: int = 0,
) -> None:
    """Join the part files, divide their frames into splits, add the augmented copies and write the data set.

    Parameters
    ----------
    out : folder of the data set
    parts : files that hold them (`parts.part_files`), in the order of the frames
    unread : file, reason and kind of files that were not even opened
    about : source, digest, version, and which values are black and white
    notes : what the layout left out of the source, a sentence each
    settings : of the data set
    workers : threads; None is one for each core
    hide : what is kept of the digest of a source file
    shards : frames in each file of the arrays; 0 for one file of each

    Raises
    ------
    NothingReadError : if there is no frame at all.
    """
    index, failed, leaks, later, empty = _divide(parts, settings, hide)
    rejected = pd.concat([pd.DataFrame(failed, columns=list(unread.columns)), unread], ignore_index=True)
    kept = np.ones(len(index), dtype=bool)
    if settings.drop_leaks and later:
        kept[later] = False
        dropped = leaks[leaks["reason"] == NEAR]
        reasons = [f"near-duplicate of {path} in {split}" for path, split in zip(dropped["path"], dropped["split"], strict=True)]
        left_out = pd.DataFrame({"file": dropped["other"], "reason": reasons, "kind": "leak"})
        rejected = pd.concat([rejected, left_out], ignore_index=True)
        index = index[kept].reset_index(drop=True)
    index, layout = store(out, parts, index, kept, empty, settings, workers, shards)
    write_csv(out / "leaks.csv", leaks)
    write_csv(out / "rejected.csv", rejected)
    write_csv(out / "index.csv", index[columns_of(index)])
    arrays = open_arrays(out, layout, len(index), settings.size, settings.channels)
    said = _said(arrays, index, rejected, notes)
    if layout:
        said["shards"] = layout._asdict()
    del index  # it is read again, as whoever opens the data set will
    about = {**about, "table": table_digest(read_table(out / "index.csv")), "tables": side_tables(out)}
    write_text(out / "prepare.toml", to_toml({**about, **said, "settings": settings.model_dump(mode="json")}))


class NothingReadError(DataError):
    """None of the files could be read; `left_out` says why of each."""

    def __init__(self, left_out: Sequence[LeftOut]) -> None:
        self.left_out = left_out
        super().__init__(f"none of {len(left_out)} files could be read; the first: {left_out[0].file}: {left_out[0].reason}")


class _Divided(NamedTuple):
    """All frames of the part files.

    Attributes
    ----------
    table : one row a frame, with its group and split
    failed : of files and frames that are no frame of the data set
    leaks : what is alike across splits, and the groups that given splits divide
    later : rows of the frames that one of a split before theirs is nearly the same as
    empty : (N,) bool, whether a frame is of one colour
    """

    table: pd.DataFrame
    failed: list[LeftOut]
    leaks: pd.DataFrame
    later: list[int]
    empty: NDArray[np.bool_]


def _divide(parts: Sequence[Path], settings: PrepareSettings, hide: Callable[[str], str]) -> _Divided:
    """Join the tables of the part files and divide the frames; hashes and thumbnails are needed for that alone.

    Raises
    ------
    NothingReadError : if there is no frame at all.
    """
    index, failed, hashes, thumbnails, empty = read_contents(parts)
    if index.empty:
        raise NothingReadError(failed)
    index.loc[empty, "blanked"] = 1.0
    index["digest"] = index["digest"].map(hide)
    stated = index["group"] != ""
    owners = find_owners(index["group"].tolist(), index["related"].tolist())
    unknown = bool((owners < 0).any())  # else pairs could only join what belongs together anyway
    alike = near_duplicates(hashes, thumbnails=thumbnails, owners=owners) if unknown else []
    index["group"] = find_groups(index["group"].tolist(), index["related"].tolist(), index["path"].tolist(), alike)
    if settings.all_test:
        index["split"] = "test"
    else:
        index["split"] = split_prepared(index, settings.val_share, settings.test_share, settings.seed)
    pairs = _pairs_across(index, hashes, thumbnails)
    leaks = pd.concat([_leaks(index, pairs), _divided(index, stated)], ignore_index=True)
    return _Divided(index.drop(columns="related"), failed, leaks, [later for _, later in pairs], empty)


def _said(arrays: Arrays, index: pd.DataFrame, rejected: pd.DataFrame, notes: Sequence[str]) -> dict[str, object]:
    """Return what `prepare.toml` says of the frames: what is blanked, warnings and counts."""
    shown = index[index["copy"] == 0] if index["copy"].any() else index
    kinds = rejected["kind"].value_counts()
    counts = {
        "frames": len(index), "copies": len(index) - len(shown),
        "rejected": int(kinds.get("rejected", 0)), "ignored": int(kinds.get("ignored", 0)), "leaks": int(kinds.get("leak", 0)),
    }  # fmt: skip
    noise = noise_warning(shown, arrays.frames, arrays.valid)
    warnings = [*filter(None, [noise]), *notes, *tally(shown)]
    return {"blanked": [*blanked(shown)], "warnings": warnings, "counts": counts}


def _pairs_across(index: pd.DataFrame, hashes: NDArray[np.uint64], thumbnails: NDArray[np.uint8]) -> list[tuple[int, int]]:
    """Return for each frame of val and test the likest near-duplicate in a split before it, (of that split, frame)."""
    used = np.flatnonzero(index["split"].isin(list(RANKS)))
    rank = np.array([RANKS[split] for split in index["split"].iloc[used]], dtype=np.int64)
    if len(used) < len(index):  # else a copy would take as much memory again
        hashes, thumbnails = hashes[used], thumbnails[used]
    return [(int(used[a]), int(used[b])) for a, b in likest_before(hashes, thumbnails, rank)]


def _leaks(index: pd.DataFrame, pairs: Sequence[tuple[int, int]]) -> pd.DataFrame:
    """Return the near-duplicates across splits: of train or val, and of val or test."""
    paths, splits = index["path"].tolist(), index["split"].tolist()
    return pd.DataFrame([(paths[a], splits[a], paths[b], splits[b], NEAR) for a, b in pairs], columns=LEAKS)


def _divided(index: pd.DataFrame, stated: pd.Series) -> pd.DataFrame:
    """Return for each group that given splits divide the first frame in each of two splits; a stated group is whole."""
    used = index[index["split"].isin(list(RANKS)) & ~stated]
    firsts: dict[str, list[tuple[str, str]]] = {}
    for group, split, path in zip(used["group"], used["split"], used["path"], strict=True):
        members = firsts.setdefault(str(group), [])
        if split not in [other for _, other in members]:
            members.append((path, split))
    ranked = {group: sorted(members, key=lambda member: RANKS[member[1]]) for group, members in sorted(firsts.items())}
    rows = [
        (*members[0], *other, group.partition(":")[0])
        for group, members in ranked.items()
        if not group.startswith("auto:")
        for other in members[1:]
    ]
    return pd.DataFrame(rows, columns=LEAKS)
