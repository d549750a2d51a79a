"""EndoVAE: a variational autoencoder of normal endoscopy frames (Diamantis, Gatoula and Iakovidis, IEEE IVMSP 2022).

Source: "EndoVAE: Generating Endoscopic Images with a Variational Autoencoder", which stands on
Kingma and Welling 2013, https://arxiv.org/abs/1312.6114. Anomaly score: how far a frame is from its reconstruction through
the mean of its few latents.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from pydantic import Field
from torch import Tensor, nn

from medgen.backends._base import Backend, Losses, Optimizer, Player
from medgen.config import Settings
from medgen.errors import ConfigError
from medgen.losses import binary_cross_entropy, gaussian_kl
from medgen.nn.residual import ResidualSettings, residual_scores
from medgen.types import Batch, Scores

ENCODER = ((16, 1), (32, 1), (32, 2), (64, 2), (128, 1), (256, 2))  # channels and stride of each 3 x 3 convolution
DECODER = ((256, 2), (128, 1), (64, 2), (64, 1), (32, 2), (32, 1))  # stride 2 is a transposed convolution
SHRINK = 8  # what the strides come to
HIDDEN = 256
COLLAPSED = 0.05  # share of the frames' variance below which the reconstructions are one mean frame


class Config(Settings):
    """Settings of EndoVAE."""

    latents: int = Field(6, ge=1)
    kl_weight: float = Field(1.0, ge=0)
    kl_warmup: float = Field(0.3, ge=0, le=1)  # share of the training over which the KL weight rises from 0: keeps latents alive
    optimizer: Optimizer = Optimizer(lr=1e-3, warmup_steps=100, plateau_epochs=10, plateau_factor=0.5, min_lr=1e-6)
    score: ResidualSettings = ResidualSettings()


class Model(Backend):
    """The encoder has 9,842,380 weights and the decoder 1,282,467 at 96 x 96 x 3 with 6 latents."""

    def __init__(self, config: Config, size: int, channels: int) -> None:
        super().__init__(config, size, channels)
        self.config: Config = config
        if size % SHRINK:
            raise ConfigError(
                f"endovae needs a size that {SHRINK} divides, not {size}; prepare with --size {size // SHRINK * SHRINK or SHRINK}"
            )
        self.side = size // SHRINK
        flat = self.side**2 * ENCODER[-1][0]
        self.encoder = nn.Sequential(*_encoder(channels), nn.Flatten(), nn.Linear(flat, HIDDEN), nn.ReLU())
        self.mean = nn.Linear(HIDDEN, config.latents)
        self.log_variance = nn.Linear(HIDDEN, config.latents)
        self.expand = nn.Sequential(
            nn.Linear(config.latents, flat), nn.ReLU(), nn.Unflatten(1, (ENCODER[-1][0], self.side, self.side))
        )
        self.decoder = nn.Sequential(*_decoder(channels))
        self.apply(_he)

    @property
    def players(self) -> dict[str, Player]:
        modules = (self.encoder, self.mean, self.log_variance, self.expand, self.decoder)
        return {"vae": Player(modules, self.config.optimizer)}

    def encode(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log-variance, (B, Z) float32 each."""
        hidden = self.encoder(image)  # (B, 256)
        return self.mean(hidden).float(), self.log_variance(hidden).float()

    def decode(self, latent: Tensor) -> Tensor:
        """Return the logits (B, C, S, S) of latents (B, Z)."""
        return self.decoder(self.expand(latent))

    def turns(self, batch: Batch, progress: float) -> Iterator[tuple[str, Losses]]:
        mean, log_variance = self.encode(batch.image)
        latent = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
        weight = self.config.kl_weight * min(1.0, progress / self.config.kl_warmup if self.config.kl_warmup else 1.0)
        yield (
            "vae",
            {
                "reconstruction": binary_cross_entropy(self.decode(latent), batch.image, batch.valid).mean(),
                "kl": weight * gaussian_kl(mean, log_variance).sum(1).mean(),
            },
        )

    def reconstruct(self, batch: Batch) -> Tensor:
        """Return (B, C, S, S) in [0, 1], decoded from the mean of the latents."""
        return self.decode(self.encode(batch.image)[0]).float().sigmoid()

    def sample(self, n: int) -> Tensor:
        """Return (n, C, S, S) in [0, 1], decoded from N(0, I)."""
        return self.decode(torch.randn(n, self.config.latents, device=self.mean.weight.device)).float().sigmoid()

    def embed(self, batch: Batch) -> Tensor:
        """Return the mean of the latents, (B, Z)."""
        return self.encode(batch.image)[0]

    def score(self, batch: Batch) -> Scores:
        return residual_scores(batch.image, self.reconstruct(batch), batch.valid, self.config.score)

    def diagnose(self, batch: Batch) -> tuple[dict[str, float], str]:
        """Measure how many latents carry something (over 0.01 nats) and how much reconstructions differ between frames."""
        mean, log_variance = self.encode(batch.image)
        active = int((gaussian_kl(mean, log_variance).mean(0) > 0.01).sum())
        weight = batch.valid.float()  # (B, 1, S, S)
        centre = (batch.image * weight).sum(0) / weight.sum(0).clamp_min(1)  # (C, S, S), the mean frame
        drawn = self.decode(mean).float().sigmoid()
        spread = float(
            ((drawn - drawn.mean(0)).square() * weight).sum() / ((batch.image - centre).square() * weight).sum().clamp_min(1e-6)
        )
        collapsed = len(batch) > 1 and (active == 0 or spread < COLLAPSED)
        warning = (
            f"posterior collapse: {active} of {self.config.latents} latents are in use and frames get nearly the same "
            "reconstruction; if it lasts, try a longer --set model.kl_warmup, a smaller model.kl_weight or more "
            "model.optimizer.warmup_steps"
        )
        return {"active_latents": active, "spread": spread}, warning if collapsed else ""


def _encoder(channels: int) -> Iterator[nn.Module]:
    for width, stride in ENCODER:
        yield nn.Conv2d(channels, width, 3, stride, padding=1)
        yield nn.ReLU()
        channels = width


def _decoder(channels: int) -> Iterator[nn.Module]:
    width = ENCODER[-1][0]
    for wider, stride in DECODER:
        up = (
            nn.ConvTranspose2d(width, wider, 3, 2, padding=1, output_padding=1)
            if stride == 2
            else nn.Conv2d(width, wider, 3, padding=1)
        )
        yield up
        yield nn.ReLU()
        width = wider
    yield nn.Conv2d(width, channels, 3, padding=1)


def _he(module: nn.Module) -> None:
    """He et al. 2015; with smaller weights the latents do not reach the output and the net settles on one mean frame."""
    if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        nn.init.zeros_(module.bias)  # type: ignore[arg-type]
