"""Whether frames are nearly the same: hashes that are near each other are a sieve, the correlation of thumbnails confirms.

Most pairs that the sieve lets through are told apart by a few numbers of each thumbnail; the rest is compared in full.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from medgen.data.preparing.hash_index import HashIndex

SIDE = 16  # of a thumbnail, in pixels
SIEVE = 10  # bits in which the hashes of near-duplicates may differ where thumbnails confirm them
ALONE = 2  # and where nothing does
CHECKED = 1 << 10  # thumbnails that are compared at once: 3 MB, which the cache of a processor holds
ROUNDING = 1e-4  # of a product of coarse thumbnails
OF_CHANNEL = np.tile(np.eye(3, dtype=np.float32), (SIDE**2, 1))  # (768, 3) sums a thumbnail over its pixels
ROWS = 256  # whose correlations are computed at once


class Alike:
    """Which frames are nearly the same as one: `index` finds those whose hashes are near, `confirmed` keeps those that are."""

    def __init__(
        self, hashes: NDArray[np.uint64], distance: int | None, thumbnails: NDArray[np.uint8] | None, correlation: float
    ) -> None:
        limit = distance if distance is not None else ALONE if thumbnails is None else SIEVE
        self.index = HashIndex(np.asarray(hashes, dtype=np.uint64), limit)
        self._thumbnails, self._least = thumbnails, correlation
        if thumbnails is not None:
            self._coarse, self._lengths = _coarse(thumbnails)

    def possible(self, row: int, others: NDArray[np.int32]) -> NDArray[np.int64]:
        """Return those of `others`, rows whose hashes are near, that may be nearly the same as `row`: rising, each once."""
        rising = np.sort(others)  # of half the width, in half the time
        each = rising[np.diff(rising, prepend=-1) > 0].astype(np.int64)
        if self._thumbnails is None or not len(each):
            return each
        each = each[self._coarse[each] @ self._coarse[row] >= self._least - ROUNDING]
        return each[(self._lengths[each] > 0) & (self._lengths[row] > 0)]  # a frame of one colour is like no other

    def confirmed(self, row: int, others: NDArray[np.int32]) -> NDArray[np.int64]:
        """Return those of `others`, rows whose hashes are near, that are nearly the same as `row`: rising, each once."""
        possible = self.possible(row, others)
        if self._thumbnails is None or not len(possible):
            return possible
        return possible[self._correlations([row], possible)[0] >= self._least]

    def likest(self, scene: Sequence[tuple[int, NDArray[np.int64]]]) -> list[tuple[int, int]]:
        """Return of rows with what may be alike to each the likest to each, (likest, row), of those that are alike to any."""
        every = np.unique(np.concatenate([others for _, others in scene]))
        pairs = []
        for start in range(0, len(scene), ROWS):
            some = scene[start : start + ROWS]
            for (row, others), products in zip(some, self._correlations([row for row, _ in some], every), strict=True):
                own = products[np.searchsorted(every, others)]
                if own.max() >= self._least:
                    pairs.append((int(others[np.argmax(own)]), row))
        return pairs

    def _correlations(self, rows: Sequence[int], others: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the correlations of the thumbnails of `rows` with those of `others`: (rows, others)."""
        assert self._thumbnails is not None
        own = _centred(self._thumbnails[rows]) / self._lengths[rows, None]  # own means are 0, so those of others do not count
        products = np.empty((len(rows), len(others)), dtype=np.float32)
        for start in range(0, len(others), CHECKED):
            some = self._thumbnails[others[start : start + CHECKED]]
            products[:, start : start + CHECKED] = own @ some.reshape(len(some), -1).astype(np.float32).T
        return products / self._lengths[others]


def _centred(thumbnails: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return thumbnails as vectors about their channels' means: (P, 16, 16, 3) -> (P, 768)."""
    values = thumbnails.reshape(len(thumbnails), -1).astype(np.float32)
    means = values @ OF_CHANNEL / SIDE**2  # exact, as sums of small integers are
    values -= np.tile(means, (1, SIDE**2))
    return values


def _coarse(thumbnails: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return vectors (N, 49) whose products are no less than the correlations, and the lengths of the thumbnails, (N,).

    They are the thumbnails in squares of 4 x 4 pixels, which keeps lengths and only leaves some out, and the length of what is
    left out, which two frames could have in common at the most (Cauchy and Schwarz); all for thumbnails of length 1.
    """
    coarse = np.zeros((len(thumbnails), 49), dtype=np.float32)
    lengths = np.zeros(len(thumbnails), dtype=np.float32)
    for start in range(0, len(thumbnails), CHECKED):
        rows = slice(start, start + CHECKED)
        vectors = _centred(thumbnails[rows])
        lengths[rows] = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
        vectors /= np.maximum(lengths[rows, None], 1e-6)
        squares = vectors.reshape(-1, 4, 4, 4, 4, 3).sum(axis=(2, 4)).reshape(len(vectors), 48) / 4
        coarse[rows, :48] = squares
        coarse[rows, 48] = np.sqrt(np.maximum(1 - np.einsum("ij,ij->i", squares, squares), 0))
    return coarse, lengths
