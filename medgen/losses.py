"""Pure functions of tensors that backends minimise or score by; every reduction keeps the batch axis unless it says so."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F
from torchmetrics.functional.image import structural_similarity_index_measure

SSIM_SIGMA = 1.5  # Wang et al. 2004
SSIM_WINDOW = 11


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


def squared_error(prediction: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """Return the squared error summed over the valid pixels of each frame, (B,); arguments as in `binary_cross_entropy`."""
    return ((prediction.float() - target).square() * valid).flatten(1).sum(1)


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
    _, similarity = structural_similarity_index_measure(
        reconstruction.float(),
        image.float(),
        sigma=SSIM_SIGMA,
        kernel_size=SSIM_WINDOW,
        data_range=1.0,
        reduction="none",
        return_full_image=True,
    )
    assert isinstance(similarity, Tensor)
    return similarity.mean(1, keepdim=True)  # (B, 1, S, S)


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
    offset = torch.arange(-reach, reach + 1, device=values.device, dtype=values.dtype)
    kernel = torch.exp(-0.5 * (offset / sigma) ** 2)
    kernel = kernel / kernel.sum()

    def blur(field: Tensor) -> Tensor:
        field = F.conv2d(field, kernel.view(1, 1, 1, -1), padding=(0, reach))
        return F.conv2d(field, kernel.view(1, 1, -1, 1), padding=(reach, 0))

    return blur(values * weight) / blur(weight).clamp_min(1e-6) * weight
