"""The two halves of an autoencoder as pythae takes them: of any net with encoder, mean, log_variance and decoder."""

from __future__ import annotations

from typing import Any

import torch
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder


class Encoder(BaseEncoder):
    def __init__(self, model: Any) -> None:
        super().__init__()
        self.net, self.mean, self.log_variance = model.encoder, model.mean, model.log_variance

    def forward(self, x: torch.Tensor) -> ModelOutput:
        hidden = self.net(x)
        return ModelOutput(embedding=self.mean(hidden), log_covariance=self.log_variance(hidden))


class Decoder(BaseDecoder):
    def __init__(self, model: Any) -> None:
        super().__init__()
        self.net = model.decoder

    def forward(self, z: torch.Tensor) -> ModelOutput:
        return ModelOutput(reconstruction=self.net(z).sigmoid())
