"""One image file that is named directly: no finding, no label."""

from __future__ import annotations

from pathlib import Path

from medgen.data.images import is_image
from medgen.data.source_file import Listing, SourceFile

ORDER = 50
MEANING = "a single image"


def recognises(source: Path) -> bool:
    """Tell a file that is meant as an image."""
    return source.is_file() and is_image(source)


def read(source: Path) -> Listing:
    """Return the image alone."""
    return Listing([SourceFile(source, source.name, "", "", "", "")])
