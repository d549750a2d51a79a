"""What is kept of drawn frames, and how far that is from real ones."""

from __future__ import annotations

import pytest
import torch
from benchmarks.rejection import by_share, kept

from medgen.metrics.moments import Moments


def test_the_least_bad_share_is_kept_in_the_order_of_drawing() -> None:
    assert kept(torch.tensor([0.5, 0.1, 0.9, 0.2]), 0.5).tolist() == [1, 3]


def test_a_good_order_brings_the_kept_frames_nearer_than_as_many_at_random() -> None:
    """The bad half, which comes first, lies 2 further; the distance of equally spread features is that of the means."""
    spread = torch.linspace(-1, 1, 40, dtype=torch.float64)[:, None] * torch.tensor([[1.0, -1.0]])
    real = Moments()
    real.add(spread)
    features, badness = torch.cat([spread + 2, spread]), torch.cat([torch.ones(40), torch.zeros(40)])
    found = by_share(real, features, badness)
    assert found["0.5"] == {"kept": pytest.approx(0, abs=1e-9), "at random": pytest.approx(2 * 2**2)}
    assert found["1"]["kept"] == found["1"]["at random"]
