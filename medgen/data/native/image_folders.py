"""Folders of images that are used whole, without cropping: class folders, pairs of frames, two domains."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medgen.data.contents import SAMPLE
from medgen.data.images import read_image, stem_of
from medgen.data.native.archives import ALL_FINDINGS, Archive
from medgen.data.pixel_format import to_uint8
from medgen.data.prepared import evenly_spaced
from medgen.data.preparing.groups import find_groups
from medgen.data.source_file import SourceFile
from medgen.data.sources import read_source
from medgen.data.storage.rows import LazyRows
from medgen.data.tree.class_names import SPLITS, split_of
from medgen.errors import DataError, ImageError
from medgen.files import digest_of

CACHED_BYTES = 1_000_000_000  # bytes: frames of a folder that are smaller together stay in memory once they were read
DOMAIN = re.compile(rf"({'|'.join(SPLITS)}|)[_-]?([ab])", re.IGNORECASE)  # a folder of one of two domains: A, trainB, test_a


class ImageFiles(LazyRows[np.uint8]):
    """Images of one size, one file each: decoded when they are asked for, and kept where all of them are small enough together.

    Grey frames among colour ones are repeated to three channels.

    Parameters
    ----------
    source : where they come from, for errors
    entries : the files; the first says size and channels
    beside : square frames beside each other in one file; `PairHalf` takes them apart

    Raises
    ------
    DataError : naming the file that cannot be read or is not like the first one, here and on every reading.
    """

    def __init__(self, source: Path, entries: Sequence[SourceFile], beside: int = 1) -> None:
        self._source, self._entries, self._beside = source, entries, beside
        first = self._decode(0)
        super().__init__((len(entries), *first.shape))
        keep = first.nbytes * len(entries) <= CACHED_BYTES
        self._kept: NDArray[np.uint8] | None = np.empty(self.shape, dtype=np.uint8) if keep else None
        self._has = np.zeros(len(entries), dtype=bool)

    def _read(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        if self._kept is None:
            return np.stack([self._like_first(row) for row in rows]) if len(rows) else np.empty((0, *self.shape[1:]), np.uint8)
        for row in np.unique(rows[~self._has[rows]]):
            self._kept[row] = self._like_first(row)
            self._has[row] = True
        return self._kept[rows]

    def _like_first(self, row: int) -> NDArray[np.uint8]:
        pixels, wanted = self._decode(row), self.shape[1:]
        if pixels.shape not in (wanted, (*wanted[:2], 1)):
            raise self._refusal(row, f"is {_measures(pixels.shape)}, the first frame {_measures(wanted)}")
        return np.broadcast_to(pixels, wanted)  # (S, S, 1) -> (S, S, 3)

    def _decode(self, row: int) -> NDArray[np.uint8]:
        try:
            image = read_image(self._entries[row].path, self._entries[row].frame or 0)
        except ImageError as error:
            raise self._refusal(row, f"cannot be read ({error})") from None
        if image.source != str(self._entries[row].path):
            raise self._refusal(row, "holds several frames")
        pixels = to_uint8(image.pixels)
        if pixels.shape[1] != self._beside * pixels.shape[0]:
            wanted = "square" if self._beside == 1 else f"{self._beside} squares beside each other"
            raise self._refusal(row, f"is {_measures(pixels.shape)}, not {wanted}")
        return pixels

    def _refusal(self, row: int, reason: str) -> DataError:
        if self._beside > 1:
            remedy = "pairs are side by side in images of one size, twice as wide as high, or in two folders, A and B"
        else:
            remedy = (
                "a folder is read at native size where all its images are single square frames of one size and colour: "
                f"otherwise use `medgen prepare {self._source} --out DIR`"
            )
        return DataError(f"'{self._entries[row].file}' {reason}; {remedy}")


class PairHalf(LazyRows[np.uint8]):
    """One of the frames that lie beside each other in each file.

    Parameters
    ----------
    files : (N, S, k S, C)
    position : which of the k frames of a file, counted from 0 at the left
    """

    def __init__(self, files: ImageFiles, position: int) -> None:
        count, side, _, channels = files.shape
        super().__init__((count, side, side, channels))
        self._files, self._position = files, position

    def _read(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        side = self.shape[1]
        return self._files[rows][:, :, self._position * side : (self._position + 1) * side]  # (n, S, 2 S, C) -> (n, S, S, C)


def _measures(shape: tuple[int, ...]) -> str:
    return f"{shape[1]} x {shape[0]} x {shape[2]}"


def read_folder(source: Path) -> Archive:
    """Open class folders or a manifest (`sources.read_source`) without cropping: all images square and of one size.

    Raises
    ------
    DataError : if there is no image, a file is missing, or the first image cannot be used.
    """
    entries = _present(source)
    return Archive(ImageFiles(source, entries), _table(entries), _states(entries))


def read_pairs(source: Path) -> Archive:
    """Open pairs: input and truth side by side in each image, input left, or two folders A and B with the same names in them.

    The folders may be trainA, trainB, testA, testB, or have folders of splits in or around them. What has no partner is left out
    and reported; no frame is ever paired with another one's partner. Every pair is normal.

    Raises
    ------
    DataError : if there is no pair, a file is missing, or the first image cannot be used.
    """
    entries = _present(source)
    domains = _domains(entries)
    if not domains["A"] and not domains["B"]:
        files = ImageFiles(source, entries, beside=2)
        return Archive(PairHalf(files, 0), _table(entries), _states(entries), (ALL_FINDINGS,), PairHalf(files, 1))
    keys = [key for key in domains["A"] if key in domains["B"]]
    both = domains["A"].keys() & domains["B"].keys()
    unmatched = [(entry.file, "has no partner") for kind in "AB" for key, entry in domains[kind].items() if key not in both]
    if not keys:
        raise DataError(f"'{source}': no name in A occurs in B; a pair is two images of the same name, one in each")
    inputs, truths = ([domains[kind][key] for key in keys] for kind in "AB")
    return Archive(
        ImageFiles(source, inputs),
        _table(inputs),
        _states(inputs + truths),
        (ALL_FINDINGS,),
        ImageFiles(source, truths),
        tuple(unmatched),
    )


def read_unpaired(source: Path) -> Archive:
    """Open two domains, A and B, in folders as `read_pairs` has them, whose frames do not belong together: A is normal, B not.

    Raises
    ------
    DataError : if there are no folders of both, a file is missing, or the first image cannot be used.
    """
    domains = _domains(_present(source))
    for kind, members in domains.items():
        if not members:
            raise DataError(f"'{source}' has no folder {kind} with images; expected A and B, or trainA, trainB, testA and testB")
    entries = [replace(entry, finding=kind) for kind, members in domains.items() for entry in members.values()]
    return Archive(ImageFiles(source, entries), _table(entries), _states(entries), ("A",))


def _present(source: Path) -> list[SourceFile]:
    entries = read_source(source)
    if missing := [entry.file for entry in entries if not entry.path.is_file()]:
        raise DataError(f"'{source}': {len(missing)} of {len(entries)} images do not exist, the first is '{missing[0]}'")
    return entries


def _table(entries: Sequence[SourceFile]) -> pd.DataFrame:
    columns = {name: [getattr(entry, name) for entry in entries] for name in ("finding", "label", "split")}
    return pd.DataFrame({"path": [entry.file for entry in entries], **columns, "group": _groups(entries)})


def _groups(entries: Sequence[SourceFile]) -> list[str]:
    """Return the group of each frame: the stated one, else what folders and names say, as in `prepare`.

    A patient whose frames the source itself has in several splits is a group in each of them, so that its splits stay.
    """
    groups = find_groups([entry.group for entry in entries], [entry.related for entry in entries], [e.file for e in entries], [])
    splits: dict[str, set[str]] = defaultdict(set)
    for group, entry in zip(groups, entries, strict=True):
        splits[group].add(entry.split)
    return [
        f"{group} {entry.split}" if len(splits[group]) > 1 and not entry.group else group
        for group, entry in zip(groups, entries, strict=True)
    ]


def _states(entries: Sequence[SourceFile]) -> list[tuple[str, int, str]]:
    """Return what tells these files from others: name and size of each, and of a sample the content, too."""
    sampled = {*evenly_spaced(len(entries), SAMPLE).tolist()}
    contents = [digest_of(entry.path) if row in sampled else "" for row, entry in enumerate(entries)]
    return [(entry.file, entry.path.stat().st_size, content) for entry, content in zip(entries, contents, strict=True)]


def _domains(entries: Sequence[SourceFile]) -> dict[str, dict[str, SourceFile]]:
    """Return what lies in folders of domain A and of B, by the name that partners share; what lies in neither is left out."""
    domains: dict[str, dict[str, SourceFile]] = {"A": {}, "B": {}}
    for entry in entries:
        folders, name = entry.file.split("/")[:-1], stem_of(entry.path)
        matches = [DOMAIN.fullmatch(folder) for folder in folders]
        if (match := next(filter(None, matches), None)) is None:
            continue
        rest = [(again[1] if again is match else folder) for folder, again in zip(folders, matches, strict=True)]
        split = split_of([match[1]]) or entry.split
        domains[match[2].upper()]["/".join([*rest, name])] = replace(entry, split=split, finding="", label="")
    return domains
