"""Noising of frames step by step, and the way back: what diffusion models compute beside their net.

Sources: Ho et al. 2020, "Denoising Diffusion Probabilistic Models", https://arxiv.org/abs/2006.11239; fewer steps back, without
noise of their own: Song et al. 2020, "Denoising Diffusion Implicit Models", https://arxiv.org/abs/2010.02502.
MONAI has both as schedulers. Its steps back are narrower than the gaps between the steps that it hands out, and its noising in
half precision rounds the schedule for every later call; both are written out here, and the tests compare where they should agree.
Shape letters beside those of `Batch`: T noising steps. Frames are in [-1, 1].
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor

from medgen import ranks

NoiseKind = Literal["gaussian", "fractal"]
FIRST_RATE, LAST_RATE = 1e-4, 2e-2  # of a schedule of 1000 steps (Ho et al.); of fewer steps, each has its share more
PERSISTENCE = 0.8  # amplitude of an octave in proportion to the one of half its frequency (Wyatt et al. 2022, section 4.3)
LOWEST = 4  # periods over a frame: that of the first octave, below which the spectrum is even

Denoiser = Callable[[Tensor, Tensor], Tensor]  # noised frames (B, C, S, S) and their steps (B,) to the noise in them


def kept_signal(steps: int) -> Tensor:
    """Return how much of a frame's variance is left after each step of noising, (T,) float32, from near 1 to near 0."""
    rates = torch.linspace(FIRST_RATE, LAST_RATE, steps, dtype=torch.float64) * (1000 / steps)
    return (1 - rates.clamp(max=0.999)).cumprod(0).float()


def noised(frames: Tensor, noise: Tensor, kept: Tensor) -> Tensor:
    """Return frames (B, C, S, S) with noise of the same shape; the shares `kept`, (B,) or (), of their variance are left."""
    kept = kept.view(-1, 1, 1, 1)
    return kept.sqrt() * frames + (1 - kept).sqrt() * noise


def draw_noise(like: Tensor, kind: NoiseKind, generator: torch.Generator | None = None) -> Tensor:
    """Return noise of the shape (B, C, S, S) of a tensor, of mean 0 and variance 1.

    "fractal" has the octaves of AnoDDPM's simplex noise, each of `PERSISTENCE` of the amplitude of the coarser one: to hide a
    large anomaly, noise has to have patches of its size. It is filtered white noise, so that no place and no direction differs
    from another, as those of a lattice do.

    Parameters
    ----------
    like : of the shape, on the device
    kind : "gaussian" is white
    generator : of the CPU; PyTorch's own one of the device where there is none
    """
    white = torch.randn(like.shape, generator=generator).to(like.device) if generator else ranks.randn_like(like.float())
    if kind == "gaussian":
        return white
    side = like.shape[-1]
    down, across = torch.fft.fftfreq(side, 1 / side, device=like.device), torch.fft.rfftfreq(side, 1 / side, device=like.device)
    amplitude = (down[:, None].square() + across.square()).sqrt().clamp_min(LOWEST) ** _falling()  # (S, S // 2 + 1)
    both = torch.fft.fftfreq(side, 1 / side, device=like.device).square()
    power = ((both[:, None] + both).sqrt().clamp_min(LOWEST) ** (2 * _falling())).mean()  # of all S x S waves: variance
    return torch.fft.irfft2(torch.fft.rfft2(white) * amplitude / power.sqrt(), s=(side, side))


def _falling() -> float:
    """Return the exponent of amplitude over frequency: an octave has four times as many waves as the last one."""
    return math.log2(PERSISTENCE / 2)


def denoised(noisy: Tensor, kept: Tensor, first: int, count: int, denoiser: Denoiser) -> Tensor:
    """Return frames (B, C, S, S) in [-1, 1] without the noise of step `first`, taken back over `count` steps, evenly spread.

    Parameters
    ----------
    noisy : (B, C, S, S) at step `first`
    kept : (T,) as from `kept_signal`
    first : from 0 to T - 1
    count : steps back, the last one to frames without noise; no more than `first` + 1 are taken
    denoiser : predicts the noise
    """
    times = [round(first * k / count) for k in range(count, 0, -1)] if count <= first else range(first, -1, -1)
    clean = noisy
    for time, following in pairwise([*times, -1]):
        noise = denoiser(noisy, torch.full((len(noisy),), time, device=noisy.device))
        share = kept[time]
        clean = ((noisy - (1 - share).sqrt() * noise) / share.sqrt()).clamp(-1, 1)
        if following >= 0:
            noisy = noised(clean, noise, kept[following])
    return clean
