"""Find the vectors that have a large product with others: look at all, a block of rows and a cell of columns at a time.

A product of short vectors takes a nanosecond where both stand in the cache of a processor and many are computed at once. So all
are looked at, but for cells that are known to be too far away: vectors of length 1 with a product of c are sqrt(2 - 2 c) apart,
and no farther along a few axes. Along the axes in which they differ most, vectors lie in the cells of a tree that halves them at
their median again and again (Bentley 1975, https://doi.org/10.1145/361002.361007), and a cell is left out for the rows that are
far from all of its box. Of frames of endoscopy a third of the pairs is then looked at.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

CELL = 512  # vectors in a cell at the most
ROWS = 512  # and rows whose products are computed at once: 1 MB
AXES = 8  # along which vectors lie in cells; more tell few more apart
SAMPLE = 1 << 14  # vectors that say which these axes are
ROUNDING = 1e-4  # of a product


class VectorIndex:
    """Which of many vectors of length 1 are near others. Memory is about 60 bytes a vector beside the vectors."""

    def __init__(self, vectors: NDArray[np.float32], least: float, order: NDArray[np.int64]) -> None:
        """Lay the vectors out in cells.

        Parameters
        ----------
        vectors : (N, D), each of length 1 or 0
        least : product of two that are near each other, at least
        order : (N,) what a search is bounded by: it finds those alone that come before a value
        """
        self._vectors, self._least = vectors, least - ROUNDING
        self._places = _principal(vectors)
        self._square = 2 - 2 * least + 10 * ROUNDING  # of the way between two places, at the most
        cells = _halved(self._places, np.argsort(order, kind="stable")) if len(vectors) else []
        self._cells = [(cell, order[cell]) for cell in cells]  # in each in rising order
        self._boxes = [(self._places[cell].min(axis=0), self._places[cell].max(axis=0)) for cell in cells]

    def __len__(self) -> int:
        return len(self._vectors)

    def near(self, rows: NDArray[np.int64], before: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Yield, a few at a time, the pairs (row, other) that are near, itself too; others have an order below `before`."""
        places, vectors = self._places[rows], self._vectors[rows]
        for (cell, order), (low, high) in zip(self._cells, self._boxes, strict=True):
            stop = int(np.searchsorted(order, before))
            if not stop:
                continue
            apart = places - np.minimum(np.maximum(places, low), high)
            close = np.flatnonzero(np.einsum("ij,ij->i", apart, apart) <= self._square)
            columns = self._vectors[cell[:stop]].T
            for start in range(0, len(close), ROWS):
                some = close[start : start + ROWS]
                found = np.flatnonzero(vectors[some] @ columns >= self._least)
                yield rows[some[found // stop]], cell[found % stop]


def _principal(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return vectors along the axes in which they differ most, (N, D) -> (N, 8)."""
    some = vectors[:: max(len(vectors) // SAMPLE, 1)].astype(np.float64)
    some -= some.mean(axis=0) if len(some) else 0
    _, axes = np.linalg.eigh(some.T @ some)  # of rising weight
    return vectors @ axes[:, -AXES:].astype(np.float32)


def _halved(places: NDArray[np.float32], cell: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Return `cell` in cells of `CELL` at the most, each halved along its longest side; each keeps its order."""
    if len(cell) <= CELL:
        return [cell]
    mine = places[cell]
    axis = int(np.ptp(mine, axis=0).argmax())
    first = np.zeros(len(cell), dtype=bool)
    first[np.argpartition(mine[:, axis], len(cell) // 2)[: len(cell) // 2]] = True
    return _halved(places, cell[first]) + _halved(places, cell[~first])
