"""What detectors share that fit in one pass: they look at each training frame once, through a fixed net, and have no loss."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from medgen.config import Settings
from medgen.contract.backend import Backend, Losses, Player
from medgen.errors import BackendError
from medgen.nn.features.feature_maps import LayerSettings, MidLayers, smooth_map
from medgen.nn.host import OnHost
from medgen.types import Batch, DataRequirements


class OnePassConfig(Settings):
    """Settings of every detector that fits in one pass."""

    features: LayerSettings = LayerSettings()
    views: Literal[1, 2, 4, 8] = 1  # of each training frame: 2 mirrored too, 4 and 8 turned by quarters, for frames without an up
    sigma: float = Field(4.0, ge=0)  # of the Gaussian that smooths the map, in pixels of a frame of 224; scales with the size


class OnePass(OnHost, Backend):
    """A detector that gathers in `turns` and fits in `finalise_fit`; a subclass adds `gather`, `fit` and `score`.

    Attributes
    ----------
    layers : the fixed network
    fingerprint : (8,) uint8 of the network's weights, saved with the run
    gathered : frames that were looked at so far
    """

    monitor = ""
    on_host = ("fingerprint",)
    config: OnePassConfig
    fingerprint: Tensor

    def __init__(self, config: OnePassConfig, size: int, channels: int) -> None:
        super().__init__(config, size, channels)
        self.layers = MidLayers(config.features)
        self.register_buffer("fingerprint", self.layers.fingerprint.clone())
        self.gathered = 0

    @classmethod
    def requirements(cls, config: Settings) -> DataRequirements:
        return DataRequirements(single_pass=True)

    @property
    def players(self) -> dict[str, Player]:
        return {}

    def turns(self, batch: Batch, progress: float) -> Iterator[tuple[str, Losses]]:
        """Gather; nothing has a gradient."""
        with torch.no_grad(), torch.autocast(batch.image.device.type, enabled=False):
            for view in range(self.config.views):
                self.gather(replace(batch, image=_turned(batch.image, view), valid=_turned(batch.valid, view)), view)
        self.gathered += len(batch)
        yield from ()

    @abstractmethod
    def gather(self, batch: Batch, view: int) -> None:
        """Keep what `fit` needs of a batch in one view, a number below `views`; view 0 is the frames as they are."""

    def finalise_fit(self) -> None:
        """Compute the weights from what was gathered.

        Raises
        ------
        BackendError : if that is too little.
        """
        if self.gathered < 2:
            raise BackendError(f"a fit needs at least 2 training frames, got {self.gathered}")
        with torch.no_grad():
            self.fit()

    @abstractmethod
    def fit(self) -> None:
        """Fill the buffers from what `gather` kept."""

    def localised(self, grid: Tensor, valid: Tensor) -> Tensor:
        """Return the smoothed map (B, 1, S, S) of the values (B, 1, h, w) of a grid, 0 outside valid (B, 1, S, S)."""
        return smooth_map(grid, valid, self.config.sigma)


def top(values: Tensor, counts: Tensor) -> Tensor:
    """Return the highest of the values (B, ...) that count, (B,); 0 for a frame with none."""
    return values.masked_fill(~counts, -torch.inf).flatten(1).amax(1).clamp_min(0)


def _turned(frames: Tensor, view: int) -> Tensor:
    """Return one of the eight views of a square frame (B, C, S, S): odd ones mirrored, turned by view // 2 quarters."""
    mirrored = frames.flip(3) if view % 2 else frames
    return mirrored.rot90(view // 2, (2, 3))
