"""FeatVAE: a variational autoencoder of mid-layer features instead of pixels.

Source: Meissen et al. 2022, "Unsupervised Anomaly Localization with Structural Feature-Autoencoders",
https://arxiv.org/abs/2208.10992, for the features and the loss by structural similarity; with a `kl_weight` above 0 the
autoencoder is a variational one (Kingma and Welling 2013). Anomaly score: how far a frame's features are from their
reconstruction.

Shape letters beside those of `Batch`: D features in each cell of a grid h x w. Features are standardised by running means of the
training and squashed by a sigmoid, so that no single one outweighs the others and the similarity's constants fit.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from medgen import ranks
from medgen.backends._on_features import OnFeatures
from medgen.config import Settings
from medgen.contract.backend import Losses, Optimizer, Player
from medgen.errors import ConfigError
from medgen.losses import SSIM_WINDOW, gaussian_kl, valid_mean
from medgen.nn.features.feature_maps import FeatureMap, LayerSettings, upsample
from medgen.nn.features.pixel_loss import PixelResidual
from medgen.nn.features.residual import ResidualSettings, residual_scores
from medgen.types import Batch, Scores

SLOPE = 0.01  # of the leaky rectifier below 0
FEWEST = SSIM_WINDOW // 2 + 1  # cells along a side, so that structural similarity can mirror half a window at the edge


class Config(Settings):
    """Settings of FeatVAE."""

    features: LayerSettings = LayerSettings(side=224, strides=(8, 16))
    width: int = Field(128, ge=1)  # channels of the first convolution; twice and four times as many behind it
    latents: int = Field(32, ge=1)  # channels of the code, whose side is a quarter of the maps'
    loss: Literal["ssim", "squared_error"] = "ssim"
    kl_weight: float = Field(1e-4, ge=0)  # of the KL divergence in nats for each number of the code; 0: a plain autoencoder
    optimizer: Optimizer = Optimizer(lr=2e-4, plateau_epochs=10)
    score: ResidualSettings = ResidualSettings(map="ssim", share=0.1)


class Model(OnFeatures):
    """The component "kl" is the divergence of a frame's code from the prior, in nats for each number of the code."""

    config: Config

    def __init__(self, config: Config, size: int, channels: int) -> None:
        super().__init__(config, size, channels)
        self.look_through(config.features)
        if (cells := min(self.layers.grid)) < FEWEST:
            stride = config.features.strides[0]
            raise ConfigError(
                f"featvae compares maps of {FEWEST} x {FEWEST} cells or more, not {cells} x {cells}; set model.features.side to "
                f"{FEWEST * stride} or more, or take maps of a finer stride than {stride}"
            )
        self.residual = PixelResidual(config.loss, size)
        total, width = sum(self.layers.widths), config.width
        self.standard = nn.BatchNorm2d(total, affine=False)
        self.encoder = nn.Sequential(
            *_layer(nn.Conv2d(total, width, 1), width),
            *_layer(nn.Conv2d(width, 2 * width, 4, 2, 1), 2 * width),
            *_layer(nn.Conv2d(2 * width, 4 * width, 4, 2, 1), 4 * width),
            nn.Conv2d(4 * width, 2 * config.latents, 1),
        )
        self.decoder = nn.Sequential(
            *_layer(nn.Conv2d(config.latents, 4 * width, 1), 4 * width),
            nn.Upsample(scale_factor=2.0),
            *_layer(nn.Conv2d(4 * width, 2 * width, 3, padding=1), 2 * width),
            nn.Upsample(scale_factor=2.0),
            *_layer(nn.Conv2d(2 * width, width, 3, padding=1), width),
            nn.Conv2d(width, total, 1),
        )

    @property
    def players(self) -> dict[str, Player]:
        return {"vae": Player((self.encoder, self.decoder), self.config.optimizer)}

    def _features(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return features (B, D, h, w) in (0, 1) and the cells (B, 1, h, w) that count."""
        self.layers.check(self.fingerprint)
        features, counts = self.layers.joined(batch.image, batch.valid)
        return self.standard(features).sigmoid(), counts

    def _encode(self, features: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_variance = self.encoder(features).float().chunk(2, 1)  # (B, Z, h / 4, w / 4) each
        return mean, log_variance

    def _decode(self, latent: Tensor, like: Tensor) -> Tensor:
        drawn = self.decoder(latent).float().sigmoid()
        return F.interpolate(drawn, like.shape[2:], mode="bilinear")  # (B, D, h, w), where 4 does not divide the side

    def turns(self, batch: Batch, progress: float) -> Iterator[tuple[str, Losses]]:
        features, counts = self._features(batch)
        mean, log_variance = self._encode(features)
        noise = ranks.randn_like(mean) * (0.5 * log_variance).exp() if self.config.kl_weight else 0
        drawn = self._decode(mean + noise, features)
        losses = {"reconstruction": valid_mean(self.residual(drawn, features, counts), counts).mean()}
        if self.config.kl_weight:
            kl = gaussian_kl(mean, log_variance).mean()
            self.notes = {"kl": kl.detach()}
            losses["kl"] = self.config.kl_weight * kl
        yield "vae", losses

    def embed(self, batch: Batch) -> Tensor:
        """Return the mean of the code, (B, Z h w / 16)."""
        return self._encode(self._features(batch)[0])[0].flatten(1)

    def feature_residual(self, batch: Batch) -> list[FeatureMap]:
        """Return the difference of the features from their reconstruction, a map for each stride of the settings."""
        features, counts = self._features(batch)
        residual = features - self._decode(self._encode(features)[0], features)
        return [FeatureMap(values, counts) for values in residual.split(list(self.layers.widths), 1)]

    def score(self, batch: Batch) -> Scores:
        features, counts = self._features(batch)
        mean, log_variance = self._encode(features)
        scores = residual_scores(features, self._decode(mean, features), counts, self.config.score)
        assert scores.map is not None
        components = {
            **scores.components,
            **({"kl": gaussian_kl(mean, log_variance).flatten(1).mean(1)} if self.config.kl_weight else {}),
        }
        return Scores(scores.score, upsample(scores.map, self.size) * batch.valid, components)


def _layer(convolution: nn.Module, width: int) -> tuple[nn.Module, ...]:
    return convolution, nn.BatchNorm2d(width), nn.LeakyReLU(SLOPE)
