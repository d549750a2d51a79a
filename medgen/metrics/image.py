"""Image quality: how close a reconstruction comes to its frame, as PSNR, SSIM and MS-SSIM.

Batches of frames and reconstructions come in, one value a frame goes out. Masked pixels (burned-in overlay, border) can be kept
out of PSNR and SSIM.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from medgen.errors import MedgenError
from medgen.losses import SSIM_WINDOW, ssim_factors, ssim_map

PSNR_CEILING = 100.0  # dB; equal frames would be infinite, and so would every mean with one of them
MS_SSIM_BETAS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # Wang et al. 2003, finest scale first


def blank(image: Tensor, valid: Tensor) -> Tensor:
    """Return the image with its invalid pixels black.

    Applied to both a frame and its reconstruction, it keeps burned-in overlay out of a comparison of whole crops.

    Parameters
    ----------
    image : (B, C, S, S)
    valid : (B, 1, S, S) bool

    Returns
    -------
    (B, C, S, S), 0 outside valid.
    """
    return image.masked_fill(~valid, 0.0)


def psnr(image: Tensor, reconstruction: Tensor, valid: Tensor | None = None) -> Tensor:
    """Return the peak signal-to-noise ratio of each frame.

    Parameters
    ----------
    image, reconstruction : (B, C, S, S) in [0, 1]
    valid : (B, 1, S, S) bool; the mean squared error is then over the valid pixels alone

    Returns
    -------
    (B,) float32 dB, at most `PSNR_CEILING` (equal frames); NaN for a frame without a valid pixel.

    Raises
    ------
    MedgenError : if the shapes differ.
    """
    _check(image, reconstruction, valid)
    return _decibels(_error(image, reconstruction), torch.ones_like(image[:, :1], dtype=torch.bool) if valid is None else valid)


def ssim(image: Tensor, reconstruction: Tensor, valid: Tensor | None = None) -> Tensor:
    """Return the mean structural similarity of each frame (Wang et al. 2004; Gaussian window 11 x 11, sigma 1.5).

    The mean is over channels and over the pixels whose whole window lies in the frame, so without the outermost 5; Wang et al.
    and scikit-image do the same. Pixels outside `valid` are black in both images and are no part of the mean.

    Parameters
    ----------
    image, reconstruction : (B, C, S, S) in [0, 1], S at least 11
    valid : (B, 1, S, S) bool; the mean is then over the valid pixels alone

    Returns
    -------
    (B,) float32 in [-1, 1]; NaN for a frame without a valid pixel.

    Raises
    ------
    MedgenError : if the shapes differ or the frames are smaller than the window.
    """
    _check(image, reconstruction, valid)
    _check_window(image)
    if valid is None:
        valid = torch.ones_like(image[:, :1], dtype=torch.bool)
    return _inner_mean(ssim_map(blank(image, valid), blank(reconstruction, valid)), valid)


def qualities(image: Tensor, reconstruction: Tensor, valid: Tensor) -> dict[str, Tensor]:
    """Return "psnr" and "ssim" of whole crops, with pixels outside `valid` black in both, and "psnr_valid" and "ssim_valid".

    What they share, the errors and the similarity of each pixel, is computed once.

    Parameters
    ----------
    image, reconstruction : (B, C, S, S) in [0, 1], S at least 11
    valid : (B, 1, S, S) bool

    Returns
    -------
    (B,) float32 each, as from `psnr` and `ssim`

    Raises
    ------
    MedgenError : if the shapes differ or the frames are smaller than the window.
    """
    _check(image, reconstruction, valid)
    _check_window(image)
    frame, drawn = blank(image, valid), blank(reconstruction, valid)
    error, similarity, everywhere = _error(frame, drawn), ssim_map(frame, drawn), torch.ones_like(valid)
    return {
        "psnr": _decibels(error, everywhere),
        "ssim": _inner_mean(similarity, everywhere),
        "psnr_valid": _decibels(error, valid),
        "ssim_valid": _inner_mean(similarity, valid),
    }


def ms_ssim(image: Tensor, reconstruction: Tensor, scales: int = 5) -> Tensor:
    """Return the multi-scale structural similarity of each frame (Wang et al. 2003).

    Parameters
    ----------
    image, reconstruction : (B, C, S, S) in [0, 1]
    scales : 1 to 5; the published five need S of at least 176, three need 44. With fewer than five the exponents
        (`MS_SSIM_BETAS`) are scaled up to the same sum

    Returns
    -------
    (B,) float32 in [0, 1]; negative similarities count as 0.

    Raises
    ------
    MedgenError : if the shapes differ or the frames are too small for so many scales.
    """
    _check(image, reconstruction, None)
    if not 1 <= scales <= len(MS_SSIM_BETAS):
        raise MedgenError(f"MS-SSIM got {scales} scales; expected 1 to {len(MS_SSIM_BETAS)}")
    smallest = SSIM_WINDOW * max(2 ** (scales - 1), (scales - 1) ** 2)  # a window fits the coarsest scale, with room to spare
    if min(image.shape[-2:]) < smallest:
        raise MedgenError(
            f"MS-SSIM with {scales} scales needs {smallest} x {smallest} pixels, got {_size(image)}; take fewer scales"
        )
    betas = MS_SSIM_BETAS[:scales]
    factor, result = sum(MS_SSIM_BETAS) / sum(betas), torch.ones(len(image), device=image.device)
    pair = torch.stack([image.float(), reconstruction.float()])  # (2, B, C, S, S)
    for number, beta in enumerate(betas, start=1):
        luminance, structure = ssim_factors(*pair)
        # the coarsest scale alone has a luminance, and there the mirrored edges count too, as torchmetrics has it
        seen = luminance * structure if number == scales else _inner(structure)
        result *= seen.mean((1, 2, 3)).clamp_min(0) ** (beta * factor)
        pair = F.avg_pool2d(pair.flatten(0, 1), 2).unflatten(0, (2, -1)) if number < scales else pair
    return result


def _check(image: Tensor, reconstruction: Tensor, valid: Tensor | None) -> None:
    if image.ndim != 4 or image.shape != reconstruction.shape:
        shapes = f"{tuple(image.shape)} and {tuple(reconstruction.shape)}"
        raise MedgenError(f"frame and reconstruction have shapes {shapes}; expected (B, C, S, S) twice")
    expected = (image.shape[0], 1, *image.shape[2:])
    if valid is not None and (tuple(valid.shape) != expected or valid.dtype != torch.bool):
        raise MedgenError(f"valid is {valid.dtype} {tuple(valid.shape)}; expected bool {expected}")


def _check_window(image: Tensor) -> None:
    if min(image.shape[-2:]) < SSIM_WINDOW:
        raise MedgenError(f"SSIM got frames of {_size(image)} pixels; its window needs at least {SSIM_WINDOW} x {SSIM_WINDOW}")


def _error(image: Tensor, reconstruction: Tensor) -> Tensor:
    """Return the squared error of each pixel, (B, 1, S, S), the mean over channels."""
    return (image.float() - reconstruction.float()).square().mean(1, keepdim=True)


def _decibels(error: Tensor, valid: Tensor) -> Tensor:
    return -10 * _mean(error, valid).clamp_min(10 ** (-PSNR_CEILING / 10)).log10()


def _inner_mean(similarity: Tensor, valid: Tensor) -> Tensor:
    """Return the mean (B,) of a map (B, 1, S, S) over the valid pixels whose whole window lies in the frame."""
    return _mean(_inner(similarity), _inner(valid))


def _inner(values: Tensor) -> Tensor:
    """Return the pixels (..., S - 10, S - 10) whose whole window lies in the frame."""
    edge = SSIM_WINDOW // 2
    return values[..., edge:-edge, edge:-edge]


def _size(image: Tensor) -> str:
    return f"{image.shape[-2]} x {image.shape[-1]}"


def _mean(values: Tensor, valid: Tensor) -> Tensor:
    """Return the mean of (B, 1, S, S) over valid, (B,); NaN where nothing is valid."""
    return values.masked_fill(~valid, 0.0).sum((1, 2, 3)) / valid.sum((1, 2, 3))
