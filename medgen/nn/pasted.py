"""Normal frames with synthetic anomalies of several kinds and where they are, for nets that learn to find them.

Sources: natural patches of other frames, blended in with soft edges and partly in the colours of the place: Schlueter et al.
2022, "Natural Synthetic Anomalies for Self-Supervised Anomaly Detection and Localization", https://arxiv.org/abs/2109.15222
(there by a Poisson equation); texture in the shape of noise: Zavrtanik et al. 2021, "DRAEM", https://arxiv.org/abs/2108.07610
(there from photographs). Bulges that magnify what is below and are lit from a side are our own.

Every number is drawn by PyTorch's generator of the frames' device, so that a training step waits for nobody: drawn from one seed,
the same frames get the same anomalies. Shape letters are those of `Batch`; y and x run from 0 to 1 over a frame.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from medgen import ranks

AnomalyKind = Literal["patch", "texture", "bulge"]
SMALLEST, LARGEST = 0.08, 0.5  # axes of an anomaly as shares of the side; logarithms are drawn evenly
SEEN = 0.02  # mean change of a pixel's channels from which on it belongs to an anomaly


class _Blob(NamedTuple):
    """Where anomalies are: `inside`, (B, 1, S, S), is 1 at the centre, 0 at the edge of the ellipse and negative outside."""

    inside: Tensor
    offset: Tensor  # (B, S, S, 2), x and y from the centre


def paste_anomalies(
    image: Tensor, valid: Tensor, kinds: tuple[AnomalyKind, ...] = ("patch", "texture", "bulge"), untouched: float = 0.25
) -> tuple[Tensor, Tensor]:
    """Return frames (B, C, S, S) in [0, 1] with an anomaly each, and where it can be seen, (B, 1, S, S) bool.

    Parameters
    ----------
    image : (B, C, S, S) in [0, 1], without holes (`inpaint`)
    valid : (B, 1, S, S) bool; what is not valid stays as it is
    kinds : of which one is drawn for each frame
    untouched : share of the frames that stay as they are
    """
    count = len(image)
    blob = _draw_blobs(image)
    drawn = torch.stack([_DRAWERS[kind](image, valid, blob) for kind in kinds])  # (kinds, B, C, S, S)
    which = ranks.randint(len(kinds), (count,), image.device)
    changed = drawn[which, torch.arange(count, device=image.device)]
    stays = _draw(image, 0, 1) < untouched
    changed = torch.where(valid & ~stays, changed, image).clamp(0, 1)
    return changed, ((changed - image).abs().mean(1, keepdim=True) > SEEN) & valid


def _draw(image: Tensor, low: float, high: float, channels: int = 1) -> Tensor:
    """Return a number for each frame, or for each of its channels, (B, channels, 1, 1), drawn evenly."""
    return low + (high - low) * ranks.rand((len(image), channels, 1, 1), image.device)


def _draw_blobs(image: Tensor) -> _Blob:
    """Draw an ellipse with a wavy edge in each frame."""
    side = image.shape[-1]
    steps = (torch.arange(side, device=image.device) + 0.5) / side
    down, right = steps[:, None] - _draw(image, 0.1, 0.9), steps - _draw(image, 0.1, 0.9)  # (B, 1, S, 1) and (B, 1, 1, S)
    turn = _draw(image, 0, math.pi)
    tall, wide = (_draw(image, math.log(SMALLEST), math.log(LARGEST)).exp() / 2 for _ in range(2))
    along = (turn.cos() * down + turn.sin() * right) / tall
    across = (turn.cos() * right - turn.sin() * down) / wide
    inside = 1 - along.square() - across.square() + _draw(image, 0, 0.6) * _waves(image, 8, 1)
    return _Blob(inside, torch.stack(torch.broadcast_tensors(right[:, 0], down[:, 0]), 3))


def _waves(image: Tensor, cells: int, channels: int) -> Tensor:
    """Return smooth noise (B, channels, S, S) of about variance 1, with `cells` periods at most over a frame."""
    coarse = ranks.randn((len(image), channels, cells, cells), image.device)
    return F.interpolate(coarse, image.shape[2:], mode="bicubic")


def _soft(image: Tensor, blob: _Blob) -> Tensor:
    """Return how much of the anomaly is at each pixel, (B, 1, S, S) in [0, 1], with an edge of a width that is drawn."""
    return (blob.inside / _draw(image, 0.2, 1.0)).clamp(0, 1)


def _mean_within(values: Tensor, weight: Tensor) -> Tensor:
    return (values * weight).sum((2, 3), keepdim=True) / weight.sum((2, 3), keepdim=True).clamp_min(1)  # (B, C, 1, 1)


def _patch(image: Tensor, valid: Tensor, blob: _Blob) -> Tensor:
    """Blend in what the frame before it in the batch shows there, or its mirror image; a frame alone is turned upside down."""
    before = [ranks.own_rows(ranks.all_rows(frames).roll(1, 0)) for frames in (image, valid)]
    source, source_valid = before if ranks.count() * len(image) > 1 else (image.flip(2), valid.flip(2))
    mirrored = _draw(image, 0, 1) < 0.5
    source, source_valid = (
        torch.where(mirrored, source.flip(3), source),
        torch.where(mirrored, source_valid.flip(3), source_valid),
    )
    weight = _soft(image, blob) * (valid & source_valid)
    adapted = source + _draw(image, 0, 1) * (_mean_within(image, weight) - _mean_within(source, weight))
    return image + _draw(image, 0.5, 1) * weight * (adapted - image)


def _texture(image: Tensor, valid: Tensor, blob: _Blob) -> Tensor:
    """Change colours by noise, coarse and fine, of the same sign in all channels or not, where the blob is."""
    side = image.shape[-1]
    fine = _waves(image, max(2, side // 8), 1)
    grain = _draw(image, 0, 1)
    noise = grain * fine + (1 - grain) * _waves(image, 8, 1)
    tint = _draw(image, -0.1, 0.1, image.shape[1]) + _draw(image, -0.15, 0.15)
    return image + _soft(image, blob) * (tint + _draw(image, 0.02, 0.15) * noise)


def _bulge(image: Tensor, valid: Tensor, blob: _Blob) -> Tensor:
    """Magnify what is below a smooth dome, and light the dome from a side."""
    height = 1 - (1 - blob.inside.clamp(0, 1)).square()  # (B, 1, S, S), flat on top
    side = image.shape[-1]
    smaller = (_draw(image, 0.2, 0.6) * height)[:, 0, :, :, None]  # (B, S, S, 1)
    steps = 2 * (torch.arange(side, device=image.device) + 0.5) / side - 1
    places = torch.stack([steps.expand(side, side), steps[:, None].expand(side, side)], 2)  # (S, S, 2), x and y
    magnified = F.grid_sample(image, places - 2 * smaller * blob.offset, padding_mode="border", align_corners=False)
    slopes = torch.gradient(F.avg_pool2d(height, 3, 1, 1), dim=(2, 3))
    angle = _draw(image, 0, 2 * math.pi)
    light = (angle.sin() * slopes[0] + angle.cos() * slopes[1]) * side * 0.05
    lit = 1 + _draw(image, 0.1, 0.6) * light.clamp(-1, 1) + _draw(image, -0.1, 0.3) * height
    return torch.where(height > 0, magnified * lit, image)


_DRAWERS = {"patch": _patch, "texture": _texture, "bulge": _bulge}
