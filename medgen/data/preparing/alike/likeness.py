"""Whether frames are nearly the same: hashes that are near each other are a sieve, the correlation of thumbnails confirms.

Most pairs are told apart by a few numbers of each thumbnail, at less than the hashes would; the rest is compared in full.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from medgen.data.preparing.alike.vector_index import VectorIndex

SIDE = 16  # of a thumbnail, in pixels
SIEVE = 10  # bits in which the hashes of near-duplicates may differ where thumbnails confirm them
ALONE = 2  # and where nothing does
CHECKED = 1 << 10  # thumbnails that are compared at once: 3 MB, which the cache of a processor holds
OF_CHANNEL = np.tile(np.eye(3, dtype=np.float32), (SIDE**2, 1))  # (768, 3) sums a thumbnail over its pixels
ROWS = 256  # whose correlations are computed at once
BLOCK = 1 << 12  # rows that are searched for at once
AT_ONCE = 1 << 20  # pairs that are held at once, unless one row has more: 8 MB

Wanted = Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.bool_]]  # of pairs (row, other), which are looked at


class Alike:
    """Which frames are nearly the same as others: `possible` finds those that may be, `confirmed` and `likest` compare them."""

    def __init__(
        self,
        hashes: NDArray[np.uint64],
        distance: int | None,
        thumbnails: NDArray[np.uint8] | None,
        correlation: float,
        order: NDArray[np.int64],
    ) -> None:
        self._limit = distance if distance is not None else ALONE if thumbnails is None else SIEVE
        self._hashes = np.asarray(hashes, dtype=np.uint64)
        self._thumbnails, self._least = thumbnails, correlation
        if thumbnails is None:
            self._index = VectorIndex(_signs(self._hashes), 1 - 2 * self._limit / 64, order)
        else:
            coarse, self._lengths = _coarse(thumbnails)
            self._index = VectorIndex(coarse, correlation, order)

    def possible(
        self, rows: NDArray[np.int64], before: int, wanted: Wanted | None = None
    ) -> Iterator[tuple[int, NDArray[np.int64]]]:
        """Yield of `rows`, which rise, each that may be nearly the same as others, with these, which rise too.

        Others come before `before` in the order of `Alike`; `wanted` says of pairs (row, other) which to look at further. It is
        asked while a few rows are searched at once, so what it says may be old by the time that the last of them are yielded.
        """
        for start in range(0, len(rows), BLOCK):
            yield from self._block(rows[start : start + BLOCK], before, wanted)

    def _block(self, rows: NDArray[np.int64], before: int, wanted: Wanted | None) -> Iterator[tuple[int, NDArray[np.int64]]]:
        """Yield what `possible` yields, of rows that are searched at once."""
        found: list[NDArray[np.int64]] = []  # each pair as one number, which are sorted in the least time
        count, every = 0, len(self._index)
        for mine, others in self._index.near(rows, before):
            for meets in (wanted, self._hashes_are_near):
                if meets is not None:
                    chosen = np.flatnonzero(meets(mine, others))
                    mine, others = mine[chosen], others[chosen]
            found.append(mine * every + others)
            count += len(mine)
            if count > AT_ONCE and len(rows) > 1:  # a still scene, most of which is not wanted once its first row is joined
                yield from self._block(rows[: len(rows) // 2], before, wanted)
                yield from self._block(rows[len(rows) // 2 :], before, wanted)
                return
        if not count:
            return
        mine, others = np.divmod(np.sort(np.concatenate(found)), every)
        starts = np.flatnonzero(np.diff(mine, prepend=-1))
        yield from zip(mine[starts].tolist(), np.split(others, starts[1:]), strict=True)

    def _hashes_are_near(self, rows: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return of pairs (row, other) whether the hashes are near; frames of one colour are like no other."""
        near = np.bitwise_count(self._hashes[rows] ^ self._hashes[others]) <= self._limit
        return near if self._thumbnails is None else near & (self._lengths[rows] > 0) & (self._lengths[others] > 0)

    def confirmed(self, row: int, others: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return those of `others`, which may be nearly the same as `row`, that are."""
        if self._thumbnails is None or not len(others):
            return others
        return others[self._correlations([row], others)[0] >= self._least]

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


def _signs(hashes: NDArray[np.uint64]) -> NDArray[np.float32]:
    """Return hashes as vectors (N, 64) of length 1, whose product is 1 if no bit differs, less 1/32 for each bit that does."""
    bits = np.unpackbits(hashes[:, None].view(np.uint8), axis=1)
    return (bits.astype(np.float32) - np.float32(0.5)) / np.float32(4)
