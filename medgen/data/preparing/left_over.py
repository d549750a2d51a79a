"""The files of a source that nobody opened: each is named with the reason, so that nothing is left out in silence."""

from __future__ import annotations

import mimetypes
from pathlib import Path

import pandas as pd

from medgen.data.images import is_image, parts_of, suffix_of
from medgen.data.source_file import MANIFEST, Listing, as_text
from medgen.data.tree.walk import walk
from medgen.errors import DataError

COLUMNS = ["file", "reason", "kind"]
MEDICAL = frozenset(
    {".img", ".raw", ".zraw", ".par", ".rec", ".v", ".mnc", ".fits", ".svs", ".ndpi", ".czi", ".lif", ".vsi", ".mrxs", ".scn",
     ".e2e", ".fda", ".dcm30", ".heic", ".heif", ".exr", ".jxl", ".jxr", ".wdp", ".tga", ".pcx", ".sgi", ".dds", ".psd", ".dng"}
)  # fmt: skip
"""Suffixes of pictures that are not read and that Python's table of media types does not know."""
SPECIAL = "a pipe, a socket or a device, of which a reader may wait for ever"
SHEETS = frozenset({".xlsx", ".xls", ".ods", ".tsv", ".csv"})
ARCHIVES = frozenset({".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".7z", ".rar"})


def left_over(source: Path, listing: Listing) -> pd.DataFrame:
    """Return file, reason and kind of each file below a folder that is no image of a listing, no mask of one, and was not read.

    Hidden files aside, and files that hold the pixels of a header that is a file of its own. Kind is "rejected" for what looks
    like a picture or a video, and "ignored" for what is none (notes, tables, archives) and for images that the source does not
    speak of.
    """
    if not source.is_dir():
        return pd.DataFrame(columns=COLUMNS)
    used = {path for entry in listing.entries for path in (entry.path, *(mask.path for mask in entry.masks))}
    try:
        files = [path for path in walk(source) if path.name != MANIFEST]
    except DataError:  # a folder that cannot be read stops whoever reads the source
        files = []
    special = [(_name(path, source), SPECIAL, "ignored") for path in _special(source)]
    known = used.union(part for path in files for part in parts_of(path))
    known |= {path for path, reason in listing.others.items() if not reason}
    rows = [(_name(path, source), *reason_of(path, listing.others.get(path, ""))) for path in files if path not in known]
    return pd.DataFrame([*rows, *special], columns=COLUMNS)


def _name(path: Path, source: Path) -> str:
    return as_text(path.relative_to(source).as_posix())


def _special(source: Path) -> list[Path]:
    try:
        return [*walk(source, special=True)]
    except DataError:
        return []


def reason_of(path: Path, stated: str = "") -> tuple[str, str]:
    """Return why a file is no image of a source, and its kind; `stated` is what the layout says of an image."""
    if is_image(path):
        return stated or "an image or a mask that belongs to no row of the source", "ignored"
    suffix = suffix_of(path)
    media = (mimetypes.guess_type(path.name)[0] or "").partition("/")[0]
    if media in ("image", "video") or suffix in MEDICAL:
        return f"{suffix} is a format that is not read; convert it, for example to PNG", "rejected"
    if suffix in SHEETS and path.stem.lower() == Path(MANIFEST).stem and path.name != MANIFEST:  # which is meant to be read
        return f"not read as the table of the images; save it as {MANIFEST}, with commas, semicolons or tabs", "rejected"
    if suffix in ARCHIVES:
        return f"an archive ({suffix}), which is not opened; unpack it if it holds images", "ignored"
    return f"no image ({suffix or 'no suffix'})", "ignored"
