"""Augmentation of training frames: flip, rotation, zoom, contrast, random cut-out.

Frames and valid masks come in and go out, changed as random draws say. Drawing and applying are apart, so that the same draws
give the same picture by either way of applying them: `apply` for a batch on its own device while training, `apply_one` with MONAI
transforms where copies are written to disk.

The chain is the one of the EndoVAE pipeline, in its order: horizontal flip, rotation and zoom about the centre, contrast about
the frame's mean. Flip, rotation and zoom are one resampling.

Invalid pixels (border, boxes, text, highlights, and whatever comes in from outside the frame) never mix into valid ones: a
resampled pixel is the weighted mean of its valid bilinear sources (normalised convolution, Knutsson and Westin 1993,
https://doi.org/10.1109/CVPR.1993.341081) and is itself valid where these carry at least half of the weight.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from medgen.config import Settings

_HALF = 0.5 - 1e-4  # the share of valid weight that makes a pixel valid; the slack is for rounding at exactly one half


class AugmentSettings(Settings):
    """How far a training frame may be changed; False and zeros change nothing.

    Attributes
    ----------
    flip : mirror left and right in half of the frames
    rotation : largest rotation either way, in turns
    rotate90 : turn by 0, 90, 180 or 270 degrees besides, each as often, for frames that have no top
    zoom : largest change of size: the factor lies in [1 - zoom, 1 + zoom], above 1 enlarges
    contrast : largest change of contrast: the factor lies in [1 - contrast, 1 + contrast]
    jitter : every frame is enlarged by the factor 1 + jitter and cut out at a random position
    """

    flip: bool = True
    rotation: Annotated[float, Field(ge=0, le=0.5)] = 0.05
    rotate90: bool = False
    zoom: Annotated[float, Field(ge=0, lt=1)] = 0.1
    contrast: Annotated[float, Field(ge=0, le=1)] = 0.1
    jitter: Annotated[float, Field(ge=0, le=1)] = 0.0

    @property
    def enabled(self) -> bool:
        """Whether a draw can change a frame at all."""
        return self.flip or self.rotate90 or max(self.rotation, self.zoom, self.contrast, self.jitter) > 0


NO_AUGMENTATION = AugmentSettings(flip=False, rotation=0, zoom=0, contrast=0)  # frames stay as they are


class Draws(NamedTuple):
    """The random changes of each of B frames.

    Attributes
    ----------
    flip : (B,) bool, mirror left and right, before all else
    angle : (B,) float64 radians, anticlockwise as the frame is seen
    zoom : (B,) float64 factor of size, above 1 enlarges
    contrast : (B,) float64 factor about each channel's mean over the valid pixels
    shift : (2, B) float64, x and y of the cut, in half sides of the frame
    """

    flip: NDArray[np.bool_]
    angle: NDArray[np.float64]
    zoom: NDArray[np.float64]
    contrast: NDArray[np.float64]
    shift: NDArray[np.float64]


def draw(settings: AugmentSettings, n: int, rng: np.random.Generator) -> Draws:
    """Draw the changes of `n` frames.

    A draw takes the same number of random values whatever the settings, so that turning one change off leaves the others as they
    were.

    Parameters
    ----------
    settings : largest changes
    n : number of frames
    rng : source of randomness; it is moved on
    """
    chance = rng.random((4, n))
    symmetric = 2 * chance[1:] - 1  # (3, B) in [-1, 1)
    offset = 2 * rng.random((2, n)) - 1  # (2, B) in [-1, 1)
    quarters = rng.integers(4, size=n) * settings.rotate90  # (B,)
    return Draws(
        flip=(chance[0] < 0.5) & settings.flip,
        angle=(symmetric[0] * settings.rotation + quarters / 4) * 2 * np.pi,
        zoom=(1 + symmetric[1] * settings.zoom) * (1 + settings.jitter),
        contrast=1 + symmetric[2] * settings.contrast,
        shift=offset * (1 - 1 / (1 + settings.jitter)),
    )


def apply(image: Tensor, valid: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
    """Change a batch, on the device of its tensors.

    Parameters
    ----------
    image : (B, C, S, S) float32 in [0, 1]
    valid : (B, 1, S, S) bool
    draws : changes of these B frames

    Returns
    -------
    The changed image (B, C, S, S), again in [0, 1] and 0 where not valid, and the changed valid mask (B, 1, S, S). The inputs are
    not modified.
    """
    weight = valid.to(image.dtype)
    moved = _move(torch.cat([weight, image * weight], 1), draws)  # (B, 1 + C, S, S)
    weight, mixed = moved[:, :1], moved[:, 1:]
    still_valid = weight >= _HALF
    factor = torch.as_tensor(draws.contrast, dtype=image.dtype, device=image.device)
    return _contrast(mixed / weight.clamp_min(_HALF), still_valid, factor.view(-1, 1, 1, 1)), still_valid


def apply_one(
    pixels: NDArray[np.uint8], valid: NDArray[np.bool_], draws: Draws, k: int
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Change one frame with MONAI transforms; the result is that of `apply`, rounded to whole grey levels.

    Parameters
    ----------
    pixels : (S, S, C) uint8
    valid : (S, S) bool
    draws : changes of B frames
    k : which of them this frame gets

    Returns
    -------
    The changed pixels (S, S, C) uint8, 0 where not valid, and the changed valid mask (S, S).
    """
    from monai.transforms.compose import Compose  # seconds to import, and only the writing of copies needs it
    from monai.transforms.spatial.array import Affine, Flip

    size = float(1 / draws.zoom[k])  # MONAI scales the sampling grid, so a finer grid enlarges
    steps: list[Flip | Affine] = [Flip(spatial_axis=1)] if draws.flip[k] else []
    if draws.angle[k] != 0 or size != 1:
        turn = float(-draws.angle[k])  # MONAI's axes are (row, column): its positive angle is clockwise as seen
        shift = tuple(draws.shift[::-1, k] * len(pixels) / 2)  # (row, column) in pixels
        steps.append(
            Affine(rotate_params=turn, scale_params=(size, size), translate_params=shift, padding_mode="zeros", image_only=True)
        )
    weight = torch.from_numpy(valid[None].astype(np.float32))  # (1, S, S)
    frame = torch.from_numpy(pixels).movedim(-1, 0) / 255  # (C, S, S)
    moved = torch.as_tensor(Compose(steps)(torch.cat([weight, frame * weight])))  # (1 + C, S, S)
    weight, mixed = moved[:1], moved[1:]
    still_valid = weight >= _HALF
    changed = _contrast(mixed[None] / weight.clamp_min(_HALF), still_valid[None], float(draws.contrast[k]))[0]  # (C, S, S)
    return (changed.movedim(0, -1) * 255).round().byte().numpy(), still_valid[0].numpy()


