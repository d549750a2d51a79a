"""What SimpleITK says of a file; called in a process of its own alone (`medgen.data.apart.reader_process`)."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any, TypeVar

import SimpleITK
from numpy.typing import NDArray

from medgen.data.apart.memory import allow

T = TypeVar("T")
BYTES = 8 * 4  # of a value: the longest type, packed, unpacked, copied and handed over


def header(path: str) -> tuple[dict[str, Any], None]:
    """Return the header of a file: sizes (X, Y, ...), components, direction (row by row) and spacing."""
    reader = _opened(path)
    facts = {
        "size": reader.GetSize(),
        "components": reader.GetNumberOfComponents(),
        "direction": reader.GetDirection(),
        "spacing": reader.GetSpacing(),
    }
    return facts, None


def voxels(path: str) -> tuple[dict[str, Any], NDArray[Any]]:
    """Return the voxels of a file, (Z, Y, X) or (Z, Y, X, 3) of the type that it has, without Z where it has none."""
    reader = _opened(path)
    allow(BYTES * prod(reader.GetSize()) * reader.GetNumberOfComponents())
    return {}, SimpleITK.GetArrayFromImage(_try(reader.Execute))


def _opened(path: str) -> SimpleITK.ImageFileReader:
    allow(0)
    reader = SimpleITK.ImageFileReader()
    with open(path, "rb") as file:  # noqa: PTH123 - a Path would change nothing
        is_nrrd = file.read(4) == b"NRRD"
    reader.SetImageIO("NrrdImageIO" if is_nrrd else "MetaImageIO")  # SimpleITK goes by suffixes in small letters
    reader.SetFileName(path)
    _try(reader.ReadImageInformation)
    return reader


def _try(read: Callable[[], T]) -> T:
    """Call ITK, of whose long error only the reason is kept: the rest are places in its own source."""
    try:
        return read()
    except RuntimeError as error:
        raise RuntimeError(str(error).rpartition("ITK ERROR: ")[2].rpartition("): ")[2]) from error
