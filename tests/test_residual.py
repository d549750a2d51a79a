"""Residual maps and scores."""

from __future__ import annotations

import torch

from medgen.nn.features.residual import ResidualSettings, mean_scores, residual_maps, residual_scores, top_mean

VALID = torch.ones(2, 1, 32, 32, dtype=torch.bool)


def test_a_perfect_reconstruction_scores_zero() -> None:
    image = torch.rand(2, 3, 32, 32)
    scores = residual_scores(image, image.clone(), VALID, ResidualSettings())
    assert scores.score.abs().max() < 1e-5 and all(part.abs().max() < 1e-5 for part in scores.components.values())


def test_maps_are_zero_outside_valid() -> None:
    valid = torch.rand(2, 1, 32, 32) > 0.5
    maps = residual_maps(torch.rand(2, 3, 32, 32), torch.rand(2, 3, 32, 32), valid)
    assert all((values[~valid] == 0).all() for values in maps.values())


def test_what_is_not_valid_changes_no_score() -> None:
    valid = VALID.clone()
    valid[:, :, 10:20] = False
    image, drawn = torch.rand(2, 3, 32, 32), torch.rand(2, 3, 32, 32)
    other = torch.where(valid, drawn, torch.rand_like(drawn))
    for kind in ("squared_error", "absolute_error", "multi_scale", "ssim", "product"):
        settings = ResidualSettings(map=kind)  # type: ignore[arg-type]
        a, b = residual_scores(image, drawn, valid, settings), residual_scores(image, other, valid, settings)
        torch.testing.assert_close(a.score, b.score)


def test_errors_are_means_over_channels() -> None:
    image, drawn = torch.rand(2, 3, 32, 32), torch.rand(2, 3, 32, 32)
    maps = residual_maps(image, drawn, VALID)
    torch.testing.assert_close(maps["absolute_error"][:, 0], (image - drawn).abs().mean(1))
    torch.testing.assert_close(maps["squared_error"][:, 0], (image - drawn).square().mean(1))


def test_the_multi_scale_error_is_that_of_means_over_squares() -> None:
    image, drawn = torch.rand(2, 3, 30, 30), torch.rand(2, 3, 30, 30)
    found = residual_maps(image, drawn, VALID[..., :30, :30])["multi_scale"][1, 0, 17, 29]
    squares = [(image - drawn)[1, :, 17 // k * k : 17 // k * k + k, 29 // k * k : 29 // k * k + k] for k in (1, 2, 4, 8)]
    torch.testing.assert_close(found, torch.stack([square.mean((1, 2)).square().mean() for square in squares]).mean())


def test_a_multi_scale_error_counts_valid_pixels_alone() -> None:
    valid = VALID.clone()
    valid[:, :, :, 5] = False
    image = torch.zeros(2, 3, 32, 32)
    found = residual_maps(image, image + 0.2, valid)["multi_scale"]
    torch.testing.assert_close(found[valid], torch.full_like(found[valid], 0.04))


def test_the_mean_of_scores_is_that_of_their_maps_and_parts() -> None:
    image, settings = torch.rand(2, 3, 32, 32), ResidualSettings()
    both = [residual_scores(image, torch.rand_like(image), VALID, settings) for _ in range(2)]
    mean = mean_scores(both)
    assert mean.map is not None and both[0].map is not None and both[1].map is not None
    torch.testing.assert_close(mean.map, (both[0].map + both[1].map) / 2)
    torch.testing.assert_close(mean.components["ssim"], (both[0].components["ssim"] + both[1].components["ssim"]) / 2)


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
