"""WGAN: a critic whose slope is bounded estimates how far apart the generated and the real frames are.

Sources: Arjovsky, Chintala and Bottou 2017, "Wasserstein GAN", https://arxiv.org/abs/1701.07875 (clipped weights); Gulrajani
et al. 2017, https://arxiv.org/abs/1704.00028 (gradient penalty). Anomaly score: how far a frame is from what the generator
can draw of it, in pixels and in features of the critic (f-AnoGAN, https://doi.org/10.1016/j.media.2019.01.010).
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor

from medgen.backends._gan import PlainAdversarial, PlainConfig
from medgen.contract.backend import Losses, Optimizer
from medgen.losses import gradient_penalty
from medgen.nn.adversarial.dcgan_nets import ConvCritic, ShuffleGenerator

OPTIMIZERS = {
    "clip": Optimizer(name="rmsprop", lr=5e-5),
    "gradient_penalty": Optimizer(lr=1e-4, betas=(0.0, 0.9)),
}


class Config(PlainConfig):
    """Settings of WGAN; both players' optimizers are those of the paper that bounds the critic in this way."""

    width: int = Field(32, ge=4, multiple_of=4)  # channels of the convolutions
    hidden: int = Field(512, ge=1)  # width of the linear layers
    lipschitz: Literal["clip", "gradient_penalty"] = "gradient_penalty"
    clip: float = Field(0.01, gt=0)  # the largest size of a critic's weight
    penalty_weight: float = Field(10.0, ge=0)
    critic_steps: int = Field(5, ge=1)
    generator_optimizer: Optimizer = OPTIMIZERS["gradient_penalty"]
    critic_optimizer: Optimizer = OPTIMIZERS["gradient_penalty"]

    @model_validator(mode="before")
    @classmethod
    def _optimizers_of_the_paper(cls, values: Any) -> Any:
        """Lay optimizers that are given in part over those of the paper whose bound is chosen."""
        if not isinstance(values, dict):
            return values
        papers = OPTIMIZERS.get(str(values.get("lipschitz")), OPTIMIZERS["gradient_penalty"]).model_dump()
        names = ("generator_optimizer", "critic_optimizer")
        return {
            **values,
            **{name: {**papers, **values.get(name, {})} for name in names if isinstance(values.get(name, {}), dict)},
        }


class Model(PlainAdversarial):
    """The note "wasserstein" is the estimated distance: real minus generated, by the critic."""

    loss = "wasserstein"
    config: Config

    def __init__(self, config: Config, size: int, channels: int) -> None:
        super().__init__(config, size, channels)
        self.generator = ShuffleGenerator(config.latents, size, channels, config.width, config.hidden)
        self.critic = ConvCritic(size, channels, config.width, config.hidden, norm=False)

    def critic_turn(self, real: Tensor, fake: Tensor) -> Losses:
        losses = super().critic_turn(real, fake)
        self.notes["wasserstein"] = -losses["critic"].detach()
        if self.config.lipschitz == "gradient_penalty":
            losses["gradient_penalty"] = self.config.penalty_weight * gradient_penalty(self.judge, real, fake)
        return losses

    @torch.no_grad()
    def after_critic(self) -> None:
        if self.config.lipschitz == "clip":
            for weight in self.critic.parameters():
                weight.clamp_(-self.config.clip, self.config.clip)
