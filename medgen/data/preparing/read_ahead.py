"""Frames of a file that are asked for one by one: those behind are kept, so that a file of N frames is not run through N times.

An archive lists each of its frames by itself, and a compressed one has to be unpacked from its beginning for each. Each thread
keeps a few megabytes of the file that it was asked for last; as frames are asked for in order, the next is nearly always there.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

from medgen.data.pixel_format import StoredFrame
from medgen.errors import ImageError

KEPT = 1 << 24  # bytes of pixels


class _Kept(threading.local):
    """What a thread keeps: of which file in which state, and its frames by their numbers."""

    file: tuple[object, ...] = ()
    frames: dict[int, StoredFrame]

    def __init__(self) -> None:
        self.frames = {}


_kept = _Kept()


def one_frame(path: Path, number: int, frames: Iterator[StoredFrame], axes: str = "") -> StoredFrame | None:
    """Return one frame of a file, or None where it has none of that number.

    Parameters
    ----------
    path : the file
    number : of the frame, from 0
    frames : of the file from its first one, or only those that are asked for; not touched where the frame is known already
    axes : as which the file is read

    Raises
    ------
    ImageError : if the frame cannot be read.
    """
    state = path.stat()
    file = (path, state.st_size, state.st_mtime_ns, axes)
    again = _kept.file == file  # a file of which a single frame is wanted is not read further
    if again and number in _kept.frames:
        return _kept.frames[number]
    _kept.file, _kept.frames = file, {}
    size = 0
    try:
        for frame in frames:
            if (found := frame.number or 0) >= number:
                _kept.frames[found] = frame
                size += frame.values.nbytes + (0 if frame.rendered is None else frame.rendered.nbytes)
                if not again or size >= KEPT:
                    break
    except ImageError:
        if number not in _kept.frames:  # whoever asks for the damaged one is told
            raise
    return _kept.frames.get(number)
