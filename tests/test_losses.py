"""Losses equal somebody else's numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from skimage.metrics import structural_similarity
from torch.distributions import Normal, kl_divergence

from medgen.losses import binary_cross_entropy, gaussian_kl, smooth, ssim_map, valid_mean

EVERYWHERE = torch.ones(2, 1, 24, 24, dtype=torch.bool)


@pytest.fixture
def pair() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    image = torch.rand(2, 3, 24, 24)
    return image, (image + 0.1 * torch.randn_like(image)).clamp(0, 1)


def test_cross_entropy_equals_the_formula(pair: tuple[torch.Tensor, torch.Tensor]) -> None:
    target, drawn = pair
    drawn = drawn.clamp(0.01, 0.99).double()
    expected = -(target * drawn.log() + (1 - target) * (1 - drawn).log()).sum((1, 2, 3))
    torch.testing.assert_close(
        binary_cross_entropy(drawn.logit().float(), target, EVERYWHERE).double(), expected, rtol=1e-4, atol=0
    )


def test_cross_entropy_ignores_what_is_not_valid(pair: tuple[torch.Tensor, torch.Tensor]) -> None:
    target, logits = pair
    valid = EVERYWHERE.clone()
    valid[:, :, :5] = False
    other = logits.clone()
    other[:, :, :5] = 99.0
    torch.testing.assert_close(binary_cross_entropy(logits, target, valid), binary_cross_entropy(other, target, valid))


def test_kl_equals_torch_distributions() -> None:
    mean, log_variance = torch.randn(4, 6), torch.randn(4, 6)
    expected = kl_divergence(Normal(mean, (0.5 * log_variance).exp()), Normal(0.0, 1.0))
    torch.testing.assert_close(gaussian_kl(mean, log_variance), expected)


def test_the_ssim_map_equals_scikit_image_away_from_the_edge(pair: tuple[torch.Tensor, torch.Tensor]) -> None:
    image, drawn = pair
    ours = ssim_map(image, drawn)[0, 0, 5:-5, 5:-5].numpy()
    _, theirs = structural_similarity(
        image[0].numpy(), drawn[0].numpy(), channel_axis=0, data_range=1.0, gaussian_weights=True, sigma=1.5,
        use_sample_covariance=False, full=True,
    )  # fmt: skip
    np.testing.assert_allclose(ours, theirs.mean(0)[5:-5, 5:-5], atol=1e-4)


def test_smoothing_equals_scipy_where_all_is_valid() -> None:
    values = torch.rand(1, 1, 40, 40)
    expected = gaussian_filter(values[0, 0].double().numpy(), 2.0, mode="constant", truncate=3.0)
    ours = smooth(values, torch.ones_like(values, dtype=torch.bool), 2.0)[0, 0]
    np.testing.assert_allclose(ours[6:-6, 6:-6].numpy(), expected[6:-6, 6:-6], atol=1e-5)


def test_smoothing_keeps_a_constant_up_to_the_edge_of_the_mask() -> None:
    valid = torch.rand(1, 1, 30, 30) > 0.3
    torch.testing.assert_close(smooth(torch.ones(1, 1, 30, 30), valid, 3.0), valid.float())


def test_what_is_masked_does_not_leak_into_the_smoothed_map() -> None:
    valid = torch.ones(1, 1, 30, 30, dtype=torch.bool)
    valid[..., :10] = False
    values = torch.rand(1, 1, 30, 30)
    torch.testing.assert_close(smooth(values, valid, 2.0), smooth(values + 100 * ~valid, valid, 2.0))


def test_the_valid_mean_is_the_mean_over_valid_pixels() -> None:
    values, valid = torch.rand(3, 1, 8, 8), torch.rand(3, 1, 8, 8) > 0.5
    expected = torch.stack([values[k][valid[k]].mean() for k in range(3)])
    torch.testing.assert_close(valid_mean(values, valid), expected)


def test_a_frame_without_valid_pixels_has_mean_zero() -> None:
    assert valid_mean(torch.ones(1, 1, 8, 8), torch.zeros(1, 1, 8, 8, dtype=torch.bool)).item() == 0
