"""The greedy coreset covers what it was chosen from."""

from __future__ import annotations

import torch

from medgen.nn.features.coreset import greedy_coreset


def farthest_first(vectors: torch.Tensor, count: int, first: int) -> list[int]:
    chosen = [first]
    while len(chosen) < count:
        chosen.append(int(torch.cdist(vectors, vectors[chosen]).amin(1).argmax()))
    return chosen


def test_each_row_is_the_farthest_from_those_before_it() -> None:
    vectors = torch.randn(200, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    chosen = greedy_coreset(vectors, 30).tolist()
    assert chosen == farthest_first(vectors, 30, chosen[0])


def test_wide_vectors_are_covered_nearly_as_well_after_a_random_projection() -> None:
    vectors = torch.randn(300, 600, generator=torch.Generator().manual_seed(0)) * torch.linspace(0, 3, 600)
    chosen = greedy_coreset(vectors, 60)
    exact = farthest_first(vectors, 60, int(chosen[0]))
    reach, best = (torch.cdist(vectors, vectors[rows]).amin(1).max() for rows in (chosen, exact))
    assert reach < 1.1 * best


def test_no_row_is_chosen_twice_even_among_equal_ones() -> None:
    assert sorted(greedy_coreset(torch.ones(6, 3), 10).tolist()) == [*range(6)]


def test_the_same_seed_chooses_the_same_rows() -> None:
    vectors = torch.randn(100, 200, generator=torch.Generator().manual_seed(0))
    assert torch.equal(greedy_coreset(vectors, 9, seed=3), greedy_coreset(vectors, 9, seed=3))
