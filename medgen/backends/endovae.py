"""EndoVAE: a variational autoencoder of normal endoscopy frames (Diamantis, Gatoula and Iakovidis, IEEE IVMSP 2022).

Source: "EndoVAE: Generating Endoscopic Images with a Variational Autoencoder", which stands on
Kingma and Welling 2013, https://arxiv.org/abs/1312.6114. Anomaly score: how far a frame is from its reconstruction through
the mean of its few latents; the KL divergence of its latents from the prior is a component beside it.
"""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field
from torch import Tensor, nn

from medgen.backends._vae import Variational, VariationalConfig
from medgen.contract.backend import Optimizer, Player
from medgen.errors import ConfigError
from medgen.nn.conv_stacks import init_he

ENCODER = ((16, 1), (32, 1), (32, 2), (64, 2), (128, 1), (256, 2))  # channels and stride of each 3 x 3 convolution
DECODER = ((256, 2), (128, 1), (64, 2), (64, 1), (32, 2), (32, 1))  # stride 2 is a transposed convolution
SHRINK = 8  # what the strides come to
HIDDEN = 256


class Config(VariationalConfig):
    """Settings of EndoVAE."""

    latents: int = Field(6, ge=1)
    kl_warmup: float = Field(0.3, ge=0, le=1)
    optimizer: Optimizer = Optimizer(lr=1e-3, warmup_steps=100, plateau_epochs=10, plateau_factor=0.5, min_lr=1e-6)


class Model(Variational):
    """The encoder has 9,842,380 weights and the decoder 1,282,467 at 96 x 96 x 3 with 6 latents."""

    config: Config

    def __init__(self, config: Config, size: int, channels: int) -> None:
        super().__init__(config, size, channels)
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
        self.apply(init_he)

    @property
    def players(self) -> dict[str, Player]:
        modules = (self.encoder, self.mean, self.log_variance, self.expand, self.decoder)
        return {"vae": Player(modules, self.config.optimizer)}

    def encode(self, image: Tensor, finding: Tensor | None) -> tuple[Tensor, Tensor]:
        hidden = self.encoder(image)  # (B, 256)
        return self.mean(hidden).float(), self.log_variance(hidden).float()

    def logits(self, latent: Tensor, finding: Tensor | None) -> Tensor:
        return self.decoder(self.expand(latent))  # (B, C, S, S)


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
