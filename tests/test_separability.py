"""How well a plane parts latents by a property of their frames."""

from __future__ import annotations

import math

import pytest
import torch
from sklearn.metrics import mutual_info_score
from sklearn.svm import LinearSVC

from medgen.errors import MedgenError
from medgen.nn.adversarial.separability import conditional_entropy, linear_separability, sides


def points(gap: float, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Return 200 latents of three numbers, the first of which is moved by `gap` for half of them, and which half."""
    random = torch.Generator().manual_seed(seed)
    truth = torch.arange(200) % 2 == 0
    return torch.randn(200, 3, generator=random) + gap * truth[:, None] * torch.tensor([1.0, 0, 0]), truth


def test_the_plane_parts_points_as_that_of_scikit_learn() -> None:
    latents, truth = points(1.0)
    scaled = ((latents - latents.mean(0)) / latents.std(0)).numpy()
    expected = LinearSVC(C=1.0, tol=1e-8, max_iter=100_000).fit(scaled, truth.numpy()).predict(scaled)
    assert (sides(latents.double(), truth).numpy() == expected).mean() > 0.99


def test_what_is_left_of_the_entropy_is_what_the_two_do_not_share() -> None:
    truth, said = torch.tensor([1, 1, 1, 0, 0, 0, 0, 1]).bool(), torch.tensor([1, 1, 0, 0, 0, 1, 0, 1]).bool()
    expected = math.log(2) - mutual_info_score(truth, said)
    assert float(conditional_entropy(truth, said)) == pytest.approx(expected)


@pytest.mark.parametrize(("gap", "low", "high"), [(50.0, 1.0, 1.0001), (0.0, 1.8, 2.0)])
def test_parted_latents_come_to_one_and_mixed_ones_to_two(gap: float, low: float, high: float) -> None:
    latents, truth = points(gap)
    sure = 0.1 + 0.35 * torch.rand(200, 1, generator=torch.Generator().manual_seed(1))
    assert low <= linear_separability(latents, 0.5 + torch.where(truth[:, None], sure, -sure)) <= high + 1e-9


def test_a_property_that_no_sure_frame_has_is_refused() -> None:
    latents, _ = points(1.0)
    with pytest.raises(MedgenError, match="of the 100 frames that count 0 have the property"):
        linear_separability(latents, torch.full((200, 1), 0.1))
