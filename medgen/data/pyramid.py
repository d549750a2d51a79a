"""One picture at several sizes: whole, and at a half, a quarter and an eighth of its sides.

Where the field of view lies and what in it is no tissue can be seen in a picture of a few hundred pixels, and most crops are no
larger. A JPEG of many pixels is decoded at an eighth of its sides in a third of the time, so that whoever needs a small picture
asks for one here, and the whole one is decoded only where somebody asks for that.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

DIVISORS = (8, 4, 2, 1)

Pixels8 = NDArray[np.uint8]


class Pyramid:
    """A picture at several sizes.

    Attributes
    ----------
    height, width, channels : of the whole picture
    """

    def __init__(self, height: int, width: int, channels: int, read: Callable[[int], Pixels8]) -> None:
        """Keep how the picture is read.

        Parameters
        ----------
        height, width, channels : of the whole picture
        read : divisor -> (H', W', C) uint8, C 1 or 3, H' at least H // divisor and W' at least W // divisor
        """
        self.height, self.width, self.channels = height, width, channels
        self._read = read
        self._made: dict[int, Pixels8] = {}

    @classmethod
    def of(cls, pixels: Pixels8) -> Pyramid:
        """Return the pyramid of a picture in memory, (H, W, C) uint8; each pixel is the mean of those that it stands for."""
        height, width, channels = pixels.shape

        def read(divisor: int) -> Pixels8:
            if divisor == 1:
                return pixels
            rows, columns = height // divisor, width // divisor
            whole = pixels[: rows * divisor, : columns * divisor]
            return cv2.resize(whole, (columns, rows), interpolation=cv2.INTER_AREA).reshape(rows, columns, channels)

        return cls(height, width, channels, read)

    def at(self, divisor: int) -> Pixels8:
        """Return (H // divisor, W // divisor, C) uint8; rows and columns that are left over at the end are left out.

        Parameters
        ----------
        divisor : one of `DIVISORS`; 1 is the whole picture

        Raises
        ------
        ImageError : if the file turns out to be damaged.
        """
        if divisor not in self._made:
            self._made[divisor] = self._read(divisor)[: self.height // divisor, : self.width // divisor]
        return self._made[divisor]

    def converted(self, channels: int, convert: Callable[[Pixels8, int], Pixels8]) -> Pyramid:
        """Return the picture with another number of channels; `convert` takes (H, W, C) and `channels`."""
        if channels == self.channels:
            return self
        return Pyramid(self.height, self.width, channels, lambda divisor: convert(self.at(divisor), channels))

    def divisor_for(self, side: int) -> int:
        """Return the largest divisor at which the shorter side has at least `side` pixels, else 1."""
        return next((divisor for divisor in DIVISORS if min(self.height, self.width) // divisor >= side), 1)
