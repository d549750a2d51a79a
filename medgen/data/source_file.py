"""What is known of one image file before it is read: what a layout says of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

from medgen.types import Box

MANIFEST = "manifest.csv"  # the table of a folder that says what its images are
MARKED = "marked"  # the finding of frames of which a mask alone says that there is one


class MaskFile(NamedTuple):
    """A file that marks findings: all of its frames, k for frame k of the image, or the one that is named, from 0."""

    path: Path
    frame: int | None = None


class BoxShares(NamedTuple):
    """A rectangle in shares of a frame's width and height, 0 to 1: all that can be said before the frame is opened."""

    left: float
    top: float
    right: float
    bottom: float

    def in_pixels(self, shape: tuple[int, int]) -> Box:
        """Return the rectangle in a frame of (H, W), its edges at the nearest pixel; it is at least a pixel wide and high."""
        height, width = shape
        left, top = min(round(self.left * width), width - 1), min(round(self.top * height), height - 1)
        return Box(left, top, max(round(self.right * width), left + 1), max(round(self.bottom * height), top + 1))


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One image file of a source, or one frame of it, before anything is read.

    Attributes
    ----------
    path : where it lies
    file : its path relative to the source, with forward slashes on every system; the key. Where one frame of a file is meant,
        ``#k`` stands behind it (`file_and_frame`).
    label : 'normal', 'abnormal' or '' (unknown)
    finding : the name of its class as the source writes it, or ''
    split : 'train', 'val', 'test', 'unused' (what a published split puts among frames to learn from although it is not normal) or
        '' (not said)
    group : what must not be divided between splits (a patient, a video), as the source states it, or ''
    masks : the files that mark the finding in it; what any of them marks is marked
    boxes : rectangles in pixels of the frame, or in shares of its sides, that mark the finding, too
    annotated : whether masks and boxes say where there is a finding: none of either is then a frame without
    frame : the one frame of the file that is meant, from 0; None for all
    related : what its folders or its name say that it belongs to, each with its kind before a colon ("folder:normal/patient 7",
        "name:case12"): frames that share one are kept in one split, unless the source states a group
    label_by_mask : whether each frame is abnormal where its mask marks something, and else normal
    """

    path: Path
    file: str
    label: str
    finding: str
    split: str
    group: str
    masks: tuple[MaskFile, ...] = ()
    boxes: tuple[Box | BoxShares, ...] = ()
    annotated: bool = False
    frame: int | None = None
    related: tuple[str, ...] = ()
    label_by_mask: bool = False

    @property
    def whole(self) -> str:
        """`file` without the number of the one frame that is meant."""
        return self.file if self.frame is None else file_and_frame(self.file)[0]


@dataclass(frozen=True, slots=True)
class Listing:
    """What a layout finds in a source.

    Attributes
    ----------
    entries : the images, in any order
    notes : a sentence for each kind of image or mask that was left out, and for each rule that was chosen among several
    others : of files that are neither an image nor a mask of these: why each is left out; "" of one that was read (boxes)
    axes : what the axes of its files mean, in the words of `PrepareSettings.axes`, where the layout knows it; else ""
    """

    entries: list[SourceFile]
    notes: Sequence[str] = ()
    others: Mapping[Path, str] = field(default_factory=dict)
    axes: str = ""


def file_and_frame(name: str) -> tuple[str, int | None]:
    """Divide the name of a frame, "procedure.mp4#250", into that of its file and its number, None where it has none.

    A number sign anywhere else is a part of the name: "Case #7/procedure.mp4", "Case #7.png"; so is one before more digits than
    any file has frames.
    """
    file, _, number = name.rpartition("#")
    return (file, int(number)) if file and number.isascii() and number.isdecimal() and len(number) < 10 else (name, None)


def as_text(name: str) -> str:
    """Return a name with bytes that are no UTF-8, of an older disk say, written as ``\\xe9``: such a name cannot be stored."""
    return name.encode(errors="surrogateescape").decode(errors="backslashreplace")


def nearest(path: Path) -> str:
    """Return the sentence that leads from a path that does not exist to the one most like it that does, or ''."""
    while not path.parent.exists() and path.parent != path:
        path = path.parent
    names = [child.name for child in path.parent.iterdir()] if path.parent.is_dir() else []
    close = get_close_matches(path.name, names, n=1)
    return f"; did you mean '{path.parent / close[0]}'?" if close else ""
