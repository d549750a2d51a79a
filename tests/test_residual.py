"""Residual maps and scores."""

from __future__ import annotations

import torch

from medgen.nn.residual import ResidualSettings, residual_maps, residual_scores, top_mean

VALID = torch.ones(2, 1, 32, 32, dtype=torch.bool)


def test_a_perfect_reconstruction_scores_zero() -> None:
    image = torch.rand(2, 3, 32, 32)
    scores = residual_scores(image, image.clone(), VALID, ResidualSettings())
    assert scores.score.abs().max() < 1e-5 and all(part.abs().max() < 1e-5 for part in scores.parts.values())


def test_maps_are_zero_outside_valid() -> None:
    valid = torch.rand(2, 1, 32, 32) > 0.5
    maps = residual_maps(torch.rand(2, 3, 32, 32), torch.rand(2, 3, 32, 32), valid)
    assert all((values[~valid] == 0).all() for values in maps.values())


def test_what_is_not_valid_changes_no_score() -> None:
    valid = VALID.clone()
    valid[:, :, 10:20] = False
    image, drawn = torch.rand(2, 3, 32, 32), torch.rand(2, 3, 32, 32)
    other = torch.where(valid, drawn, torch.rand_like(drawn))
    for kind in ("squared_error", "ssim", "product"):
        settings = ResidualSettings(map=kind)  # type: ignore[arg-type]
        a, b = residual_scores(image, drawn, valid, settings), residual_scores(image, other, valid, settings)
        torch.testing.assert_close(a.score, b.score)


def test_the_top_mean_equals_numpy() -> None:
    values, valid = torch.rand(1, 1, 10, 10), torch.ones(1, 1, 10, 10, dtype=torch.bool)
    expected = values.flatten().numpy()
    expected.sort()
    torch.testing.assert_close(top_mean(values, valid, 0.2), torch.tensor([float(expected[-20:].mean())]))


def test_the_top_mean_looks_at_valid_pixels_only() -> None:
    values = torch.zeros(1, 1, 10, 10)
    values[..., 0] = 9.0
    valid = torch.ones(1, 1, 10, 10, dtype=torch.bool)
    valid[..., 0] = False
    assert top_mean(values, valid, 0.1).item() == 0


def test_a_local_fault_raises_the_map_where_it_is() -> None:
    image = torch.full((1, 3, 96, 96), 0.5)
    drawn = image.clone()
    drawn[:, :, 60:70, 20:30] = 0.9
    found = residual_scores(image, drawn, torch.ones(1, 1, 96, 96, dtype=torch.bool), ResidualSettings()).map
    assert found is not None and divmod(int(found.argmax()), 96) in {
        (row, column) for row in range(62, 68) for column in range(22, 28)
    }
