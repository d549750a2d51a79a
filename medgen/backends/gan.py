"""GAN: a generator and a discriminator that learn against each other, with the non-saturating loss.

Source: Goodfellow et al. 2014, "Generative Adversarial Nets", https://arxiv.org/abs/1406.2661; the start and Adam's settings
are of Radford et al. 2015, https://arxiv.org/abs/1511.06434. Anomaly score: how far a frame is from what the generator can
draw of it, in pixels and in features of the discriminator (f-AnoGAN, https://doi.org/10.1016/j.media.2019.01.010).
"""

from __future__ import annotations

from pydantic import Field

from medgen.backends._gan import PlainAdversarial, PlainConfig
from medgen.nn.adversarial.dcgan_nets import ConvCritic, ShuffleGenerator


class Config(PlainConfig):
    """Settings of GAN."""

    width: int = Field(32, ge=4, multiple_of=4)  # channels of the convolutions
    hidden: int = Field(512, ge=1)  # width of the linear layers


class Model(PlainAdversarial):
    """The discriminator normalises by batches while it learns and by what it has seen when it scores."""

    def __init__(self, config: Config, size: int, channels: int) -> None:
        super().__init__(config, size, channels)
        self.generator = ShuffleGenerator(config.latents, size, channels, config.width, config.hidden)
        self.critic = ConvCritic(size, channels, config.width, config.hidden)
