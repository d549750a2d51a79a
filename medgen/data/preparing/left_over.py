"""The files of a source that nobody opened: each is named with the reason, so that nothing is left out in silence."""

from __future__ import annotations

import mimetypes
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from medgen.data.images import is_image, suffix_of
from medgen.data.source_file import MANIFEST, SourceFile
from medgen.data.tree.walk import walk
from medgen.errors import DataError

COLUMNS = ["file", "reason", "kind"]
MEDICAL = frozenset(
    {".mha", ".mhd", ".nrrd", ".nhdr", ".mgz", ".mgh", ".hdr", ".img", ".par", ".rec", ".v", ".svs", ".ndpi", ".czi", ".lif",
     ".vsi", ".mrxs", ".scn", ".raw", ".ima", ".dcm30", ".mnc", ".nii.bz2", ".mkv", ".wmv", ".jp2", ".heic", ".exr"}
)  # fmt: skip
"""Suffixes of pictures and videos that Python's table of media types does not know."""


def left_over(source: Path, entries: Iterable[SourceFile]) -> pd.DataFrame:
    """Return file, reason and kind of each file below a folder that is neither an image of `entries` nor a mask of one.

    Hidden files aside. Kind is "rejected" for what looks like a picture or a video, and "ignored" for what is none (notes,
    tables) and for images that the source does not speak of.
    """
    if not source.is_dir():
        return pd.DataFrame(columns=COLUMNS)
    used = {path for entry in entries for path in (entry.path, *(mask.path for mask in entry.masks))}
    try:
        files = [path for path in walk(source) if path not in used and path.name != MANIFEST]
    except DataError:  # a folder that cannot be read stops whoever reads the source
        files = []
    rows = [(path.relative_to(source).as_posix(), *_reason(path)) for path in files]
    return pd.DataFrame(rows, columns=COLUMNS)


def _reason(path: Path) -> tuple[str, str]:
    if is_image(path):
        return "an image or a mask that belongs to no row of the source", "ignored"
    suffix = suffix_of(path)
    media = (mimetypes.guess_type(path.name)[0] or "").partition("/")[0]
    if media in ("image", "video") or suffix in MEDICAL:
        return f"{suffix} is a format that is not read; convert it, for example to PNG", "rejected"
    return f"no image ({suffix or 'no suffix'})", "ignored"
