"""Feature maps from the middle of a fixed network, which detectors look at instead of pixels.

Frames and their valid pixels come in; a map for each stride goes out, with which of its cells count. The network is none of a
detector's weights.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from medgen.config import Settings
from medgen.errors import BackendError
from medgen.losses import smooth
from medgen.nn.features.extractors import Extractor, load_extractor
from medgen.nn.inpaint import inpaint

VALID_SHARE = 0.5  # of the pixels below a cell of a map: so many have to be valid for the cell to count, where any cell has them
FINGERPRINT_BYTES = 8
NET_SIDE = 224  # pixels: side of the frames for which the sources of the detectors state lengths


class LayerSettings(Settings):
    """Which maps of which net."""

    extractor: str = "efficientnet-lite0"  # or "efficientnet-lite2", "inception-2015", or any other name in `extractors`
    side: int = Field(224, ge=32, le=1024)  # to which frames are resized for the net
    strides: tuple[int, ...] = Field((8, 16), min_length=1)  # of the maps, the finest first


class FeatureMap(NamedTuple):
    """Features on a grid over a frame.

    Attributes
    ----------
    values : (B, c, h, w) float32
    counts : (B, 1, h, w) bool, the cells below which enough of the frame is valid
    """

    values: Tensor
    counts: Tensor


class MidLayers:
    """Feature maps of frames whose holes are filled, so that no network sees the edge of a mask.

    It is no module of PyTorch, as its weights are neither trained nor saved with a run; the run keeps their fingerprint instead.

    Parameters
    ----------
    settings : which maps of which network

    Attributes
    ----------
    widths : channels c of the map of each stride
    grid : (h, w) of the finest map
    fingerprint : (8,) uint8 of the network's weights

    Raises
    ------
    BackendError : if the net has no map of a stride that is asked for.
    MedgenError, ConfigError : if there is no such net, or its weights are not on this machine.
    """

    def __init__(self, settings: LayerSettings) -> None:
        self.settings = settings
        self.net = _net(settings.extractor)
        shapes = _shapes(settings.extractor, settings.side)
        if missing := [stride for stride in settings.strides if stride not in shapes]:
            raise BackendError(
                f"'{settings.extractor}' has no map of stride {missing[0]} at side {settings.side}; "
                f"set strides to some of {', '.join(map(str, shapes))}"
            )
        self.widths = tuple(shapes[stride][0] for stride in settings.strides)
        self.grid = shapes[settings.strides[0]][1:]
        self.fingerprint = _fingerprint(settings.extractor)

    def check(self, fingerprint: Tensor) -> None:
        """Refuse to look at frames for weights that were made with another net.

        Raises
        ------
        BackendError : if the net's weights on this machine are not those of the fingerprint.
        """
        if not torch.equal(fingerprint.cpu(), self.fingerprint):
            name = self.settings.extractor
            raise BackendError(
                f"the weights of '{name}' on this machine are not those that the run was trained with; train again"
            )

    def maps(self, image: Tensor, valid: Tensor, gradient: bool = False) -> list[FeatureMap]:
        """Return the feature map of each stride, in the order of the settings.

        Parameters
        ----------
        image : (B, C, S, S) in [0, 1]
        valid : (B, 1, S, S) bool
        gradient : whether one runs through the net, back to the image
        """
        return self.maps_of_filled(inpaint(image, valid), valid, gradient)

    def maps_of_filled(self, image: Tensor, valid: Tensor, gradient: bool = False) -> list[FeatureMap]:
        """Return what `maps` does, of frames whose holes are filled already: several networks look at the same ones."""
        strides = self.settings.strides
        if next(self.net.parameters(), image).device != image.device:  # to look at all weights takes longer than a small map does
            self.net.to(image.device)
        layers = self.net.layers(image, self.settings.side, gradient, coarsest=max(strides))
        return [FeatureMap(layers[stride], _counts(valid, layers[stride].shape[2:])) for stride in strides]

    def joined(self, image: Tensor, valid: Tensor, window: int = 1) -> FeatureMap:
        """Return all maps on the grid of the finest one, their channels joined: D = sum of `widths` channels.

        Parameters
        ----------
        image : (B, C, S, S) in [0, 1]
        valid : (B, 1, S, S) bool
        window : side of the square of cells over which each cell is averaged first
        """
        maps = self.maps(image, valid)
        grid = maps[0].values.shape[2:]
        means = [F.avg_pool2d(values, window, 1, window // 2, count_include_pad=False) for values, _ in maps]
        return FeatureMap(torch.cat([F.interpolate(mean, grid, mode="bilinear") for mean in means], 1), maps[0].counts)


@lru_cache
def _net(name: str) -> Extractor:
    # It is kept: a later caller may want a gradient through it, and draws the same numbers as the first, for whom it was built.
    with torch.inference_mode(False), torch.random.fork_rng([]):
        return load_extractor(name).to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


@lru_cache
def _shapes(name: str, side: int) -> dict[int, tuple[int, int, int]]:
    """Return (c, h, w) of the map of each stride."""
    layers = _net(name).layers(torch.zeros(1, 3, 32, 32), side)
    return {stride: (values.shape[1], values.shape[2], values.shape[3]) for stride, values in layers.items()}


@lru_cache
def _fingerprint(name: str) -> Tensor:
    """Return what tells the net's weights from others, (8,) uint8."""
    hashed = sha256()
    for weights in _net(name).state_dict().values():
        hashed.update(weights.detach().cpu().contiguous().numpy().tobytes())
    return torch.frombuffer(bytearray(hashed.digest()[:FINGERPRINT_BYTES]), dtype=torch.uint8)


def _counts(valid: Tensor, grid: torch.Size) -> Tensor:
    """Return which cells of a grid (h, w) count, (B, 1, h, w) bool: of a frame where no cell has enough, those that have most.

    A frame that shows little is judged by what it shows. Without any cell it would score 0, as the most normal frame of all.
    """
    height, width = grid
    shares = F.adaptive_avg_pool2d(valid.float(), (height, width))
    return (shares > 0) & (shares >= shares.amax((2, 3), keepdim=True).clamp_max(VALID_SHARE))


def upsample(values: Tensor, size: int) -> Tensor:
    """Return values (B, 1, h, w) of a coarser grid at the size of a frame, (B, 1, S, S), bilinearly."""
    return F.interpolate(values, (size, size), mode="bilinear")


def smooth_map(grid: Tensor, valid: Tensor, sigma: float) -> Tensor:
    """Return the smoothed map (B, 1, S, S) of the values (B, 1, h, w) of a grid, 0 outside valid.

    Parameters
    ----------
    grid : (B, 1, h, w)
    valid : (B, 1, S, S) bool
    sigma : of the Gaussian, in pixels of a frame of 224
    """
    return smooth(upsample(grid, valid.shape[-1]), valid, sigma * valid.shape[-1] / NET_SIDE)
