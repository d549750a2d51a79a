"""VAE: a variational autoencoder of strided convolutions and dense layers (Kingma and Welling 2013).

Source: "Auto-Encoding Variational Bayes", https://arxiv.org/abs/1312.6114. Anomaly score: how far a frame is from its
reconstruction through the mean of its latents; the KL divergence of its latents from the prior is a component beside it.
"""

from __future__ import annotations

from pydantic import Field
from torch import Tensor, nn

from medgen.backends._vae import Variational, VariationalConfig
from medgen.contract.backend import Player
from medgen.nn.conv_stacks import dense, down, halved, init_he, up


class Config(VariationalConfig):
    """Settings of the VAE. The defaults suit small colour frames: 1,598,928 and 1,374,163 weights at 64 x 64 x 3."""

    latents: int = Field(256, ge=1)
    widths: tuple[int, ...] = Field((8, 16, 32, 64), min_length=1)  # of the encoder's convolutions; each halves the side
    encoder_hidden: tuple[int, ...] = (1024,)  # widths of the dense layers before the latents
    decoder_hidden: tuple[int, ...] = (1024,)  # and after them


class Model(Variational):
    """The VAE; frames of any size: the decoder's sides are multiples of 2 ** len(widths), and what is over is cut off."""

    config: Config

    def __init__(self, config: Config, size: int, channels: int) -> None:
        super().__init__(config, size, channels)
        side = halved(size, len(config.widths))
        flat = config.widths[-1] * side**2
        hidden = (flat, *config.encoder_hidden)
        self.encoder = nn.Sequential(*down(channels, config.widths), nn.Flatten(), *dense(flat, config.encoder_hidden))
        self.mean = nn.Linear(hidden[-1], config.latents)
        self.log_variance = nn.Linear(hidden[-1], config.latents)
        self.decoder = nn.Sequential(
            *dense(config.latents, (*config.decoder_hidden, flat)),
            nn.Unflatten(1, (config.widths[-1], side, side)),  # (B, W, side, side)
            *up(config.widths[-1], config.widths[::-1]),
            nn.Conv2d(config.widths[0], channels, 3, padding=1),
        )
        self.apply(init_he)

    @property
    def players(self) -> dict[str, Player]:
        return {"vae": Player((self.encoder, self.mean, self.log_variance, self.decoder), self.config.optimizer)}

    def encode(self, image: Tensor, finding: Tensor | None) -> tuple[Tensor, Tensor]:
        hidden = self.encoder(image)  # (B, H)
        return self.mean(hidden).float(), self.log_variance(hidden).float()

    def logits(self, latent: Tensor, finding: Tensor | None) -> Tensor:
        return self.decoder(latent)[..., : self.size, : self.size]  # (B, C, S, S)