def _move(planes: Tensor, draws: Draws) -> Tensor:
    """Flip, rotate and zoom (B, C, S, S) about the centre, with zeros around; exact where nothing is resampled."""
    flip = torch.as_tensor(draws.flip, device=planes.device)
    if not draws.angle.any() and (draws.zoom == 1).all():
        return torch.where(flip.view(-1, 1, 1, 1), planes.flip(-1), planes)
    cosine, sine, mirror = np.cos(draws.angle), np.sin(draws.angle), np.where(draws.flip, -1.0, 1.0)
    x, y = draws.shift
    across = [mirror * cosine / draws.zoom, -mirror * sine / draws.zoom, mirror * (cosine * x - sine * y)]
    down = [sine / draws.zoom, cosine / draws.zoom, sine * x + cosine * y]
    rows = [across, down]  # from an output's (x, y, 1) to its source's (x, y)
    theta = torch.as_tensor(np.array(rows).transpose(2, 0, 1), dtype=planes.dtype, device=planes.device)  # (B, 2, 3)
    grid = functional.affine_grid(theta, list(planes.shape), align_corners=False)  # (B, S, S, 2)
    return functional.grid_sample(planes, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def _contrast(image: Tensor, valid: Tensor, factor: Tensor | float) -> Tensor:
    """Stretch (B, C, S, S) about each channel's mean over the valid pixels, clip to [0, 1], blank the rest."""
    valid_pixels = image * valid
    mean = valid_pixels.sum((2, 3), keepdim=True) / valid.sum((2, 3), keepdim=True).clamp_min(1)  # (B, C, 1, 1)
    return ((valid_pixels - mean) * factor + mean).clamp(0, 1) * valid
