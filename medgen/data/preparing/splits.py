"""Divide frames into train, val and test so that no group is ever divided and training sees normal frames only.

`split_prepared` is for frames that `prepare` has read: normal groups are shared out finding by finding, in the shares that the
user sets; training frames that are not normal were refused before. `split_archive` is for archives and folders that are opened as
they stand (`native.addresses`): the shares are fixed, frames are shared out whatever their finding, and those of train and val
that are not normal are put aside as "unused". They draw in different ways: one in place of the other would give other splits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medgen.data.scorable import LEAST_VALID
from medgen.errors import DataError

SHARE = 0.05  # of normal frames of an archive or folder, for val and for test each, where the source does not say
UNUSED = "unused"  # split of frames that no normal model learns from: abnormal ones of train and val, a pool out of test


def split_prepared(index: pd.DataFrame, val_share: float, test_share: float, seed: int) -> list[str]:
    """Return a split for each row of `index` (columns label, finding, split, group, perhaps blanked); a given one stays.

    A group with any frame that is not labelled normal goes to test as a whole. Of the normal groups of each finding, about
    `test_share` go to test and `val_share` to val; where that leaves val empty, the smallest of two or more training groups goes
    there. Where the source has train and test but no val, val is taken from train. Frames without a split follow the given one
    of their group. Where wholly normal groups hold less than half of the normal frames (each patient has slices with and without
    a finding), all groups with normal frames are shared out.

    Frames of train and val that are not normal are "unused". Groups whose frames all show too little to be scored are divided
    last and by themselves, so that none of them moves a frame that shows something.
    """
    shown = (1 - index["blanked"] >= LEAST_VALID) if "blanked" in index else pd.Series(True, index=index.index)
    scorable = shown.groupby(index["group"]).transform("any")
    splits = np.empty(len(index), dtype=object)
    for rows in (scorable.to_numpy(), ~scorable.to_numpy()):
        splits[rows] = _divided(index[rows], shown[rows], val_share, test_share, seed)
    return splits.tolist()


def _divided(index: pd.DataFrame, shown: pd.Series, val_share: float, test_share: float, seed: int) -> list[str]:
    given: dict[str, set[str]] = {}
    for group, split in zip(index["group"], index["split"], strict=True):
        given.setdefault(group, set()).update([split] if split else [])
    counts = Counter(index["group"][shown] if shown.any() else index["group"])
    learnt = _learnt_from(index, not any(given.values()))
    finding = index.groupby("group")["finding"].agg("min").to_dict()
    splits = {group: min(given[group], default="" if learnt[group] else "test") for group in sorted(counts)}
    carve_val = "train" in splits.values() and not any("val" in stated for stated in given.values())
    for kind in sorted(set(finding.values())):
        members = [group for group in splits if finding[group] == kind]
        _share_out(
            splits, [group for group in members if not splits[group]], counts, {"test": test_share, "val": val_share}, seed
        )
        if carve_val:
            _share_out(splits, [group for group in members if given[group] == {"train"}], counts, {"val": val_share}, seed)
    movable = [group for group in splits if splits[group] == "train" and given[group] <= ({"train"} if carve_val else set())]
    if "val" not in splits.values() and len(movable) > 1:
        splits[min(movable, key=lambda group: (counts[group], group))] = "val"
    rows = zip(index["group"], index["split"], index["label"], strict=True)
    return [_split_of_row(split, splits[group], len(given[group]) > 1, label) for group, split, label in rows]


def _learnt_from(index: pd.DataFrame, free: bool) -> dict[str, bool]:
    """Return which groups are shared out: wholly normal ones, or all with normal frames where those hold too few."""
    normal = index["label"].eq("normal")
    wholly = normal.groupby(index["group"]).all()
    few = 2 * int((normal & index["group"].map(wholly)).sum()) < int(normal.sum())
    learnt = normal.groupby(index["group"]).any() if free and few else wholly
    return {str(group): bool(value) for group, value in learnt.items()}


def _split_of_row(given: str, of_group: str, divided: bool, label: str) -> str:
    """Return the split of a frame: its group's, unless the source divides that; "unused" if it is learnt from and not normal."""
    split = given if given and (divided or given != "train") else of_group
    return UNUSED if split in ("train", "val") and label != "normal" else split


