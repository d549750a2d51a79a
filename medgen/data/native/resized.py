"""Frames and masks that are brought to another size or number of channels when they are read.

An array of rows comes in, and one of the new shape goes out. Nothing is computed before a row is indexed, so that a data set
larger than memory can be resized.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from medgen.data.field.contour import resize
from medgen.data.field.overlay import Mask
from medgen.data.pixel_format import with_channels
from medgen.data.storage.rows import Flags, Frames, LazyRows
from medgen.errors import DataError


class ResizedFrames(LazyRows[np.uint8]):
    """Frames that are resized, then given a black border of even width, then other channels.

    Parameters
    ----------
    frames : (N, S, S, C) uint8
    resize_to : side after resizing, by the mean over areas where it becomes smaller; 0 leaves it
    pad_to : side with the black border; 0 for none
    channels : 3 repeats grey, 1 takes the luminance (ITU-R BT.601); 0 leaves them

    Raises
    ------
    DataError : if the frames are larger than `pad_to`.
    """

    def __init__(self, frames: Frames, resize_to: int = 0, pad_to: int = 0, channels: int = 0) -> None:
        count, native, _, native_channels = frames.shape
        size = resize_to or native
        side = pad_to or size
        if size > side:
            raise DataError(
                f"data.pad_to is {side}, but the frames have a side of {size} already; set it to 0 or {size} and more"
            )
        super().__init__((count, side, side, channels or native_channels))
        self._frames, self._size = frames, size
        self._border = ((side - size) // 2, side - size - (side - size) // 2)

    def _read(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        frames = self._frames[rows]  # (n, S, S, C)
        if frames.shape[1] != self._size:
            frames = np.array([resize(frame, self._size) for frame in frames], np.uint8).reshape(
                len(rows), self._size, self._size, frames.shape[3]
            )
        frames = np.pad(frames, ((0, 0), self._border, self._border, (0, 0)))  # (n, side, side, C)
        return with_channels(frames, self.shape[3])


class ResizedMasks(LazyRows[np.bool_]):
    """Valid masks or finding masks that are made smaller when they are read.

    Parameters
    ----------
    flags : (N, S, S) bool
    resize_to : side after resizing, not above S
    reduce : makes one mask (S, S) smaller: `reduce_valid` or `reduce_truth`
    """

    def __init__(self, flags: Flags, resize_to: int, reduce: Callable[[Mask, int], Mask]) -> None:
        super().__init__((flags.shape[0], resize_to, resize_to))
        self._flags, self._reduce = flags, reduce

    def _read(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        size = self.shape[1]
        return np.array([self._reduce(flags, size) for flags in self._flags[rows]], dtype=bool).reshape(-1, size, size)
