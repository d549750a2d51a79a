"""Find the hashes that differ from one in few bits without looking at all: multi-index hashing.

After Norouzi, Punjani and Fleet 2012, "Fast search in Hamming space with multi-index hashing",
https://doi.org/10.1109/CVPR.2012.6248043. The 64 bits are dealt out to six chunks. Two hashes that differ in ten bits at most
differ in none in the first chunk, or in one at most in some other: else they would differ in 1 + 2 + 2 + 2 + 2 + 2 bits or more.
So only few cells of each chunk are looked through. Neighbouring bits of a difference hash say nearly the same, so each goes to
another chunk: of the pairs of 975 HyperKvasir frames 16 % are then looked at, 26 % where chunks are runs of bits; of random
hashes, 3 %.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

BITS, CHUNKS = 64, 6


class HashIndex:
    """Which of many hashes are near one of them.

    Memory is about 120 bytes a hash.
    """

    def __init__(self, hashes: NDArray[np.uint64], distance: int) -> None:
        """Sort the hashes, (N,) uint64, for searches within a number of bits."""
        self._hashes, self._distance = hashes, distance
        wanted = [(distance + 1 + chunk) // CHUNKS for chunk in range(CHUNKS)]  # of bits that may differ in a chunk, plus one
        flips: list[int] = []  # of the bits of a cell's number, each that is looked at
        of_chunk: list[int] = []  # which of the chunks, and the number of its first cell, for each of `flips`
        bases: list[int] = []
        keys: list[NDArray[np.int64]] = []
        rows: list[NDArray[np.int32]] = []
        sizes: list[NDArray[np.int64]] = []
        base = 0
        for chunk in range(CHUNKS):
            bits = range(chunk, BITS, CHUNKS)
            if not wanted[chunk]:
                continue
            key = np.zeros(len(hashes), dtype=np.int64)
            for place, bit in enumerate(bits):
                key |= ((hashes >> np.uint64(bit)) & np.uint64(1)).astype(np.int64) << place
            for differing in range(min(wanted[chunk], len(bits) + 1)):
                flips += [sum(1 << place for place in places) for places in combinations(range(len(bits)), differing)]
            of_chunk += [len(keys)] * (len(flips) - len(of_chunk))
            bases += [base] * (len(flips) - len(bases))
            keys.append(key + base)
            rows.append(np.argsort(key, kind="stable").astype(np.int32))  # in a cell, rows are in rising order
            sizes.append(np.bincount(key, minlength=1 << len(bits)))
            base += 1 << len(bits)
        self._flips, self._of_chunk, self._bases = (np.array(each, dtype=np.int64) for each in (flips, of_chunk, bases))
        self._cells = np.stack(keys, axis=1)  # (N, chunks) of each hash
        self._rows = np.concatenate(rows)  # by cell, with the hash of each beside it: read in one go
        self._sorted = hashes[self._rows]
        self._stops = np.cumsum(np.concatenate(sizes))
        self._starts = self._stops - np.concatenate(sizes)

    def near(self, row: int) -> NDArray[np.int32]:
        """Return the rows whose hash is near that of `row`, in no order, some several times; itself where it was not dropped."""
        cells = self._bases + ((self._cells[row, self._of_chunk] - self._bases) ^ self._flips)
        starts, stops = self._starts[cells].tolist(), self._stops[cells].tolist()
        slices = [slice(start, stop) for start, stop in zip(starts, stops, strict=True) if start < stop]
        if not slices:
            return np.empty(0, dtype=np.int32)
        found = np.concatenate([self._sorted[cell] for cell in slices])
        near = np.bitwise_count(found ^ self._hashes[row]) <= self._distance
        if not near.any():
            return np.empty(0, dtype=np.int32)
        return np.concatenate([self._rows[cell] for cell in slices])[near]

    def drop_first(self, row: int) -> None:
        """Find `row` no more; it is the lowest that is left."""
        self._starts[self._cells[row]] += 1
