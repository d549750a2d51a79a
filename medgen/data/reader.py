"""What a file in `medgen.data.readers` offers: each reads one format, or a family of them."""

from __future__ import annotations

from io import BufferedReader
from pathlib import Path
from typing import Protocol, runtime_checkable

from medgen.data.pixel_format import FileFrames


class Reader(Protocol):
    """What a file in `medgen.data.readers` offers.

    Attributes
    ----------
    SUFFIXES : of the files that are meant as images, in lower case with their dots; "" where a file may have none
    """

    SUFFIXES: frozenset[str]

    def recognises(self, head: bytes, suffix: str) -> bool:
        """Tell whether a file is of this format.

        Parameters
        ----------
        head : its first `HEAD` bytes, fewer where it is shorter
        suffix : of its name, for formats that begin with no signature
        """

    def open_frames(self, file: BufferedReader) -> FileFrames:
        """Return how many frames a file holds, from its header, and an iterator that decodes one after the other.

        A frame is upright and holds the values of the file (`pixel_format.StoredFrame`); `pixel_format.stored` makes one of an
        array of a usual type. Its size is checked before it is decoded (`pixel_format.check_size`). Infinite values are refused,
        NaN is a pixel without a value (`pixel_format.check_finite`). Nothing is computed in the type that the file has, in which
        it may run over. What fails raises an ImageError with the reason; other exceptions are turned into one.

        A library that takes seconds to import is imported within the functions that need it: all readers are imported to learn
        their suffixes.

        Parameters
        ----------
        file : at its beginning; it stays open until the iterator ends. For libraries that open files by name, it has `file.name`.
        """


@runtime_checkable
class HasAxes(Protocol):
    """What a reader offers, besides, whose files may not say what their axes mean."""

    def open_with_axes(self, file: BufferedReader, axes: str) -> FileFrames:
        """Read a file as `open_frames` does, with axes in words (`pixel_format.split_axes`)."""


@runtime_checkable
class HasMasks(Protocol):
    """What a reader offers, besides, whose files may hold a picture and its mask."""

    def open_mask(self, file: BufferedReader, axes: str) -> FileFrames:
        """Read the mask of a file; `axes` are those of its image, "" where they are not stated."""


@runtime_checkable
class HasParts(Protocol):
    """What a reader offers, besides, whose files may be headers of pixels in other files."""

    def parts(self, path: Path) -> list[Path]:
        """Return the files that hold the pixels of a header, whether or not they are there."""
