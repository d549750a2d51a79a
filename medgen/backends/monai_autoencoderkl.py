"""MONAI-AutoencoderKL: the autoencoder of MONAI's latent diffusion, net and losses of its tutorial, as a row of every comparison.

Source: Rombach et al. 2022, "High-Resolution Image Synthesis with Latent Diffusion Models", https://arxiv.org/abs/2112.10752, in
the form of Pinaya et al. 2022, https://arxiv.org/abs/2209.07162, as MONAI has it:
https://docs.monai.io/en/stable/networks.html#autoencoderkl. Anomaly score: how far a frame is from its reconstruction through the
mean of its latents, which are a grid; the KL divergence of the latents from N(0, I) is a component beside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn

from medgen import ranks
from medgen.backends._codes import pad
from medgen.config import Settings
from medgen.contract.backend import Backend, Losses, Optimizer, Player
from medgen.errors import BackendError, ConfigError
from medgen.losses import gaussian_kl, valid_mean
from medgen.nn.features.pixel_loss import PixelLoss, PixelResidual
from medgen.nn.features.residual import ResidualSettings, residual_scores
from medgen.types import Batch, Scores


class Config(Settings):
    """Settings of MONAI's AutoencoderKL. MONAI's tutorial has widths (128, 128, 256) in groups of 32, and a critic at 0.01."""

    widths: tuple[Annotated[int, Field(ge=1, le=4096)], ...] = Field((32, 32, 64), min_length=1)  # the grid halves between two
    blocks: int = Field(1, ge=1, le=64)  # residual blocks on each grid
    groups: int = Field(16, ge=1, le=4096)  # of channels that are normalised together; it divides the widths
    latent_channels: int = Field(3, ge=1, le=4096)
    attention: bool = False  # on the coarsest grid; needs einops
    loss: PixelLoss = "absolute_error"  # of the reconstruction, the mean over valid pixels
    perceptual_weight: float = Field(0.0, ge=0)  # of the perceptual residual beside it; the tutorial has 0.001 of another net's
    kl_weight: float = Field(1e-6, ge=0)  # of the KL divergence, nats a frame
    critic_weight: float = Field(0.0, ge=0)  # of the adversarial loss of patches; 0: there is no critic
    critic_after: float = Field(0.1, ge=0, lt=1)  # share of the training without the adversarial loss
    critic_width: int = Field(64, ge=1, le=4096)
    critic_layers: int = Field(3, ge=1, le=8)
    optimizer: Optimizer = Optimizer(lr=1e-4)
    critic_optimizer: Optimizer = Optimizer(lr=5e-4)
    score: ResidualSettings = ResidualSettings()


class Model(Backend):
    """MONAI's AutoencoderKL; frames of any size: sides are padded to what the grids can halve, and what is over is cut off."""

    monitor = "reconstruction"
    divides = True
    config: Config

    def __init__(self, config: Config, size: int, channels: int) -> None:
        super().__init__(config, size, channels)
        self.stride = 2 ** (len(config.widths) - 1)
        self.grid = -(-size // self.stride)
        self.residual = PixelResidual(config.loss, size)
        self.perceptual = PixelResidual("perceptual", size) if config.perceptual_weight else None
        self.net = _net(config, channels)
        self.critic = _critic(config, channels) if config.critic_weight else None
        self.adversarial = _adversarial() if config.critic_weight else None

    @property
    def players(self) -> dict[str, Player]:
        players = {"autoencoder": Player((self.net,), self.config.optimizer)}
        return players if self.critic is None else players | {"critic": Player((self.critic,), self.config.critic_optimizer)}

    def _encoded(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation of the latents, (B, L, h, w) float32 each."""
        mean, deviation = self.net.encode(pad(image, self.stride))
        return mean.float(), deviation.float()

    def _drawn(self, latent: Tensor) -> Tensor:
        return self.net.decode(latent)[:, :, : self.size, : self.size]  # (B, C, S, S), not held to [0, 1]

    def turns(self, batch: Batch, progress: float) -> Iterator[tuple[str, Losses]]:
        mean, deviation = self._encoded(batch.image)
        drawn = self._drawn(mean + ranks.randn_like(mean) * deviation)
        kl = _kl(mean, deviation).mean()
        self.notes = {"kl": kl.detach()}
        losses = {"reconstruction": self._mean(self.residual, drawn, batch), "kl": self.config.kl_weight * kl}
        if self.perceptual:
            losses["perceptual"] = self.config.perceptual_weight * self._mean(self.perceptual, drawn, batch)
        critic = self.critic if progress >= self.config.critic_after else None
        if critic is not None:
            losses["adversarial"] = self.config.critic_weight * self._judged(critic, drawn * batch.valid, real=True)
        yield "autoencoder", losses
        if critic is not None:
            said = [self._judged(critic, drawn.detach() * batch.valid, real=False, learning=True)]
            said += [self._judged(critic, batch.image, real=True, learning=True)]
            yield "critic", {"critic": torch.stack(said).mean()}

    def _judged(self, critic: nn.Module, frames: Tensor, real: bool, learning: bool = False) -> Tensor:
        """Return how far what the critic says of the patches of frames is from real, or from drawn; a scalar."""
        assert self.adversarial is not None
        return self.adversarial(critic(frames)[-1].float(), target_is_real=real, for_discriminator=learning)  # type: ignore[no-any-return]

    @staticmethod
    def _mean(residual: PixelResidual, drawn: Tensor, batch: Batch) -> Tensor:
        return valid_mean(residual(drawn, batch.image, batch.valid), batch.valid).mean()

    def reconstruct(self, batch: Batch) -> Tensor:
        """Return (B, C, S, S) in [0, 1], decoded from the mean of the latents."""
        return self._drawn(self._encoded(batch.image)[0]).float().clamp(0, 1)

    def embed(self, batch: Batch) -> Tensor:
        """Return the mean of the latents, (B, L * h * w)."""
        return self._encoded(batch.image)[0].flatten(1)

    def redraw(self, latent: Tensor) -> Tensor:
        """Return (N, C, S, S) in [0, 1] of latents (N, L * h * w)."""
        return self._drawn(latent.unflatten(1, (self.config.latent_channels, self.grid, self.grid))).float().clamp(0, 1)

    def score(self, batch: Batch) -> Scores:
        mean, deviation = self._encoded(batch.image)
        scores = residual_scores(batch.image, self._drawn(mean).float().clamp(0, 1), batch.valid, self.config.score)
        return Scores(scores.score, scores.map, {**scores.components, "kl": _kl(mean, deviation)}, scores.reconstruction)


def _kl(mean: Tensor, deviation: Tensor) -> Tensor:
    """Return the KL divergence of latents (B, L, h, w) from N(0, I), (B,) nats."""
    return gaussian_kl(mean, 2 * deviation.log()).flatten(1).sum(1)


def _net(config: Config, channels: int) -> Any:
    """Return MONAI's net.

    Raises
    ------
    BackendError : if attention is wanted and einops is missing, which MONAI does not install.
    ConfigError : if the groups do not divide a width.
    """
    if wrong := [width for width in config.widths if width % config.groups]:
        raise ConfigError(f"model.widths must be multiples of model.groups = {config.groups}, not {wrong[0]}")
    from monai.networks.nets.autoencoderkl import AutoencoderKL  # seconds to import
    from monai.utils.module import OptionalImportError

    try:
        return AutoencoderKL(
            spatial_dims=2,
            in_channels=channels,
            out_channels=channels,
            num_res_blocks=config.blocks,
            channels=config.widths,
            attention_levels=[False] * len(config.widths),
            latent_channels=config.latent_channels,
            norm_num_groups=config.groups,
            with_encoder_nonlocal_attn=config.attention,
            with_decoder_nonlocal_attn=config.attention,
        )
    except OptionalImportError:
        raise BackendError("attention in MONAI's net needs einops; pip install einops, or leave model.attention away") from None


def _critic(config: Config, channels: int) -> nn.Module:
    """Return MONAI's critic of patches, which gives the output of each of its layers, the verdict last."""
    from monai.networks.nets.patchgan_discriminator import PatchDiscriminator  # seconds to import

    return PatchDiscriminator(
        spatial_dims=2, channels=config.critic_width, in_channels=channels, num_layers_d=config.critic_layers
    )


def _adversarial() -> nn.Module:
    """Return MONAI's adversarial loss of patches, least squares, as its tutorial has it (Mao et al. 2017)."""
    from monai.losses.adversarial_loss import PatchAdversarialLoss  # seconds to import

    return PatchAdversarialLoss(criterion="least_squares")
