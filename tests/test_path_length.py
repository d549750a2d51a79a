"""Ways through a latent space have the lengths that geometry says."""

from __future__ import annotations

from math import sqrt

import pytest
import torch
from torch import Tensor

from medgen.nn.adversarial.path_length import perceptual_path_length, spherical


def squared(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).square().sum(1)


def test_the_path_of_a_linear_draw_is_as_long_as_its_ends_are_apart() -> None:
    matrix = torch.randn(5, 7, dtype=torch.float64)
    w0, w1 = torch.randn(2, 4, 7, dtype=torch.float64)
    lengths = perceptual_path_length(lambda w: w @ matrix.T, w0, w1, squared)
    torch.testing.assert_close(lengths, ((w1 - w0) @ matrix.T).square().sum(1), rtol=1e-6, atol=0)


def test_the_path_round_a_circle_is_as_long_as_its_angle() -> None:
    angle = torch.tensor([[0.3], [1.0], [3.0]], dtype=torch.float64)
    start, end = torch.tensor([[1.0, 0.0]], dtype=torch.float64).expand(3, -1), torch.cat((angle.cos(), angle.sin()), 1)
    lengths = perceptual_path_length(lambda z: z, start, end, squared, between=spherical)
    torch.testing.assert_close(lengths, angle[:, 0] ** 2, rtol=1e-5, atol=0)


@pytest.mark.parametrize(("share", "place"), [(0.0, [2.0, 0.0]), (0.5, [3 / sqrt(2), 3 / sqrt(2)]), (1.0, [0.0, 4.0])])
def test_a_spherical_way_turns_and_grows_evenly(share: float, place: list[float]) -> None:
    found = spherical(torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 4.0]]), torch.tensor(share))
    torch.testing.assert_close(found, torch.tensor([place]))


@pytest.mark.parametrize("end", [[2.0, 0.0], [5.0, 0.0]])
def test_a_spherical_way_to_the_same_direction_stays_on_it(end: list[float]) -> None:
    found = spherical(torch.tensor([[2.0, 0.0]]), torch.tensor([end]), torch.tensor([[0.5]]))
    torch.testing.assert_close(found, torch.tensor([[1 + end[0] / 2, 0.0]]))
