"""What is known of one image file before it is read: what a layout says of it."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

MANIFEST = "manifest.csv"  # the table of a folder that says what its images are


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One image file of a source, before anything is read.

    Attributes
    ----------
    path : where it lies
    file : its path relative to the source, with forward slashes on every system; the key
    label : 'normal', 'abnormal' or '' (unknown)
    finding : the name of its class as the source writes it, or ''
    split : 'train', 'val', 'test' or '' (not said)
    group : what must not be divided between splits (a patient, a video), or ''
    mask : the file that marks the finding in it, or None
    """

    path: Path
    file: str
    label: str
    finding: str
    split: str
    group: str
    mask: Path | None


def nearest(path: Path) -> str:
    """Return the sentence that leads from a path that does not exist to the one most like it that does, or ''."""
    while not path.parent.exists() and path.parent != path:
        path = path.parent
    names = [child.name for child in path.parent.iterdir()] if path.parent.is_dir() else []
    close = get_close_matches(path.name, names, n=1)
    return f"; did you mean '{path.parent / close[0]}'?" if close else ""
