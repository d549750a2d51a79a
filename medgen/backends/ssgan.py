"""SSGAN: a GAN whose discriminator also has to tell how far a frame has been turned, so that it forgets less.

Source: Chen et al. 2019, "Self-Supervised GANs via Auxiliary Rotation Loss", https://arxiv.org/abs/1811.11212. Anomaly score:
how far a frame is from what the generator can draw of it, in pixels and in features of the discriminator (f-AnoGAN,
https://doi.org/10.1016/j.media.2019.01.010); how sure the discriminator is of a frame's rotation is a component of its own.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from medgen import ranks
from medgen.backends._gan import PlainAdversarial, PlainConfig, whole
from medgen.contract.backend import Losses, Optimizer
from medgen.nn.adversarial.sngan_nets import ResidualCritic, ResidualGenerator
from medgen.types import Batch, Scores

TURNS = 4  # by 0, 90, 180 and 270 degrees


class Config(PlainConfig):
    """Settings of SSGAN."""

    latents: int = Field(128, ge=1)
    generator_width: int = Field(256, ge=1)
    critic_width: int = Field(128, ge=1)
    turned_share: float = Field(0.25, gt=0, le=1)  # of a batch, each frame of which is seen at all four rotations
    generator_turn_weight: float = Field(0.2, ge=0)
    critic_turn_weight: float = Field(1.0, ge=0)
    generator_optimizer: Optimizer = Optimizer(lr=2e-4, betas=(0.0, 0.9))
    critic_optimizer: Optimizer = Optimizer(lr=2e-4, betas=(0.0, 0.9))


class Model(PlainAdversarial):
    """Hinge loss for real or generated; the component "rotation" is the mean cross-entropy of its four rotations, nats."""

    loss = "hinge"
    config: Config
    critic: ResidualCritic

    def __init__(self, config: Config, size: int, channels: int) -> None:
        super().__init__(config, size, channels)
        self.generator = ResidualGenerator(config.latents, size, channels, config.generator_width)
        self.critic = ResidualCritic(size, channels, config.critic_width, TURNS)

    def critic_turn(self, real: Tensor, fake: Tensor) -> Losses:
        turned = self.config.critic_turn_weight * self._mean_confusion(real)
        return {**super().critic_turn(real, fake), "critic_rotation": turned}

    def generator_turn(self, fake: Tensor) -> Losses:
        turned = self.config.generator_turn_weight * self._mean_confusion(fake)
        return {**super().generator_turn(fake), "generator_rotation": turned}

    def _mean_confusion(self, image: Tensor) -> Tensor:
        """Return the mean cross-entropy over those frames of a batch that are seen at all four rotations, its first ones."""
        seen = max(1, round(ranks.count() * len(image) * self.config.turned_share))
        return ranks.mean_over(self._confusion(ranks.first_rows(image, seen)), seen)

    def _confusion(self, image: Tensor) -> Tensor:
        """Return the cross-entropy of the discriminator's answer at each rotation, (B, turns) nats."""
        turned = torch.cat([image.rot90(k, (2, 3)) for k in range(TURNS)])  # (turns * B, C, S, S)
        truth = torch.arange(TURNS, device=image.device).repeat_interleave(len(image))
        return F.cross_entropy(self.critic.which_turn(turned).float(), truth, reduction="none").view(TURNS, -1).T  # (B, turns)

    def score(self, batch: Batch) -> Scores:
        scores = super().score(batch)
        rotation = self._confusion(whole(batch)).mean(1)
        return replace(scores, components={**scores.components, "rotation": rotation})
