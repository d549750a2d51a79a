"""Linear: a linear autoencoder, the smallest backend that keeps the contract.

Source: Baldi and Hornik 1989, "Neural networks and principal component analysis", https://doi.org/10.1016/0893-6080(89)90014-2.
Anomaly score: how far a frame is from its reconstruction through a few numbers.
"""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field
from torch import Tensor, nn

from medgen.config import Settings
from medgen.contract.backend import Backend, Losses, Optimizer, Player
from medgen.losses import valid_mean
from medgen.nn.features.residual import ResidualSettings, residual_scores
from medgen.types import Batch, Scores


class Config(Settings):
    """Settings of the autoencoder."""

    latents: int = Field(16, ge=1)
    optimizer: Optimizer = Optimizer(lr=1e-3)
    score: ResidualSettings = ResidualSettings()  # which residual makes the map and the score


class Model(Backend):
    """Encoder and decoder of one layer each; frames of any size."""

    config: Config

    def __init__(self, config: Config, size: int, channels: int) -> None:
        super().__init__(config, size, channels)
        self.encoder = nn.Linear(channels * size**2, config.latents)
        self.decoder = nn.Linear(config.latents, channels * size**2)

    @property
    def players(self) -> dict[str, Player]:
        return {"autoencoder": Player((self.encoder, self.decoder), self.config.optimizer)}

    def turns(self, batch: Batch, progress: float) -> Iterator[tuple[str, Losses]]:
        error = (self._decode(batch) - batch.image).square().mean(1, keepdim=True)  # (B, 1, S, S)
        yield "autoencoder", {"reconstruction": valid_mean(error, batch.valid).mean()}

    def reconstruct(self, batch: Batch) -> Tensor:
        """Return (B, C, S, S) in [0, 1]."""
        return self._decode(batch).float().clamp(0, 1)

    def score(self, batch: Batch) -> Scores:
        return residual_scores(batch.image, self.reconstruct(batch), batch.valid, self.config.score)

    def _decode(self, batch: Batch) -> Tensor:
        return self.decoder(self.encoder(batch.image.flatten(1))).view_as(batch.image)  # (B, C, S, S)
