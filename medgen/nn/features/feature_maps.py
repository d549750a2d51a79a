"""What detectors look at instead of pixels: maps from the middle of a fixed net, which is not among their weights."""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from medgen.config import Settings
from medgen.errors import BackendError
from medgen.nn.features.extractors import Extractor, load_extractor
from medgen.nn.inpaint import inpaint

SEEN = 0.5  # share of the pixels below a place of a map that have to be valid for the place to count
MARK = 8  # bytes of a fingerprint


class LayerSettings(Settings):
    """Which maps of which net."""

    extractor: str = "efficientnet-lite0"  # or "timm:NAME", or "file:PATH" with a TorchScript that returns (B, F, h, w)
    side: int = Field(224, ge=32, le=1024)  # to which frames are resized for the net
    strides: tuple[int, ...] = Field((8, 16), min_length=1)  # of the maps, the finest first


class MidLayers:
    """Maps of frames whose holes are filled, so that no net sees the edge of a mask.

    No module of PyTorch: its weights are neither trained nor saved with a run, which keeps their fingerprint instead.

    Raises
    ------
    BackendError : if the net has no map of a stride that is asked for.
    MedgenError, ConfigError : if there is no such net, or its weights are not on this machine.
    """

    def __init__(self, settings: LayerSettings) -> None:
        self.settings = settings
        self.net = _net(settings.extractor)
        there = _shapes(settings.extractor, settings.side)
        if missing := [stride for stride in settings.strides if stride not in there]:
            raise BackendError(
                f"'{settings.extractor}' has no map of stride {missing[0]} at side {settings.side}; "
                f"set strides to some of {', '.join(map(str, there))}"
            )
        self.widths = tuple(there[stride][0] for stride in settings.strides)
        self.grid = there[settings.strides[0]][1:]  # (h, w) of the finest map
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

    def maps(self, image: Tensor, valid: Tensor, gradient: bool = False) -> list[tuple[Tensor, Tensor]]:
        """Return, for each stride, the map and what of it counts: (B, c, h, w) float32 and (B, 1, h, w) bool.

        Parameters
        ----------
        image : (B, C, S, S) in [0, 1]
        valid : (B, 1, S, S) bool
        gradient : whether one runs through the net, back to the image
        """
        found = self.net.to(image.device).layers(inpaint(image, valid), self.settings.side, gradient)
        return [(found[stride], _seen(valid, found[stride].shape[2:])) for stride in self.settings.strides]

    def joined(self, image: Tensor, valid: Tensor, local: int = 1) -> tuple[Tensor, Tensor]:
        """Return all maps on the finest one's grid, one over the other: (B, D, h, w) float32 and (B, 1, h, w) bool.

        Parameters
        ----------
        image, valid : as in `maps`
        local : side of the square of places over which each place is averaged first
        """
        parts = self.maps(image, valid)
        grid = parts[0][0].shape[2:]
        means = [F.avg_pool2d(maps, local, 1, local // 2, count_include_pad=False) for maps, _ in parts]
        return torch.cat([F.interpolate(part, grid, mode="bilinear") for part in means], 1), parts[0][1]


@lru_cache
def _net(name: str) -> Extractor:
    with torch.inference_mode(False):  # the next one to look may want a gradient through it
        return load_extractor(name).to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


@lru_cache
def _shapes(name: str, side: int) -> dict[int, tuple[int, int, int]]:
    """Return (c, h, w) of the map of each stride."""
    found = _net(name).layers(torch.zeros(1, 3, 32, 32), side)
    return {stride: (maps.shape[1], maps.shape[2], maps.shape[3]) for stride, maps in found.items()}


@lru_cache
def _fingerprint(name: str) -> Tensor:
    """Return what tells the net's weights from others, (8,) uint8."""
    hashed = sha256()
    for weights in _net(name).state_dict().values():
        hashed.update(weights.detach().cpu().contiguous().numpy().tobytes())
    return torch.frombuffer(bytearray(hashed.digest()[:MARK]), dtype=torch.uint8)


def _seen(valid: Tensor, grid: torch.Size) -> Tensor:
    height, width = grid
    return F.adaptive_avg_pool2d(valid.float(), (height, width)) >= SEEN  # (B, 1, h, w)


def spread(values: Tensor, size: int) -> Tensor:
    """Return the map (B, 1, S, S) of the values (B, 1, h, w) of a coarser grid."""
    return F.interpolate(values, (size, size), mode="bilinear")
