"""CVAE: a variational autoencoder that is told the class of each frame (Sohn, Lee and Yan, NeurIPS 2015).

Source: "Learning Structured Output Representation using Deep Conditional Generative Models",
https://papers.nips.cc/paper/2015/hash/8d55a249e6baa5c06772297520da2051-Abstract.html, which stands on
https://arxiv.org/abs/1312.6114. Anomaly score: how far a frame is from its reconstruction under the class it is given, or, where
none is given, under the class that explains it best (the lowest sum of reconstruction loss and KL divergence).
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor, nn

from medgen.backends._vae import Variational, VariationalConfig
from medgen.config import Settings
from medgen.contract.backend import Player
from medgen.losses import gaussian_kl
from medgen.nn.conv_stacks import dense, halved, init_he, up
from medgen.types import Batch, DataRequirements, Scores


class Config(VariationalConfig):
    """Settings of the CVAE. With two classes at 64 x 64 x 3: 1,147,296 weights in the encoder, 775,811 in the decoder."""

    latents: int = Field(256, ge=1)
    classes: tuple[str, ...] = ()  # names of the classes, any number; taken from the training frames where none are given
    widths: tuple[int, ...] = Field(
        (16, 32, 64, 128), min_length=1
    )  # of the encoder's convolutions; each is pooled to half the side


class Model(Variational):
    """The CVAE. The class is one-hot: spread to planes that join the frame, and joined to the latents."""

    config: Config

    def __init__(self, config: Config, size: int, channels: int) -> None:
        super().__init__(config, size, channels)
        widths, side, classes = config.widths, halved(size, len(config.widths)), len(config.classes)
        flat = widths[-1] * side**2
        layers: list[nn.Module] = []
        for before, after in zip((channels + classes, *widths), widths, strict=False):
            pool = nn.MaxPool2d(2, ceil_mode=True)
            layers += [nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU(), pool]
        self.encoder = nn.Sequential(*layers, nn.Flatten())
        self.mean = nn.Linear(flat, config.latents)
        self.log_variance = nn.Linear(flat, config.latents)
        self.decoder = nn.Sequential(
            *dense(config.latents + classes, (flat,)),
            nn.Unflatten(1, (widths[-1], side, side)),  # (B, W, side, side)
            *up(widths[-1], widths[::-1], nn.BatchNorm2d),
            nn.Conv2d(widths[0], channels, 3, padding=1),
        )
        self.apply(init_he)

    @classmethod
    def requirements(cls, config: Settings) -> DataRequirements:
        return DataRequirements(classes=True)

    @property
    def classes(self) -> tuple[str, ...]:
        return self.config.classes

    @property
    def players(self) -> dict[str, Player]:
        return {"vae": Player((self.encoder, self.mean, self.log_variance, self.decoder), self.config.optimizer)}

    def encode(self, image: Tensor, finding: Tensor | None) -> tuple[Tensor, Tensor]:
        planes = self._one_hot(finding, len(image), image)[..., None, None].expand(-1, -1, *image.shape[2:])  # (B, K, S, S)
        hidden = self.encoder(torch.cat([image, planes], 1))  # (B, H)
        return self.mean(hidden).float(), self.log_variance(hidden).float()

    def logits(self, latent: Tensor, finding: Tensor | None) -> Tensor:
        conditioned = torch.cat([latent, self._one_hot(finding, len(latent), latent)], 1)  # (B, Z + K)
        return self.decoder(conditioned)[..., : self.size, : self.size]  # (B, C, S, S)

    def _one_hot(self, finding: Tensor | None, n: int, like: Tensor) -> Tensor:
        """Return (n, K); zeros for an unknown class."""
        count = len(self.classes)
        if finding is None or not count:
            return like.new_zeros(n, count)
        return (finding[:, None] == torch.arange(count, device=finding.device)).to(like.dtype)

    def sample(self, n: int, label: int | None = None) -> Tensor:
        """Return (n, C, S, S) in [0, 1] of class `label`; each of a class drawn evenly where it is None."""
        return self.decode(self._prior(n), label)

    def decode(self, latent: Tensor, label: int | None = None) -> Tensor:
        """Return (N, C, S, S) in [0, 1] of latents (N, Z), all of class `label` or each of one drawn evenly."""
        drawn = torch.randint(max(1, len(self.classes)), (len(latent),), device=latent.device)  # (N,)
        finding = drawn if label is None else torch.full_like(drawn, label)
        return self.logits(latent, finding).float().sigmoid()

    def best(self, batch: Batch) -> Batch:
        """Return the batch with a class for each frame: the one it is given, else the one that explains it best."""
        if not self.classes or (batch.finding is not None and min(batch.finding.tolist()) >= 0):
            return batch
        costs = []
        for class_index in range(len(self.classes)):
            finding = torch.full((len(batch),), class_index, device=batch.image.device)
            mean, log_variance = self.encode(batch.image, finding)
            loss = self._reconstruction_loss(self.logits(mean, finding), batch.image, batch.valid)
            costs.append(loss + gaussian_kl(mean, log_variance).sum(1))  # (B,)
        chosen = torch.stack(costs).argmin(0)  # (B,)
        finding = chosen if batch.finding is None else torch.where(batch.finding < 0, chosen, batch.finding)
        return Batch(batch.image, batch.valid, batch.index, finding=finding)

    def reconstruct(self, batch: Batch) -> Tensor:
        """Return (B, C, S, S) in [0, 1] under the class given or the best one, decoded from the mean of the latents."""
        return super().reconstruct(self.best(batch))

    def embed(self, batch: Batch) -> Tensor:
        """Return the mean of the latents, (B, Z), under the class given or the best one."""
        return super().embed(self.best(batch))

    def score(self, batch: Batch) -> Scores:
        return super().score(self.best(batch))
