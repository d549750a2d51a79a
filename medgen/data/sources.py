"""A folder, table or single file to the images in it: their class, label, split, group and mask. No image is opened.

Each file in `medgen.data.layouts` whose name does not begin with an underscore is a way in which folders and files mean
something, and keeps the contract of `Layout`. A new file there is a new layout: nothing else has to be told. Of those that
recognise a source the first in their stated order reads it.

The label of a finding is what `tree.class_names.FINDINGS` says, unless the layout knows better; what neither knows has no label
and is never taken for normal.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Protocol, cast, runtime_checkable

from medgen.data import layouts
from medgen.data.images import suffixes
from medgen.data.source_file import Listing, SourceFile, as_text, nearest
from medgen.errors import DataError, did_you_mean
from medgen.types import LABELS

BY_NAME = "name:"  # how relations begin that a common stem of names says


class Layout(Protocol):
    """What a file in `medgen.data.layouts` offers.

    Attributes
    ----------
    ORDER : of those that recognise a source, the layout with the lowest number reads it; no two have the same
    MEANING : what is understood of a source, in a few words, for whoever inspects it
    """

    ORDER: int
    MEANING: str

    def recognises(self, source: Path) -> bool:
        """Tell whether an existing file or folder is laid out in this way; quick, and without an exception."""

    def read(self, source: Path) -> Listing:
        """Return the images of a source that was recognised, in any order, and what was left out.

        Raises
        ------
        DataError : if there is no image, or what is there contradicts itself.
        """


@runtime_checkable
class HasModalities(Protocol):
    """What a layout offers, besides, whose images were taken in several ways at the same place: the sequences of an MRI."""

    def read_modality(self, source: Path, modality: str) -> Listing:
        """Read a source as `read` does, which takes the usual modality; here it has a name, in upper or lower case.

        Raises
        ------
        DataError : if there is no such modality; it names those that there are.
        """


@cache
def all_layouts() -> Mapping[str, Layout]:
    """Return the modules that understand layouts by their names, in the order in which they are asked."""
    names = [info.name for info in pkgutil.iter_modules(layouts.__path__) if not info.name.startswith("_")]
    modules = {name: cast(Layout, import_module(f"{layouts.__name__}.{name}")) for name in names}
    return MappingProxyType(dict(sorted(modules.items(), key=lambda item: item[1].ORDER)))


def layout_of(source: Path) -> Layout:
    """Return the layout that reads a source.

    Raises
    ------
    DataError : if there is no such file or folder, or no layout recognises it.
    """
    if not source.exists():
        kind, _, path = str(source).partition(":")
        if path and Path(path).exists():
            raise DataError(
                f"'{source}' is opened as it stands by commands that take a data set, such as train, score and audit; "
                f"raw frames have no '{kind}:' before their path"
            )
        raise DataError(f"there is no file or folder '{source}'{nearest(source)}")
    for layout in all_layouts().values():
        if layout.recognises(source):
            return layout
    raise DataError(f"'{source}' is not an image; expected a folder, a .csv, or one of {', '.join(suffixes())}")


def read_source(source: Path, assume: str = "", group_names: bool = True, modality: str = "") -> list[SourceFile]:
    """Return the images of a source alone, as `list_source` lists them.

    Raises
    ------
    DataError : if there is nothing to read, or a manifest or the masks do not fit.
    """
    return list_source(source, assume, group_names, modality).entries


def list_source(source: Path, assume: str = "", group_names: bool = True, modality: str = "") -> Listing:
    """List the images of a folder, manifest or single file, sorted by `SourceFile.file`, and what is no image.

    Parameters
    ----------
    source : folder, .csv or image
    assume : label of the images whose label the source does not say
    group_names : whether a common stem with a running number relates frames
    modality : which of several images of the same place is meant, in the source's own words; "" is the layout's choice

    Raises
    ------
    DataError : if there is nothing to read, or a manifest or the masks do not fit, or there is no such modality.
    """
    return in_stated_order(_read(source, modality), assume, group_names)


def in_stated_order(listing: Listing, assume: str = "", group_names: bool = True) -> Listing:
    """Return what was found in any order, as `list_source` returns it.

    Raises
    ------
    DataError : if there is no such label to assume.
    """
    if assume and assume not in LABELS:
        raise DataError(f"cannot assume the label '{assume}'; {did_you_mean(assume, LABELS)}")
    entries = listing.entries
    if assume:
        entries = [entry if entry.label or entry.label_by_mask else replace(entry, label=assume) for entry in entries]
    if not group_names:
        entries = [
            replace(entry, related=tuple(key for key in entry.related if not key.startswith(BY_NAME))) for entry in entries
        ]
    return replace(listing, entries=sorted(map(_as_text, entries), key=_natural), notes=[*map(as_text, listing.notes)])


def _as_text(entry: SourceFile) -> SourceFile:
    """Return a file with names that can be stored and shown; nearly all are so already."""
    named = (entry.file, entry.finding, entry.group, *entry.related)
    if all(text.isascii() or as_text(text) == text for text in named):
        return entry
    file, finding, group, *related = map(as_text, named)
    return replace(entry, file=file, finding=finding, group=group, related=tuple(related))


def _read(source: Path, modality: str) -> Listing:
    layout = layout_of(source)
    if not modality:
        return layout.read(source)
    if isinstance(layout, HasModalities):
        return layout.read_modality(source, modality)
    listing = layout.read(source)
    return replace(listing, notes=[*listing.notes, f"modality '{modality}' is not looked for: {layout.MEANING} names none"])


def _natural(entry: SourceFile) -> tuple[str, int, str]:
    """Order by file, frames of one file by their number."""
    frame = -1 if entry.frame is None else entry.frame
    return entry.whole, frame, entry.file


def check_splits(entries: Sequence[SourceFile]) -> None:
    """Check the splits that a source gives: none divides a group, and only normal images are trained on or calibrated with.

    Of images that their masks label nobody knows it yet; those that turn out to be abnormal are not learnt from.

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
    learnt = [entry for entry in entries if entry.split in ("train", "val") and not entry.label_by_mask]
    wrong = [entry for entry in learnt if entry.label != "normal"]
    if wrong:
        first_one = f"'{wrong[0].file}' ({wrong[0].split}, {wrong[0].label or 'no label'})"
        raise DataError(
            f"{len(wrong)} training or validation images are not labelled normal, the first {first_one}; models learn from "
            "normal images alone: move the others to test, or assume that unlabelled ones are normal"
        )
