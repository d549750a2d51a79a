"""The order in which an epoch goes over frames: a permutation that depends on seed and epoch alone.

Where all frames are shuffled at once, each permutation is as likely as any other. Of a set that does not fit into memory that
order would move a disk to another place for each frame, and fetch all files of a set that lies elsewhere again and again. There
the blocks in which frames are stored (`shards.BLOCK` neighbours) are permuted over the whole set, whatever shard they are in, and
frames of many blocks that have become neighbours are permuted among themselves. Every frame comes once in an epoch, what is read
within so many steps are whole blocks, and the frames of a batch are from places all over the set.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medgen.data.storage.shards import BLOCK

SHUFFLED = 16_384  # frames that are shuffled among themselves where a set is in shards; of 96 pixels 600 MB


class Order:
    """The rows of an epoch in the order in which they are taken.

    Parameters
    ----------
    rows : (n,) int64, rising
    draws : random numbers of the epoch
    together : so many rows are shuffled among themselves; 0 for all

    Attributes
    ----------
    rows : (n,) the same rows in their order
    """

    def __init__(self, rows: NDArray[np.int64], draws: np.random.Generator, together: int = 0) -> None:
        self._together, self._by_block = together, rows if together else rows[:0]
        if not together or len(rows) <= together:
            self.rows = draws.permutation(rows)
            return
        starts = np.flatnonzero(np.diff(rows // BLOCK, prepend=-1))  # (b,) where a block begins
        lengths = np.diff(starts, append=len(rows))
        chosen = draws.permutation(len(starts))
        before = np.repeat(np.cumsum(lengths[chosen]) - lengths[chosen], lengths[chosen])  # (n,) rows of blocks before its own
        self._by_block = rows[np.repeat(starts[chosen], lengths[chosen]) + np.arange(len(rows)) - before]
        self.rows = np.empty_like(rows)
        for start in range(0, len(rows), together):
            part = slice(start, start + together)
            self.rows[part] = draws.permutation(self._by_block[part])

    def coming(self, start: int, stop: int, first: bool = False) -> NDArray[np.int64]:
        """Return rows to make ready while those at places `start` to `stop` are worked on, (m,), block by block.

        As many as these, of those that are shuffled together next; at the first step also all that are shuffled with its own.
        """
        begin = start // self._together * self._together if self._together and first else start + self._together
        return self._by_block[begin : stop + self._together]
