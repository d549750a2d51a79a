"""ControlVAE: a variational autoencoder whose KL divergence a controller holds at a target (Shao et al., ICML 2020).

Source: "ControlVAE: Controllable Variational Autoencoder", https://proceedings.mlr.press/v119/shao20b.html; the nets are those of
its disentangling experiment. Anomaly score: how far a frame is from its reconstruction through the mean of its latents; the KL
divergence of its latents from the prior is a component beside it.
"""

from __future__ import annotations

from itertools import pairwise

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from medgen.backends._vae import Variational, VariationalConfig
from medgen.contract.backend import Optimizer, Player
from medgen.nn.controller import ControllerSettings
from medgen.nn.conv_stacks import dense, halved, init_he


class Config(VariationalConfig):
    """Settings of ControlVAE: a KL target, and 4 x 4 convolutions of stride 2."""

    latents: int = Field(10, ge=1)
    kl_target: float = Field(8.0, gt=0)
    control: ControllerSettings = ControllerSettings(beta_max=100.0)
    widths: tuple[int, ...] = Field((32, 32, 64, 64), min_length=1)  # of the encoder's convolutions; each halves the side
    hidden: int = Field(256, ge=1)
    optimizer: Optimizer = Optimizer(lr=1e-4, betas=(0.9, 0.99))


class Model(Variational):
    """ControlVAE; frames of any size: they are padded to a multiple of 2 ** len(widths), and what is over is cut off again."""

    config: Config

    def __init__(self, config: Config, size: int, channels: int) -> None:
        super().__init__(config, size, channels)
        widths, side = config.widths, halved(size, len(config.widths))
        flat = widths[-1] * side**2
        self.pad = side * 2 ** len(widths) - size
        convolutions = [
            layer
            for before, after in pairwise((channels, *widths))
            for layer in (nn.Conv2d(before, after, 4, 2, padding=1), nn.ReLU())
        ]
        self.encoder = nn.Sequential(*convolutions, nn.Flatten(), *dense(flat, (config.hidden,)))
        self.mean = nn.Linear(config.hidden, config.latents)
        self.log_variance = nn.Linear(config.hidden, config.latents)
        transposed = [
            layer
            for before, after in pairwise((*widths[::-1], channels))
            for layer in (nn.ConvTranspose2d(before, after, 4, 2, padding=1), nn.ReLU())
        ]
        self.decoder = nn.Sequential(
            *dense(config.latents, (config.hidden, flat)),
            nn.Unflatten(1, (widths[-1], side, side)),  # (B, W, side, side)
            *transposed[:-1],
        )
        self.apply(init_he)

    @property
    def players(self) -> dict[str, Player]:
        return {"vae": Player((self.encoder, self.mean, self.log_variance, self.decoder), self.config.optimizer)}

    def encode(self, image: Tensor, finding: Tensor | None) -> tuple[Tensor, Tensor]:
        hidden = self.encoder(F.pad(image, (0, self.pad, 0, self.pad)))  # (B, H)
        return self.mean(hidden).float(), self.log_variance(hidden).float()

    def logits(self, latent: Tensor, finding: Tensor | None) -> Tensor:
        return self.decoder(latent)[..., : self.size, : self.size]  # (B, C, S, S)
