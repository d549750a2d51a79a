"""What augmentation may change in training frames: flip, rotation, zoom, contrast, random cut-out.

Settings come in, random draws go out; `medgen.data.augmenting.augmented` applies them. The chain is the one of the EndoVAE
pipeline, in its order: horizontal flip, rotation and zoom about the centre, contrast about the frame's mean.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from medgen.config import Settings


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

    def of(self, chosen: slice) -> Draws:
        """Return the changes of the chosen frames."""
        flip, angle, zoom, contrast, shift = self
        return Draws(flip[chosen], angle[chosen], zoom[chosen], contrast[chosen], shift[:, chosen])


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
