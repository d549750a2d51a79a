"""Losses equal somebody else's numbers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from skimage.metrics import structural_similarity
from torch.distributions import Normal, kl_divergence
from torch.nn.functional import binary_cross_entropy_with_logits
from torchmetrics.functional.image import structural_similarity_index_measure

from medgen.losses import (
    SSIM_SIGMA,
    SSIM_WINDOW,
    AdversarialLoss,
    binary_cross_entropy,
    critic_loss,
    gaussian_kl,
    generator_loss,
    gradient_penalty,
    r1_penalty,
    smooth,
    ssim_map,
    valid_mean,
)

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


def test_the_non_saturating_losses_are_cross_entropies_of_real_and_generated() -> None:
    real, fake = torch.randn(6), torch.randn(6)
    entropy = binary_cross_entropy_with_logits
    expected = entropy(real, torch.ones(6)) + entropy(fake, torch.zeros(6))
    torch.testing.assert_close(critic_loss(real, fake, "non_saturating"), expected)
    torch.testing.assert_close(generator_loss(fake, "non_saturating"), entropy(fake, torch.ones(6)))


@pytest.mark.parametrize(
    ("kind", "critic", "generator"),
    [("hinge", 0.25 + 0.5, 1.5), ("wasserstein", -1.5 - 1.25, 1.5), ("least_squares", 0.3125 + 2.25, 3.625 + 0.625)],
)
def test_the_other_adversarial_losses_are_those_by_hand(kind: AdversarialLoss, critic: float, generator: float) -> None:
    real, fake = torch.tensor([2.0, 0.5]), torch.tensor([-3.0, 0.0])
    assert critic_loss(real, fake, kind).item() == pytest.approx(critic)
    assert generator_loss(fake, kind).item() == pytest.approx(generator)


def linear(weight: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return the critic of frames (B, 3, 2, 2) that is a scalar product with `weight` (12,)."""
    return lambda images: images.flatten(1) @ weight


def half_square(images: torch.Tensor) -> torch.Tensor:
    """A critic whose gradient is the frame itself."""
    return 0.5 * images.square().flatten(1).sum(1)


def test_the_penalties_of_a_linear_critic_are_those_of_its_slope() -> None:
    weight, real, fake = torch.randn(12), torch.randn(5, 3, 2, 2), torch.randn(5, 3, 2, 2)
    torch.testing.assert_close(gradient_penalty(linear(weight), real, fake), (weight.norm() - 1) ** 2)
    torch.testing.assert_close(r1_penalty(linear(weight), real), weight.square().sum() / 2)


def test_the_penalties_pull_the_weights_of_a_critic_along_their_derivative() -> None:
    weight, frames = torch.randn(12, requires_grad=True), torch.randn(5, 3, 2, 2)
    (pulled,) = torch.autograd.grad(gradient_penalty(linear(weight), frames, -frames), weight)
    torch.testing.assert_close(pulled, (2 * (weight.norm() - 1) * weight / weight.norm()).detach())
    (pulled,) = torch.autograd.grad(r1_penalty(linear(weight), frames), weight)
    torch.testing.assert_close(pulled, weight.detach())


def test_r1_is_measured_at_real_frames_and_averaged_over_them() -> None:
    real = torch.randn(5, 3, 2, 2)
    torch.testing.assert_close(r1_penalty(half_square, real), real.square().sum() / 2 / 5)


def test_the_gradient_penalty_is_measured_somewhere_between_for_each_frame() -> None:
    torch.manual_seed(0)
    seen: list[torch.Tensor] = []

    def critic(images: torch.Tensor) -> torch.Tensor:
        seen.append(images.detach())
        return half_square(images)

    penalty = gradient_penalty(critic, torch.full((64, 3, 2, 2), 3.0), torch.full((64, 3, 2, 2), 1.0))
    share = (seen[0] - 1) / 2  # 0 at the generated frame, 1 at the real one
    assert share.min() >= 0 and share.max() <= 1 and share[:, 0, 0, 0].std().item() == pytest.approx(12**-0.5, rel=0.2)
    assert torch.equal(share, share[:, :1, :1, :1].expand_as(share))
    torch.testing.assert_close(penalty, (seen[0].flatten(1).norm(dim=1) - 1).square().mean())


def test_penalties_are_measured_in_float32_even_where_the_rest_is_not() -> None:
    weight, frames = torch.randn(12), torch.randn(5, 3, 2, 2)
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        assert r1_penalty(linear(weight), frames).item() == pytest.approx(weight.square().sum().item() / 2, rel=1e-6)
        expected = (weight.norm().item() - 1) ** 2
        assert gradient_penalty(linear(weight), frames, -frames).item() == pytest.approx(expected, rel=1e-5)


def test_penalties_leave_the_frames_as_they_are() -> None:
    real, fake = torch.randn(2, 3, 2, 2), torch.randn(2, 3, 2, 2)
    gradient_penalty(half_square, real, fake), r1_penalty(half_square, real)
    assert not real.requires_grad and not fake.requires_grad


@pytest.mark.parametrize("shape", [(2, 3, 24, 24), (1, 1, 11, 40)])
def test_the_ssim_map_equals_torchmetrics_up_to_the_edge(shape: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(shape, generator=generator)
    drawn = (image + 0.2 * torch.rand(shape, generator=generator)).clamp(0, 1)
    _, theirs = structural_similarity_index_measure(
        drawn, image, sigma=SSIM_SIGMA, kernel_size=SSIM_WINDOW, data_range=1.0, reduction="none", return_full_image=True
    )
    torch.testing.assert_close(ssim_map(image, drawn), theirs.mean(1, keepdim=True), atol=1e-5, rtol=0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(ssim_map(image, drawn), theirs.mean(1, keepdim=True), atol=1e-5, rtol=0)
