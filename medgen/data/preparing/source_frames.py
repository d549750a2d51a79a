"""One file of a source, frame by frame: its picture, and what is marked in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from medgen.data.images import opened, opened_content
from medgen.data.intensity import picture
from medgen.data.pixel_format import FileFrames, Pixels, StoredFrame, to_uint8
from medgen.data.prepared import PrepareSettings
from medgen.data.preparing.read_ahead import one_frame
from medgen.data.preparing.truth import Marks, open_truth
from medgen.data.pyramid import Pyramid
from medgen.data.sampling import Sampling
from medgen.data.source_file import SourceFile
from medgen.errors import ImageError

MANY_LEVELS = 64  # values in a file of more than 8 bits from which on its picture should have as many grey levels
SEGMENTATION = "is a segmentation, which marks findings in other files and is no picture"
MOSTLY = 0.75  # share of a frame that few findings fill, and most masks whose black and white have changed places


class SourceFrame(NamedTuple):
    """One frame of a source.

    Attributes
    ----------
    name : `SourceFile.file`, with ``#k`` behind it for frame k of a file with several
    picture : its picture
    seconds : since the first frame of a video; None where there is no time
    marks : what masks and boxes mark in it
    label, finding : of the source, or of the marks where `SourceFile.label_by_mask` says so
    levels : grey levels of the picture of a file of more than 8 bits; 0 for others, and where the file has few values itself
    """

    name: str
    picture: Pyramid
    seconds: float | None
    marks: Marks
    label: str
    finding: str
    levels: int


def read_frames(entry: SourceFile, settings: PrepareSettings) -> Iterator[SourceFrame]:
    """Read the frames of a file that are meant.

    Raises
    ------
    ImageError : if the file or a mask cannot be read, they do not fit each other, or there is no such frame.
    """
    with opened_source(entry, settings) as (_, frames):
        yield from frames


@contextmanager
def opened_source(entry: SourceFile, settings: PrepareSettings) -> Iterator[tuple[FileFrames, Iterator[SourceFrame]]]:
    """Open a file with its masks: what its header says, and the frames that are meant.

    Raises
    ------
    ImageError : as from `read_frames`, here and while the frames are read.
    """
    values = frozenset(settings.mask_values)
    sampling = settings.sampling() if entry.frame is None else Sampling(numbers=(entry.frame,))
    with opened(entry.path, sampling, settings.axes) as content:
        if content.refers_to is not None:
            raise ImageError(SEGMENTATION)
        with open_truth(entry, content, values, sampling, settings.axes) as marks_of:
            yield content, _frames(entry, content, marks_of, settings)


def content_frames(name: str, content: bytes, settings: PrepareSettings, most: int | None = None) -> Iterator[SourceFrame]:
    """Read the frames of a file that is in memory.

    Parameters
    ----------
    name : what the file is called
    content : its bytes
    settings : of the data set
    most : frames that it may hold; None for any number

    Raises
    ------
    ImageError : if it cannot be read, marks findings in other files, or holds more frames.
    """
    entry = SourceFile(Path(name), name, "", "", "", "")
    with opened_content(content) as found:
        sampled = found.sampled(settings.sampling()) if found.sampled else found
        if sampled.refers_to is not None:
            raise ImageError(SEGMENTATION)
        if most is not None and sampled.total > most:
            raise ImageError(f"holds {sampled.total} frames; at most {most} are taken at once")
        yield from _frames(entry, sampled, lambda _, shape: Marks(np.zeros(shape, dtype=bool)), settings)


def _frames(
    entry: SourceFile, content: FileFrames, marks_of: Callable[[int, tuple[int, int]], Marks], settings: PrepareSettings
) -> Iterator[SourceFrame]:
    intensity = settings.shown()
    if content.pyramid and intensity.keeps_rendered and entry.frame is None:
        shown = content.pyramid()
        marks = marks_of(0, (shown.height, shown.width))
        yield SourceFrame(entry.file, shown, None, marks, *_named_by(entry, marks), 0)
        return
    for frame in _meant(entry, content, settings.axes):
        number = frame.number or 0
        numbered = f"#{number}" if content.total > 1 or frame.seconds is not None else ""
        pixels = picture(frame, intensity)
        marks = marks_of(number, (pixels.shape[0], pixels.shape[1]))
        name = entry.file if entry.frame is not None else f"{entry.file}{numbered}"
        shown = Pyramid.of(to_uint8(pixels))
        yield SourceFrame(name, shown, frame.seconds, marks, *_named_by(entry, marks), levels_of(frame, pixels))


def _meant(entry: SourceFile, content: FileFrames, axes: str) -> Iterator[StoredFrame]:
    """Yield the frames of an opened file that are meant: all, or the one that is named."""
    if entry.frame is None:
        yield from content.frames
        return
    yield one_frame(entry.path, entry.frame, content, axes)


def counted(entry: SourceFile, frame: SourceFrame) -> dict[str, str | int]:
    """Return what `medgen.data.preparing.tally` counts of a frame before it is cropped."""
    marked = int(np.count_nonzero(frame.marks.mask)) if entry.masks or entry.boxes else 0  # a large frame takes a while to count
    return {
        "path": frame.name,
        "annotated": int(entry.annotated),
        "marked": marked,
        "mostly": int(marked > MOSTLY * frame.marks.mask.size),
        "scaled": int(frame.marks.scaled),
        "unrelated": int(frame.marks.unrelated),
        "levels": frame.levels,
    }


def _named_by(entry: SourceFile, marks: Marks) -> tuple[str, str]:
    """Return label and finding of a frame."""
    if not entry.label_by_mask:
        return entry.label, entry.finding
    return ("abnormal", entry.finding) if marks.mask.any() else ("normal", "normal")


def levels_of(frame: StoredFrame, pixels: Pixels) -> int:
    """Return how many grey levels a picture of more than 8 bits has; 0 where its file has no more of them."""
    if pixels is frame.rendered and pixels.dtype == np.uint8:
        return 0
    shown = int(np.count_nonzero(np.bincount(to_uint8(pixels).ravel(), minlength=256)))
    if shown >= MANY_LEVELS:
        return shown
    return shown if len(np.unique(frame.values[~np.isnan(frame.values)])) > MANY_LEVELS else 0
