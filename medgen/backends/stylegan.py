"""StyleGAN: noise becomes a style, and the style sets the strength of every feature at every scale of the frame.

Source: Karras, Laine and Aila 2019, "A Style-Based Generator Architecture for Generative Adversarial Networks",
https://arxiv.org/abs/1812.04948; without its progressive growing. Anomaly score: how far a frame is from what the generator can
draw of it, in pixels and in features of the critic, with an encoder that finds its style (f-AnoGAN,
https://doi.org/10.1016/j.media.2019.01.010).
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from torch import Tensor

from medgen.backends._gan import Adversarial, AdversarialConfig, unsigned
from medgen.contract.backend import Losses, Optimizer
from medgen.losses import gradient_penalty, r1_penalty
from medgen.nn.adversarial.stylegan_critic import Critic
from medgen.nn.adversarial.stylegan_nets import Generator, StyleSettings


class Config(AdversarialConfig):
    """Settings of StyleGAN; the paper's ablation (its table 1) is `net` from B to F: all four off, then one after another on. Its
    A is B with the loss of WGAN-GP, as nothing here grows progressively."""

    net: StyleSettings = StyleSettings(latent=128, width=128, capacity=512)
    mixing: float = Field(0.9, ge=0, le=1)  # share of the frames whose style changes half-way
    truncation: float = Field(1.0, ge=0, le=1)  # samples come so far from the mean style; less is more alike and less odd
    loss: Literal["non_saturating", "wasserstein"] = "non_saturating"
    penalty_weight: float = Field(10.0, ge=0)  # of the gradient penalty, which the Wasserstein loss has in place of R1
    r1_weight: float = Field(10.0, ge=0)
    r1_every: int = Field(16, ge=1)  # steps of the critic between two penalties (Karras et al. 2020, appendix B)
    generator_optimizer: Optimizer = Optimizer(lr=2e-3, betas=(0.0, 0.99), ema=0.999)
    critic_optimizer: Optimizer = Optimizer(lr=2e-3, betas=(0.0, 0.99))


class Model(Adversarial):
    """The encoder finds one style for all layers; noise stands still when a frame is reconstructed."""

    config: Config
    generator: Generator

    def __init__(self, config: Config, size: int, channels: int) -> None:
        super().__init__(config, size, channels)
        self.loss = config.loss
        self.generator = Generator(config.net, size, channels)
        self.critic = Critic(config.net, size, channels)

    @property
    def latent_width(self) -> int:
        return self.config.net.latent

    def forge(self, n: int) -> Tensor:
        return self.generator(self._noise(n), self.config.mixing if self.config.net.styles else 0.0)

    def critic_turn(self, real: Tensor, fake: Tensor) -> Losses:
        losses = super().critic_turn(real, fake)
        if self.loss == "wasserstein":
            losses["penalty"] = self.config.penalty_weight * gradient_penalty(self.judge, real, fake)
            return losses
        if self.config.r1_weight and int(self.turn) % self.config.r1_every == 0:
            losses["r1"] = self.config.r1_weight * self.config.r1_every * r1_penalty(self.judge, real)
        return losses

    def draw(self, latent: Tensor) -> Tensor:
        return self.generator.draw(latent, "fixed")

    def redraw(self, latent: Tensor) -> Tensor:
        """Return (N, C, S, S) in [0, 1] of styles (N, Z)."""
        return self.draw_styles(latent)

    def sample(self, n: int) -> Tensor:
        """Return (n, C, S, S) in [0, 1], drawn from N(0, I), the styles truncated as the settings say."""
        return self.draw_styles(self.truncate(self.styles(n), self.config.truncation), "random")

    def styles(self, n: int) -> Tensor:
        """Draw n styles (n, Z)."""
        return self.generator.w(self._noise(n))

    def truncate(self, styles: Tensor, psi: float) -> Tensor:
        """Return styles (n, Z) moved towards their mean, which they reach at psi 0."""
        return self.generator.mapping.truncate(styles, psi)

    @property
    def layers(self) -> int:
        """Layers L that a style reaches."""
        return self.generator.synthesis.n_layers

    def draw_styles(self, styles: Tensor, noise: Literal["random", "fixed", "none"] = "fixed") -> Tensor:
        """Return (n, C, S, S) in [0, 1] of styles (n, Z), or (n, L, Z) with one for each layer."""
        return unsigned(self.generator.draw(styles, noise))
