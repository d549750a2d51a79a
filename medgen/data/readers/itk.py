"""MetaImage (.mha, .mhd) and NRRD (.nrrd, .nhdr) to frames, through SimpleITK, which the extra ``itk`` installs.

ITK runs in a process of its own: damaged headers have ended, or kept for ever, the process that it read them in.
"""

from __future__ import annotations

import re
from importlib.util import find_spec
from io import BufferedReader
from math import prod
from pathlib import Path

import numpy as np

from medgen.data.apart.reader_process import call
from medgen.data.pixel_format import FileFrames
from medgen.data.readers import _volume
from medgen.data.readers._volume import Voxels, check_volume
from medgen.errors import ImageError

ITK = "medgen.data.apart.itk"  # imports SimpleITK, and is imported by another process alone
SECONDS = 25.0  # for a header, and for voxels beside what their number takes
SLOWEST = 500_000  # voxels in a second
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
        infinity, more than `MAX_VOLUME` voxels, or a header that ends ITK or keeps it longer than `SECONDS`.
    """
    if find_spec("SimpleITK") is None:
        raise ImageError("is read through SimpleITK, which is not installed (try: pip install medgen[itk])")
    _check_data_file(file.read(HEADER))
    facts = call(f"{ITK}:header", file.name, SECONDS).facts
    shape = check_volume(facts["size"], "an image")
    components, dimension = facts["components"], len(facts["size"])
    if components not in (1, 3):
        raise ImageError(f"pixels have {components} components; expected 1 (grey) or 3 (RGB)")
    affine = np.eye(4)
    direction = np.eye(3)
    side = min(dimension, 3)
    direction[:side, :side] = np.reshape(facts["direction"], (dimension, dimension))[:side, :side]
    spacing = [*facts["spacing"], 1.0][:3]
    affine[:3, :3] = LPS_TO_RAS @ direction * spacing
    return _volume.slices(lambda: _voxels(file.name, shape, components), affine, spacing[:2], shape[2])


def _check_data_file(head: bytes) -> None:
    """Refuse a header that names a file as none is called, before ITK sees it: damaged headers have ended its process."""
    found = DATA_FILE.search(head)
    name = found[1].decode(errors="replace") if found and not head.startswith(b"NRRD") else ""
    if not name.isprintable() or "\ufffd" in name or len(name) > 255 or ("%" in name and not PATTERN.fullmatch(name)):
        raise ImageError("names the file of its pixels as no file is called")


def _voxels(path: str, shape: tuple[int, int, int], components: int) -> Voxels:
    array = call(f"{ITK}:voxels", path, SECONDS + prod(shape) * components / SLOWEST).array  # (Z, Y, X) or (Z, Y, X, 3)
    assert array is not None
    array = array.reshape(*shape[::-1], *([components] if components > 1 else []))
    return Voxels(array.transpose(2, 1, 0, *range(3, array.ndim)))
