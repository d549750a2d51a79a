"""Pure functions of tensors that backends minimise or score by; every reduction keeps the batch axis unless it says so."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from medgen import ranks

SSIM_SIGMA = 1.5  # Wang et al. 2004
SSIM_WINDOW = 11
SSIM_C1, SSIM_C2 = 0.01**2, 0.03**2


def binary_cross_entropy(logits: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """Return the cross-entropy of grey values read as probabilities, summed over the valid pixels of each frame.

    Parameters
    ----------
    logits : (B, C, S, S), before the sigmoid
    target : (B, C, S, S) in [0, 1]
    valid : (B, 1, S, S) bool

    Returns
    -------
    (B,) float32 nats. Grey values are no coin flips: this is a loss and not a likelihood, and its floor is the target's entropy.
    """
    loss = F.binary_cross_entropy_with_logits(logits.float(), target, reduction="none")  # (B, C, S, S)
    return (loss * valid).flatten(1).sum(1)  # (B,)


def gaussian_kl(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Return KL(N(mean, exp(log_variance)) || N(0, I)) of each latent, (B, Z) nats (Kingma and Welling 2013, appendix B)."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance)


def ssim_map(image: Tensor, reconstruction: Tensor) -> Tensor:
    """Return the structural similarity at each pixel, averaged over channels (Wang et al. 2004).

    Parameters
    ----------
    image, reconstruction : (B, C, S, S) in [0, 1], S at least 11

    Returns
    -------
    (B, 1, S, S) float32 in [-1, 1]; edges see the frame mirrored.
    """
    luminance, structure = ssim_factors(image, reconstruction)
    return (luminance * structure).mean(1, keepdim=True)  # (B, 1, S, S)


def ssim_factors(image: Tensor, reconstruction: Tensor) -> tuple[Tensor, Tensor]:
    """Return the two factors of the structural similarity of each value: luminance, and contrast with structure.

    Parameters
    ----------
    image, reconstruction : (B, C, S, S) in [0, 1], S at least 11

    Returns
    -------
    (B, C, S, S) float32 each, in [0, 1] and in [-1, 1]; edges see the frame mirrored.
    """
    pair = torch.stack([image.float(), reconstruction.float()])  # (2, B, C, S, S)
    moments = _local_means(torch.cat([pair, pair.square(), pair.prod(0, keepdim=True)]))  # (5, B, C, S, S)
    (first, second), product = moments[:2], moments[0] * moments[1]
    variances = (moments[2:4] - moments[:2].square()).clamp_min(0).sum(0)  # (B, C, S, S)
    luminance = (2 * product + SSIM_C1) / (first.square() + second.square() + SSIM_C1)
    return luminance, (2 * (moments[4] - product) + SSIM_C2) / (variances + SSIM_C2)


def _local_means(planes: Tensor) -> Tensor:
    """Return (K, B, C, H, W) blurred by SSIM's window.

    As two products with a matrix: several times as fast as a convolution of so few channels.
    """
    down, across = (_window_matrix(side).to(planes) for side in planes.shape[-2:])
    with torch.autocast(planes.device.type, enabled=False):  # variances are small differences
        return down @ planes @ across.T


@lru_cache(maxsize=8)
def _window_matrix(side: int) -> Tensor:
    """Return (side, side): row k holds the weights of the window around pixel k of a line that is mirrored at its ends."""
    half = SSIM_WINDOW // 2
    with torch.inference_mode(False):
        weights = torch.exp(-0.5 * (torch.arange(-half, half + 1) / SSIM_SIGMA).square())
        lines = F.pad(torch.eye(side)[:, None], (half, half), mode="reflect")  # (side, 1, side + 2 half)
        return F.conv1d(lines, (weights / weights.sum())[None, None])[:, 0].T.contiguous()


def valid_mean(values: Tensor, valid: Tensor) -> Tensor:
    """Return the mean of (B, 1, S, S) values over the valid pixels of each frame, (B,); 0 for a frame with none."""
    weight = valid.to(values.dtype)
    return (values * weight).flatten(1).sum(1) / weight.flatten(1).sum(1).clamp_min(1)


def smooth(values: Tensor, valid: Tensor, sigma: float) -> Tensor:
    """Blur a map with a Gaussian inside the valid pixels only: what is masked neither leaks in nor dims its edge.

    Parameters
    ----------
    values : (B, 1, S, S)
    valid : (B, 1, S, S) bool
    sigma : standard deviation in pixels; 0 leaves the map as it is

    Returns
    -------
    (B, 1, S, S), 0 outside valid.
    """
    weight = valid.to(values.dtype)
    if sigma <= 0:
        return values * weight
    reach = int(3 * sigma + 0.5)

    def bands(side: int) -> Tensor:
        """Return the matrix (side, side) that blurs along one side: faster on a processor than a long kernel's convolution."""
        places = torch.arange(side, device=values.device, dtype=values.dtype)
        offset = places - places[:, None]
        kernel = torch.exp(-0.5 * (offset / sigma) ** 2) * (offset.abs() <= reach)
        whole = torch.arange(-reach, reach + 1, device=values.device, dtype=values.dtype)
        return kernel / torch.exp(-0.5 * (whole / sigma) ** 2).sum()

    down, across = (bands(side) for side in values.shape[-2:])

    def blur(field: Tensor) -> Tensor:
        return down @ field @ across

    return blur(values * weight) / blur(weight).clamp_min(1e-6) * weight


