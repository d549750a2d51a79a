"""Anomaly maps and scores from the residual, the difference of a frame and its reconstruction, for backends that reconstruct."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from medgen.config import Settings
from medgen.losses import smooth, ssim_map, valid_mean
from medgen.types import Scores

COARSER = (2, 4, 8)  # pixels: scales of the squared error besides that of single pixels


class ResidualSettings(Settings):
    """How a residual becomes a map and an image score."""

    map: Literal["squared_error", "absolute_error", "multi_scale", "ssim", "product"] = "squared_error"
    sigma: float = Field(2.0, ge=0)  # of the Gaussian that smooths the map, in pixels of a 96 px crop; scales with the size
    share: float = Field(1.0, gt=0, le=1)  # the image score is the mean over this share of the valid pixels, the highest ones


def residual_maps(image: Tensor, reconstruction: Tensor, valid: Tensor) -> dict[str, Tensor]:
    """Return the raw maps (B, 1, S, S), 0 outside valid: squared and absolute error, over channels and scales, and 1 - SSIM.

    "multi_scale" is the mean of the squared errors of the frames' means over squares of 1, 2, 4 and 8 pixels: a broad change of
    colour counts at each, fine texture at the first alone.

    Parameters
    ----------
    image, reconstruction : (B, C, S, S) in [0, 1]
    valid : (B, 1, S, S) bool; what is not valid is blanked in both, so that it makes no edges for SSIM to see
    """
    image, reconstruction = image.float() * valid, reconstruction.float() * valid
    residual = image - reconstruction
    squared = residual.square().mean(1, keepdim=True)  # (B, 1, S, S), which is the finest scale, too
    return {
        "squared_error": squared,
        "absolute_error": residual.abs().mean(1, keepdim=True),
        "multi_scale": torch.stack([squared, *(_coarse(residual, valid, step) for step in COARSER)]).mean(0),
        "ssim": (1 - ssim_map(image, reconstruction)) * valid,
    }


def _coarse(residual: Tensor, valid: Tensor, step: int) -> Tensor:
    """Return the squared mean difference (B, 1, S, S) of the valid pixels of squares of `step` pixels, 0 outside valid."""
    weight = F.avg_pool2d(valid.to(residual.dtype), step, ceil_mode=True)
    mean = F.avg_pool2d(residual, step, ceil_mode=True) / weight.clamp_min(1e-6)  # (B, C, S / step, S / step)
    squared = mean.square().mean(1, keepdim=True).repeat_interleave(step, 2).repeat_interleave(step, 3)
    return squared[..., : residual.shape[2], : residual.shape[3]] * valid


def top_mean(values: Tensor, valid: Tensor, share: float) -> Tensor:
    """Return the mean (B,) over the highest `share` of the valid pixels of each (B, 1, S, S) map; 0 for a frame with none."""
    if share == 1:
        return valid_mean(values, valid)
    flat = values.masked_fill(~valid, -torch.inf).flatten(1).sort(dim=1, descending=True).values  # (B, S * S)
    count = (valid.flatten(1).sum(1) * share).ceil().long().clamp_min(1)  # (B,)
    is_highest = torch.arange(flat.shape[1], device=flat.device) < count[:, None]  # (B, S * S)
    return flat.masked_fill(~is_highest | flat.isinf(), 0).sum(1) / count


def mean_scores(several: Sequence[Scores]) -> Scores:
    """Return the mean of several scores of the same frames, of their maps and of their components; of one, that one."""
    if len(several) == 1:
        return several[0]
    maps = [scores.map for scores in several if scores.map is not None]
    components = {name: torch.stack([scores.components[name] for scores in several]).mean(0) for name in several[0].components}
    return Scores(
        torch.stack([scores.score for scores in several]).mean(0), torch.stack(maps).mean(0) if maps else None, components
    )


def residual_scores(image: Tensor, reconstruction: Tensor, valid: Tensor, settings: ResidualSettings) -> Scores:
    """Return the scores of a reconstruction: components over all valid pixels, and the map and image score that `settings` name.

    The reconstruction stands in them: a backend that hands in another one than its `reconstruct` returns takes it out again.

    Parameters
    ----------
    image, reconstruction : (B, C, S, S) in [0, 1]
    valid : (B, 1, S, S) bool
    settings : of the map and of the image score
    """
    raw = residual_maps(image, reconstruction, valid)
    components = {name: valid_mean(values, valid) for name, values in raw.items()}
    chosen = raw["squared_error"] * raw["ssim"] if settings.map == "product" else raw[settings.map]
    smoothed = smooth(chosen, valid, settings.sigma * image.shape[-1] / 96)
    return Scores(top_mean(smoothed, valid, settings.share), smoothed, components, reconstruction)
