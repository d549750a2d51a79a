"""Searches among hashes against looking at each."""

from __future__ import annotations

import numpy as np
import pytest

from medgen.data.preparing.hash_index import HashIndex

HASHES = np.random.default_rng(0).integers(0, 2**14, 400, dtype=np.uint64) * np.uint64(0x0001_0004_0010_0041)


@pytest.mark.parametrize("distance", [0, 1, 3, 5, 10, 11, 17])
def test_a_search_finds_what_looking_at_each_finds(distance: int) -> None:
    index = HashIndex(HASHES, distance)
    for row in range(0, 400, 20):
        theirs = np.flatnonzero(np.bitwise_count(HASHES ^ HASHES[row]) <= distance)
        assert sorted({*index.near(row).tolist()}) == theirs.tolist()


def test_a_dropped_row_is_found_no_more() -> None:
    index = HashIndex(np.zeros(4, dtype=np.uint64), 10)
    for row in (0, 1):
        index.drop_first(row)
    assert {*index.near(3).tolist()} == {2, 3}


def test_hashes_that_are_far_from_all_have_themselves_alone() -> None:
    index = HashIndex(np.array([0, 2**64 - 1], dtype=np.uint64), 10)
    assert {*index.near(0).tolist()} == {0} and {*index.near(1).tolist()} == {1}


def test_no_hashes_are_no_error() -> None:
    HashIndex(np.empty(0, dtype=np.uint64), 10)
