"""Frames of a file that are asked for one by one: those behind are kept, so that a file of N frames is not run through N times.

An archive lists each of its frames by itself, and a compressed one has to be unpacked from its beginning for each. Each thread
keeps a few megabytes of the picture and of the mask that it was asked for last; as frames are asked for in order, the next is
nearly always there.
"""

from __future__ import annotations

import threading
from pathlib import Path

from medgen.data.pixel_format import FileFrames, StoredFrame
from medgen.errors import ImageError

KEPT = 1 << 24  # bytes of pixels of a file


class _Kept(threading.local):
    """What a thread keeps, of a picture and of a mask: of which file in which state, and its frames by their numbers."""

    def __init__(self) -> None:
        self.files: dict[str, tuple[tuple[object, ...], dict[int, StoredFrame]]] = {}


_kept = _Kept()


def one_frame(path: Path, number: int, content: FileFrames, axes: str = "", kind: str = "picture") -> StoredFrame:
    """Return one frame of a file.

    Parameters
    ----------
    path : the file
    number : of the frame, from 0
    content : the file, opened for all of its frames or for this one; they are not touched where the frame is known already
    axes : as which the file is read
    kind : "picture" or "mask", which are asked for in turn

    Raises
    ------
    ImageError : if the frame cannot be read, or there is none of that number.
    """
    state = path.stat()
    file = (path, state.st_size, state.st_mtime_ns, axes)
    last, kept = _kept.files.get(kind, ((), {}))
    again = last == file  # a file of which a single frame is wanted is not read further
    if again and number in kept:
        return kept[number]
    kept, size = {}, 0
    _kept.files[kind] = file, kept
    try:
        for frame in content.frames:
            if (found := frame.number or 0) >= number:
                kept[found] = frame
                size += frame.values.nbytes + (0 if frame.rendered is None else frame.rendered.nbytes)
                if not again or size >= KEPT:
                    break
    except ImageError:
        if number not in kept:  # whoever asks for the damaged one is told
            raise
    if number not in kept:
        raise no_frame(number, content.total)
    return kept[number]


def no_frame(number: int, total: int) -> ImageError:
    """Return the error of a file of `total` frames that has none of this number; 0 where nobody counted them, of a video."""
    return ImageError(f"has no frame {number}; " + (f"it has {total}, counted from 0" if total else "frames count from 0"))
