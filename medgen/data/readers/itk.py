"""MetaImage (.mha, .mhd) and NRRD (.nrrd, .nhdr) to frames, through SimpleITK, which the extra ``itk`` installs."""

from __future__ import annotations

import re
from collections.abc import Callable
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from medgen.data.pixel_format import FileFrames
from medgen.data.readers import _volume
from medgen.data.readers._volume import Voxels, check_volume
from medgen.errors import ImageError

if TYPE_CHECKING:
    import SimpleITK

T = TypeVar("T")
SUFFIXES = frozenset({".mha", ".mhd", ".nrrd", ".nhdr"})
HEADER = 1 << 16  # bytes in which a header names the files of its pixels
DATA_FILE = re.compile(rb"^(?:ElementDataFile[ \t]*=|data ?file:)[ \t]*(.*?)[ \t\r]*$", re.MULTILINE | re.IGNORECASE)
PATTERN = re.compile(r"([^%]*%0?\d*d[^%]*?)\s+(-?\d+)\s+(-?\d+)\s+(-?\d+)(?:\s+\d+)?")  # name, first, last, step
MOST_PARTS = 10_000
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0])


def recognises(head: bytes, suffix: str) -> bool:
    """Tell NRRD by its magic and MetaImage by its first key."""
    return head.startswith(b"NRRD") or (suffix in (".mha", ".mhd") and b"=" in head[:80])


def parts(path: Path) -> list[Path]:
    """Return the files that a header names: one, a list of them, or a pattern such as ``slice%03d.raw 1 20 1``."""
    with path.open("rb") as file:
        head = file.read(HEADER)
    found = DATA_FILE.search(head)
    if found is None:
        return []
    name = found[1].decode(errors="replace")
    if name.upper().startswith("LIST"):
        names = head[found.end() :].decode(errors="replace").split("\n")
    elif pattern := PATTERN.fullmatch(name):
        first, last, step = (int(number) for number in pattern.groups()[1:])
        names = [pattern[1] % number for number in range(first, min(last, first + MOST_PARTS) + 1, max(1, step))]
    else:
        names = [name] if name.upper() != "LOCAL" else []
    return [path.parent / name.strip() for name in names if name.strip()]


def open_frames(file: BufferedReader) -> FileFrames:
    """Read a picture or volume; the voxels of a .mhd or .nhdr lie in the file that it names.

    Returns
    -------
    uint8 is rendered as it is, grey or RGB; all else keeps its values, and its whole range is that of the volume. Slice k is
    index k of the third axis, turned upright (`_volume.slices`).

    Raises
    ------
    ImageError : if SimpleITK is not installed; on more than three dimensions, pixels that are neither numbers nor RGB,
        infinity, or more than `MAX_VOLUME` voxels.
    """
    try:
        import SimpleITK
    except ImportError:
        raise ImageError("is read through SimpleITK, which is not installed (try: pip install medgen[itk])") from None
    _check_data_file(file.read(HEADER))
    file.seek(0)
    reader = SimpleITK.ImageFileReader()
    reader.SetImageIO("NrrdImageIO" if file.read(4) == b"NRRD" else "MetaImageIO")  # SimpleITK goes by suffixes in small letters
    reader.SetFileName(file.name)
    _try(reader.ReadImageInformation)
    shape = check_volume(reader.GetSize(), "an image")
    components, dimension = reader.GetNumberOfComponents(), reader.GetDimension()
    if components not in (1, 3):
        raise ImageError(f"pixels have {components} components; expected 1 (grey) or 3 (RGB)")
    affine = np.eye(4)
    direction = np.eye(3)
    side = min(dimension, 3)
    direction[:side, :side] = np.reshape(reader.GetDirection(), (dimension, dimension))[:side, :side]
    spacing = [*reader.GetSpacing(), 1.0][:3]
    affine[:3, :3] = LPS_TO_RAS @ direction * spacing
    return _volume.slices(lambda: _voxels(reader, shape, components), affine, spacing[:2], shape[2])


def _check_data_file(head: bytes) -> None:
    """Refuse a header that names a file as none is called, before ITK sees it: damaged headers have ended its process."""
    found = DATA_FILE.search(head)
    name = found[1].decode(errors="replace") if found and not head.startswith(b"NRRD") else ""
    if not name.isprintable() or "\ufffd" in name or len(name) > 255 or ("%" in name and not PATTERN.fullmatch(name)):
        raise ImageError("names the file of its pixels as no file is called")


def _try(read: Callable[[], T]) -> T:
    """Call ITK, of whose long error only the reason is kept: the rest are places in its own source."""
    try:
        return read()
    except RuntimeError as error:
        raise RuntimeError(str(error).rpartition("ITK ERROR: ")[2].rpartition("): ")[2]) from error


def _voxels(reader: SimpleITK.ImageFileReader, shape: tuple[int, int, int], components: int) -> Voxels:
    import SimpleITK

    array = SimpleITK.GetArrayFromImage(_try(reader.Execute))  # (Z, Y, X) or (Z, Y, X, 3)
    array = array.reshape(*shape[::-1], *([components] if components > 1 else []))
    return Voxels(array.transpose(2, 1, 0, *range(3, array.ndim)))
