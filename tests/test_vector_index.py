"""Searches among vectors against the products of all."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from medgen.data.preparing.alike import vector_index as module
from medgen.data.preparing.alike.vector_index import VectorIndex


def directions(count: int, seed: int = 0) -> NDArray[np.float32]:
    """Vectors of length 1 about a few directions, most of them along the first axes."""
    rng = np.random.default_rng(seed)
    middles = rng.normal(0, 1 / np.arange(1, 13), (9, 12))
    vectors = middles[rng.integers(0, 9, count)] + rng.normal(0, 0.05, (count, 12))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def found(index: VectorIndex, rows: NDArray[np.int64], before: int) -> set[tuple[int, int]]:
    pairs = [pair for own, others in index.near(rows, before) for pair in zip(own.tolist(), others.tolist(), strict=True)]
    assert len(pairs) == len({*pairs})
    return {*pairs}


@pytest.mark.parametrize("least", [-0.2, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("cell", [7, 512])
def test_a_search_finds_what_all_products_find(least: float, cell: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CELL", cell)
    monkeypatch.setattr(module, "ROWS", 3 * cell)
    vectors = directions(300)
    products = vectors.astype(np.float64) @ vectors.T.astype(np.float64)
    pairs = found(VectorIndex(vectors, least, np.arange(300)), np.arange(300), 300)
    assert {*zip(*map(np.ndarray.tolist, np.nonzero(products >= least)), strict=True)} <= pairs
    assert all(products[pair] >= least - 2 * module.ROUNDING for pair in pairs)


def test_a_search_finds_those_alone_that_come_before_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CELL", 4)
    order = np.array([3, 1, 2, 0, 2, 1, 3, 0, 2, 1])
    index = VectorIndex(np.tile(np.eye(1, 3, dtype=np.float32), (10, 1)), 0.9, order)
    assert found(index, np.array([0]), 2) == {(0, other) for other in (1, 3, 5, 7, 9)}
    assert found(index, np.array([0]), 0) == set()


def test_far_cells_are_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CELL", 5)
    vectors = np.repeat(np.eye(2, 12, dtype=np.float32), 5, axis=0)
    searched = list(VectorIndex(vectors, 0.9, np.arange(10)).near(np.arange(5), 10))
    assert [(own.tolist(), others.tolist()) for own, others in searched] == [
        (np.repeat(np.arange(5), 5).tolist(), np.tile(np.arange(5), 5).tolist())
    ]


def test_no_vectors_are_no_error() -> None:
    assert found(VectorIndex(np.empty((0, 49), dtype=np.float32), 0.9, np.arange(0)), np.arange(0), 1) == set()
