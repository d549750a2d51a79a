"""Small copies of data sets as they lie on disk: trees of files, most of them empty, as no layout opens an image."""

from __future__ import annotations

from pathlib import Path

import pytest

from medgen.data.source_file import Listing, SourceFile
from medgen.data.sources import layout_of, list_source, read_source
from medgen.errors import DataError


def tree(root: Path, *files: str) -> Path:
    """Make empty files below a folder, and return the folder."""
    for file in files:
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def text(root: Path, file: str, content: str) -> Path:
    """Write a text below a folder, and return the folder."""
    path = root / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    return root


def read_by(name: str, source: Path) -> dict[str, SourceFile]:
    """Return the images of a source by their files, and check which layout understood it."""
    listing = listed_by(name, source)
    return {entry.file: entry for entry in listing.entries}


def listed_by(name: str, source: Path) -> Listing:
    """Return what a source holds, and check which layout understood it."""
    assert layout_of(source).__name__.rpartition(".")[2] == name
    return list_source(source)


def facts(entry: SourceFile) -> tuple[str, str, str]:
    """Return what is said of every image."""
    return entry.finding, entry.label, entry.split


def masks_of(entry: SourceFile, source: Path) -> list[str]:
    """Return the masks of an image as paths below the source."""
    return [mask.path.relative_to(source).as_posix() for mask in entry.masks]


def refusal(source: Path, assume: str = "") -> str:
    """Return the one line by which a source is refused."""
    with pytest.raises(DataError) as error:
        read_source(source, assume)
    assert "\n" not in str(error.value)
    return str(error.value)