AdversarialLoss = Literal["non_saturating", "hinge", "wasserstein", "least_squares"]


def critic_loss(real: Tensor, fake: Tensor, kind: AdversarialLoss) -> Tensor:
    """Return what a critic minimises, a scalar.

    Parameters
    ----------
    real, fake : (B,) the critic's outputs, before any sigmoid, for training frames and for generated ones
    kind : "non_saturating" (Goodfellow et al. 2014), "hinge" (Lim and Ye 2017), "wasserstein" (Arjovsky et al. 2017; minus the
        estimated distance) or "least_squares" (Mao et al. 2017)
    """
    real, fake = real.float(), fake.float()
    if kind == "non_saturating":
        return F.softplus(-real).mean() + F.softplus(fake).mean()
    if kind == "hinge":
        return F.relu(1 - real).mean() + F.relu(1 + fake).mean()
    if kind == "wasserstein":
        return fake.mean() - real.mean()
    return 0.5 * (real - 1).square().mean() + 0.5 * fake.square().mean()


def generator_loss(fake: Tensor, kind: AdversarialLoss) -> Tensor:
    """Return what a generator minimises, a scalar.

    Parameters
    ----------
    fake : (B,) the critic's outputs, before any sigmoid, for generated frames
    kind : loss of the critic that it is trained against
    """
    fake = fake.float()
    if kind == "non_saturating":
        return F.softplus(-fake).mean()
    if kind == "least_squares":
        return 0.5 * (fake - 1).square().mean()
    return -fake.mean()


def gradient_penalty(critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor) -> Tensor:
    """Return the mean of (length of the critic's gradient - 1)^2 at random points between real and fake frames.

    Gulrajani et al. 2017, https://arxiv.org/abs/1704.00028, equation 3, without its weight.

    Parameters
    ----------
    critic : (B, C, S, S) to (B,)
    real, fake : (B, C, S, S)
    """
    share = ranks.rand((len(real), 1, 1, 1), real.device)
    between = torch.lerp(fake.detach().float(), real.detach().float(), share)
    return (_slopes(critic, between).norm(dim=1) - 1).square().mean()


def r1_penalty(critic: Callable[[Tensor], Tensor], real: Tensor) -> Tensor:
    """Return half the mean squared length of the critic's gradient at real frames.

    Mescheder et al. 2018, https://arxiv.org/abs/1801.04406, equation 9, without its weight.

    Parameters
    ----------
    critic : (B, C, S, S) to (B,)
    real : (B, C, S, S)
    """
    return 0.5 * _slopes(critic, real.detach().float()).square().sum(1).mean()


def _slopes(critic: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """Return the critic's gradient (B, C * S * S) with respect to images, in float32: squares of small numbers are at stake."""
    with torch.autocast(images.device.type, enabled=False), torch.enable_grad():
        images = images.requires_grad_()
        (slopes,) = torch.autograd.grad(critic(images).float().sum(), images, create_graph=True)
    return slopes.flatten(1)