def _share_out(splits: dict[str, str], members: list[str], counts: Counter[str], shares: dict[str, float], seed: int) -> None:
    """Hand the groups `members` in random order to the splits named in `shares`, the rest to train."""
    total = sum(counts[group] for group in members)
    order = np.random.default_rng(seed).permutation(len(members))
    room = {split: share * total for split, share in shares.items()}
    for position in order:
        group = members[position]
        target = next((split for split, left in room.items() if left >= counts[group] / 2 and left > 0), "train")
        if target != "train":
            room[target] -= counts[group]
        splits[group] = target


def split_archive(table: pd.DataFrame, seed: int) -> pd.Series:
    """Return a split for each row of `table` (label, split, group); vectorised, as archives hold hundreds of thousands of frames.

    A group with a frame that is not normal goes to test as a whole. Where the source names no splits and that would take most
    normal frames along, all groups with normal frames are shared out, as `split_prepared` does it.

    Raises
    ------
    DataError : where the given splits divide a group.
    """
    split, group, normal = table["split"], table["group"], table["label"] == "normal"
    stated = split.mask((split == "") | (split.isin(["train", "val"]) & ~normal))
    divided = stated.groupby(group).nunique() > 1
    if divided.any():
        raise DataError(f"group '{divided.idxmax()}' is in several splits; put all frames of a group into one split")
    split = split.mask(split == "", stated.groupby(group).transform("first").fillna(""))  # a group stays together
    learnt = normal.groupby(group).transform("all")
    if (split == "").all() and 2 * int((normal & learnt).sum()) < int(normal.sum()):
        learnt = normal.groupby(group).transform("any")
    split = split.mask((split == "") & ~learnt, "test")
    split = split.mask(split.isin(["train", "val"]) & ~normal, UNUSED)
    split[split == ""] = _whole_groups(group[split == ""], {"val": SHARE, "test": SHARE}, seed)
    if "val" not in set(split):
        split[split == "train"] = _whole_groups(group[split == "train"], {"val": SHARE}, seed)
    return split.mask(split.isin(["train", "val"]) & ~normal, UNUSED)


def _whole_groups(group: pd.Series, shares: Mapping[str, float], seed: int) -> NDArray[np.object_]:
    """Return a split for each frame: whole groups in random order to those in `shares`, the rest to train.

    The first split has at least one group, the smallest if need be, where there are two or more.
    """
    codes, names = pd.factorize(group)
    counts = np.bincount(codes, minlength=len(names))
    order = np.random.default_rng(seed).permutation(len(names))
    middle = np.cumsum(counts[order]) - counts[order] / 2  # (groups,) where each lies in the line of all frames
    ends = np.cumsum(list(shares.values())) * len(codes)
    split_index = np.empty(len(names), dtype=np.int64)
    split_index[order] = np.searchsorted(ends, middle)
    if len(names) > 1 and not (split_index == 0).any():
        split_index[order[np.argmin(counts[order])]] = 0
    return np.array([*shares, "train"], dtype=object)[split_index[codes]]


def hold_out(index: pd.DataFrame, share: float, seed: int) -> pd.Series:
    """Return the splits with about `share` of the abnormal test frames, and all that is in their groups, in split "unused".

    Raises
    ------
    DataError : if there are not two groups of abnormal test frames.
    """
    abnormal = (index["split"] == "test") & (index["label"] == "abnormal")
    groups = index["group"][abnormal]
    if groups.nunique() < 2:
        raise DataError(
            f"data.pool_share holds out groups of abnormal test frames, but there are {groups.nunique()}; set it to 0"
        )
    held_out = _whole_groups(groups, {UNUSED: share}, seed) == UNUSED
    if held_out.all():
        raise DataError(f"data.pool_share={share} leaves no abnormal frames to test; choose a smaller one")
    return index["split"].mask((index["split"] == "test") & index["group"].isin(set(groups[held_out])), UNUSED)
