"""Styles that take turns at the layers of a generator."""

from __future__ import annotations

import pytest
import torch
from benchmarks.mixing import mixed


class Counting:
    """Six layers; its styles are the numbers 0, 1, 2, ... of the calls."""

    layers = 6

    def __init__(self) -> None:
        self.calls = -1

    def styles(self, n: int) -> torch.Tensor:
        self.calls += 1
        return torch.full((n, 2), float(self.calls))


@pytest.mark.parametrize("styles", [1, 2, 4])
def test_each_style_has_its_turn_and_the_first_layers_have_the_first(styles: int) -> None:
    torch.manual_seed(0)
    taken = mixed(Counting(), 50, styles)[..., 0]  # type: ignore[arg-type]
    assert taken.shape == (50, 6) and (taken.diff(dim=1) >= 0).all() and (taken[:, 0] == 0).all()
    assert all(row.unique().tolist() == list(range(styles)) for row in taken)


def test_the_borders_differ_from_frame_to_frame() -> None:
    torch.manual_seed(0)
    taken = mixed(Counting(), 50, 2)[..., 0]  # type: ignore[arg-type]
    assert set(taken.sum(1).tolist()) == {1.0, 2.0, 3.0, 4.0, 5.0}
