"""What every variational autoencoder has in common: its loss, its latents and its score. The nets are each backend's own."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from functools import lru_cache
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from medgen import ranks
from medgen.config import Settings
from medgen.contract.backend import Backend, Losses, Optimizer, Stage
from medgen.losses import binary_cross_entropy, gaussian_kl
from medgen.nn.controller import Controller, ControllerSettings
from medgen.nn.features.pixel_loss import PixelLoss, PixelResidual
from medgen.nn.features.residual import ResidualSettings, mean_scores, residual_scores
from medgen.types import Batch, Scores

COLLAPSED = 0.05  # share of the frames' variance below which the reconstructions are one mean frame


class VariationalConfig(Settings):
    """Settings of every variational autoencoder."""

    latents: int = Field(6, ge=1)
    loss: Literal["binary_cross_entropy"] | PixelLoss = "binary_cross_entropy"  # each summed over pixels and channels of a frame
    reconstruction_weight: float = Field(1.0, gt=0)  # of a squared error: 1 / (2 variance) of the Gaussian it stands for
    kl_weight: float = Field(1.0, ge=0)
    kl_warmup: float = Field(0.0, ge=0, le=1)  # share of the training over which the KL weight rises from 0
    kl_target: float = Field(0.0, ge=0)  # nats; above 0 a controller chooses the KL weight so that the KL term comes to this
    control: ControllerSettings = ControllerSettings()
    optimizer: Optimizer = Optimizer()
    score: ResidualSettings = ResidualSettings()
    draws: int = Field(0, ge=0, le=10_000)  # from the posterior, averaged over; 0: one reconstruction, from its mean


class Variational(Backend):
    """A variational autoencoder with Gaussian latents; a subclass adds `encode`, `logits` and its players."""

    divides = True
    config: VariationalConfig

    def __init__(self, config: VariationalConfig, size: int, channels: int) -> None:
        super().__init__(config, size, channels)
        self.residual = None if config.loss == "binary_cross_entropy" else PixelResidual(config.loss, size)
        self.controller = Controller(config.control, config.kl_target) if config.kl_target else None

    @abstractmethod
    def encode(self, image: Tensor, finding: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return mean and log-variance of the latents, (B, Z) float32 each.

        Parameters
        ----------
        image : (B, C, S, S) in [0, 1]
        finding : (B,) int64, index of each frame's class, -1 for one that the model does not know; None where no class is known
        """

    @abstractmethod
    def logits(self, latent: Tensor, finding: Tensor | None) -> Tensor:
        """Return (B, C, S, S), before the sigmoid, of latents (B, Z)."""

    @property
    def stages(self) -> tuple[Stage, ...]:
        # under a controller the KL and its weight change together: only the reconstruction compares epochs
        return (Stage(1.0, "reconstruction" if self.controller else "loss"),)

    def turns(self, batch: Batch, progress: float) -> Iterator[tuple[str, Losses]]:
        mean, log_variance = self.encode(batch.image, batch.finding)
        latent = mean + ranks.randn_like(mean) * (0.5 * log_variance).exp()
        kl = gaussian_kl(mean, log_variance).sum(1).mean()
        self.notes = {"kl_target": self.controller.set_point.float()} if self.controller else {}
        beta = self._beta(kl, progress)
        self.notes |= {"kl": kl.detach(), "beta": beta}
        drawn = self.logits(latent, batch.finding)
        yield (
            next(iter(self.players)),
            {"reconstruction": self._reconstruction_loss(drawn, batch.image, batch.valid).mean(), "kl": beta * kl},
        )

    def _beta(self, kl: Tensor, progress: float) -> Tensor:
        """Return the weight of the KL term, () float32; while training, the controller, where there is one, moves it."""
        if self.controller:
            return (self.controller.step(ranks.mean(kl.detach())) if self.training else self.controller.beta).float()
        warmup = self.config.kl_warmup
        return torch.tensor(self.config.kl_weight * min(1.0, progress / warmup if warmup else 1.0))

    def _reconstruction_loss(self, logits: Tensor, image: Tensor, valid: Tensor) -> Tensor:
        """Return the weighted loss of each frame, (B,)."""
        if self.residual is not None:
            total = self.residual(logits.float().sigmoid(), image, valid).flatten(1).sum(1)  # (B,), a mean over channels
            return self.config.reconstruction_weight * image.shape[1] * total
        return self.config.reconstruction_weight * binary_cross_entropy(logits, image, valid)

    def reconstruct(self, batch: Batch) -> Tensor:
        """Return (B, C, S, S) in [0, 1], decoded from the mean of the latents."""
        return self.logits(self.encode(batch.image, batch.finding)[0], batch.finding).float().sigmoid()

    def sample(self, n: int) -> Tensor:
        """Return (n, C, S, S) in [0, 1], decoded from N(0, I)."""
        return self.decode(self._prior(n))

    def _prior(self, n: int) -> Tensor:
        return torch.randn(n, self.config.latents, device=next(self.parameters()).device)

    def decode(self, latent: Tensor) -> Tensor:
        """Return (N, C, S, S) in [0, 1] of latents (N, Z)."""
        return self.logits(latent, None).float().sigmoid()

    def embed(self, batch: Batch) -> Tensor:
        """Return the mean of the latents, (B, Z)."""
        return self.encode(batch.image, batch.finding)[0]

    def score(self, batch: Batch) -> Scores:
        mean, log_variance = self.encode(batch.image, batch.finding)
        deviation, draws = (0.5 * log_variance).exp(), self.config.draws
        latents = [mean + deviation * noise for noise in _noise(draws, mean.shape[1]).to(mean)] if draws else [mean]
        drawn = (self.logits(latent, batch.finding).float().sigmoid() for latent in latents)
        scores = mean_scores([residual_scores(batch.image, frame, batch.valid, self.config.score) for frame in drawn])
        components = {**scores.components, "kl": gaussian_kl(mean, log_variance).sum(1)}
        return Scores(scores.score, scores.map, components, None if draws else scores.reconstruction)

    def diagnose(self, batch: Batch) -> tuple[dict[str, float], str]:
        """Measure how many latents carry something (over 0.01 nats) and how much reconstructions differ between frames."""
        mean, log_variance = self.encode(batch.image, batch.finding)
        active = int((gaussian_kl(mean, log_variance).mean(0) > 0.01).sum())
        weight = batch.valid.float()  # (B, 1, S, S)
        centre = (batch.image * weight).sum(0) / weight.sum(0).clamp_min(1)  # (C, S, S), the mean frame
        drawn = self.logits(mean, batch.finding).float().sigmoid()
        variance_share = float(
            ((drawn - drawn.mean(0)).square() * weight).sum() / ((batch.image - centre).square() * weight).sum().clamp_min(1e-6)
        )
        collapsed = len(batch) > 1 and (active == 0 or variance_share < COLLAPSED)
        warning = (
            f"posterior collapse: {active} of {self.config.latents} latents are in use and frames get nearly the same "
            "reconstruction; if it lasts, try a longer --set model.kl_warmup, a smaller model.kl_weight, a model.kl_target or "
            "more model.optimizer.warmup_steps"
        )
        return {"active_latents": active, "spread": variance_share}, warning if collapsed else ""


@lru_cache(maxsize=8)
def _noise(draws: int, latents: int) -> Tensor:
    """Return standard normal numbers (draws, Z), the same for every frame and at every call."""
    with torch.inference_mode(False):
        return torch.randn(draws, latents, generator=torch.Generator().manual_seed(0))
