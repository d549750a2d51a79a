"""What every GAN here has in common: its two players' turns, the encoder that inverts its generator, and its score.

Inversion: Schlegl et al. 2019, "f-AnoGAN", https://doi.org/10.1016/j.media.2019.01.010. The generator and the critic play
first; then both stand still and an encoder learns which latent draws a given frame.
Shape letters beside those of `Batch`: Z latents, F features of the critic. Inside the nets frames are in [-1, 1].
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import replace

import torch
from pydantic import Field
from torch import Tensor, nn

from medgen.config import Settings
from medgen.contract.backend import Backend, Losses, Optimizer, Player, Stage
from medgen.losses import AdversarialLoss, critic_loss, generator_loss, valid_mean
from medgen.nn.adversarial.dcgan_nets import Encoder, FeatureCritic, noise_like
from medgen.nn.adversarial.diffaugment import Change, augment
from medgen.nn.features.residual import ResidualSettings, residual_scores
from medgen.nn.host import OnHost
from medgen.nn.inpaint import inpaint
from medgen.types import Batch, Scores

COLLAPSED = 0.05  # share of the frames' variance below which the samples are one frame


class InversionSettings(Settings):
    """Settings of the encoder that finds a frame's latent."""

    share: float = Field(0.3, gt=0, lt=1)  # of the training, at its end, that trains the encoder
    feature_weight: float = Field(1.0, ge=0)  # of the critic's features beside the pixels, in the loss and in the score
    width: int = Field(32, ge=1)  # channels of the first convolution
    refine_steps: int = Field(0, ge=0)  # steps by which each latent is improved when a frame is reconstructed; slow
    refine_lr: float = Field(0.05, gt=0)
    optimizer: Optimizer = Optimizer(lr=1e-3, betas=(0.5, 0.999))


class AdversarialConfig(Settings):
    """Settings of every GAN."""

    augment: tuple[Change, ...] = ()  # what a critic of few frames sees changed: ("colour", "translation", "cutout")
    critic_steps: int = Field(1, ge=1)  # of the critic for each step of the generator
    generator_optimizer: Optimizer = Optimizer(lr=2e-4, betas=(0.5, 0.999))
    critic_optimizer: Optimizer = Optimizer(lr=2e-4, betas=(0.5, 0.999))  # another rate here is the two-time-scale rule
    inversion: InversionSettings = InversionSettings()
    score: ResidualSettings = ResidualSettings()


class Adversarial(OnHost, Backend):
    """A generator and a critic; a subclass makes the two nets, and adds to the losses what its paper adds.

    Attributes
    ----------
    generator : latents (B, Z) to frames (B, C, S, S)
    critic : frames to (B,), higher for what looks real; its method `features` gives (B, F)
    encoder : frames to latents
    """

    loss: AdversarialLoss = "non_saturating"
    divides = True
    on_host = ("turn",)
    config: AdversarialConfig
    generator: nn.Module
    critic: FeatureCritic
    turn: Tensor

    def __init__(self, config: AdversarialConfig, size: int, channels: int) -> None:
        super().__init__(config, size, channels)
        self.encoder = Encoder(size, channels, self.latent_width, config.inversion.width)
        self.register_buffer("turn", torch.zeros((), dtype=torch.int64))  # of the critic, since the start

    @property
    @abstractmethod
    def latent_width(self) -> int:
        """Z: numbers in the generator's noise, and in what the encoder finds."""

    @property
    def players(self) -> dict[str, Player]:
        return {
            "generator": Player((self.generator,), self.config.generator_optimizer),
            "critic": Player((self.critic,), self.config.critic_optimizer),
            "encoder": Player((self.encoder,), self.config.inversion.optimizer),
        }

    @property
    def stages(self) -> tuple[Stage, ...]:
        return Stage(1 - self.config.inversion.share, ""), Stage(1.0, "loss")

    def turns(self, batch: Batch, progress: float) -> Iterator[tuple[str, Losses]]:
        if progress >= self.stages[0].until:
            self.notes = {}
            yield "encoder", self._inversion_losses(batch)
            return
        real = whole(batch)
        self.turn += 1
        due = int(self.turn) % self.config.critic_steps == 0
        with torch.set_grad_enabled(due and torch.is_grad_enabled()):
            fake = self.forge(len(real))
        yield "critic", self.critic_turn(real, fake.detach())
        self.after_critic()
        if due:
            yield "generator", self.generator_turn(fake)

    def forge(self, n: int) -> Tensor:
        """Return n frames in [-1, 1] as the generator draws them for the critic."""
        return self.generator(self._noise(n))

    def critic_turn(self, real: Tensor, fake: Tensor) -> Losses:
        """Return the critic's losses on frames (B, C, S, S) of the batch and of the generator."""
        judged, forged = self.judge(real), self.judge(fake)
        self.notes = {"critic_real": judged.detach().mean(), "critic_fake": forged.detach().mean()}
        return {"critic": critic_loss(judged, forged, self.loss)}

    def after_critic(self) -> None:
        """Do what a step of the critic calls for."""

    def generator_turn(self, fake: Tensor) -> Losses:
        """Return the generator's losses on the frames (B, C, S, S) that it drew."""
        return {"generator": generator_loss(self.judge(fake), self.loss)}

    def judge(self, image: Tensor) -> Tensor:
        """Return the critic's opinion (B,) of frames, changed at random where the settings say so."""
        return self.critic(augment(image, self.config.augment))

    def _noise(self, n: int) -> Tensor:
        return noise_like(n, self.latent_width, self.generator)

    def _inversion_losses(self, batch: Batch) -> Losses:
        for still in (self.generator, self.critic):
            still.eval()  # statistics of batches stay those of the first stage
        image = whole(batch)
        pixels, features = self._residuals(image, self.draw(self.encoder(image)), batch.valid)
        return {"inversion": pixels.mean(), "features": self.config.inversion.feature_weight * features.mean()}

    def _residuals(self, image: Tensor, drawn: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean squared differences, (B,) each, of valid pixels and of the critic's features."""
        pixels = valid_mean((drawn.float() - image).square().mean(1, keepdim=True), valid)
        real, fake = (self.critic.features(frames).float() for frames in (image, torch.where(valid, drawn, image)))
        return pixels, (real - fake).square().flatten(1).mean(1)

    def draw(self, latent: Tensor) -> Tensor:
        """Return frames (B, C, S, S) in [-1, 1] of what the encoder finds, always the same for the same latents."""
        return self.generator(latent)

    def embed(self, batch: Batch) -> Tensor:
        """Return the latents that the encoder finds, (B, Z), improved where the settings say so."""
        latent = self.encoder(whole(batch))
        return self._refined(latent, batch) if self.config.inversion.refine_steps else latent

    def _refined(self, start: Tensor, batch: Batch) -> Tensor:
        """Descend from the encoder's latents (B, Z) to better ones, each frame for itself."""
        settings = self.config.inversion
        with torch.inference_mode(False), torch.enable_grad():
            latent, image = start.detach().float().clone().requires_grad_(), whole(batch).clone()
            valid = batch.valid.clone()
            optimizer = torch.optim.Adam([latent], settings.refine_lr)
            for _ in range(settings.refine_steps):
                pixels, features = self._residuals(image, self.draw(latent), valid)
                (slope,) = torch.autograd.grad((pixels + settings.feature_weight * features).sum(), latent)
                latent.grad = slope
                optimizer.step()
        return latent.detach()

    def reconstruct(self, batch: Batch) -> Tensor:
        """Return (B, C, S, S) in [0, 1], drawn from the latents that the encoder finds."""
        return unsigned(self.draw(self.embed(batch)))

    def sample(self, n: int) -> Tensor:
        """Return (n, C, S, S) in [0, 1], drawn from N(0, I)."""
        return unsigned(self.generator(self._noise(n)))

    def score(self, batch: Batch) -> Scores:
        """Score by the residual of pixels and of the critic's features (Schlegl et al. 2019, equation 6)."""
        image, drawn = whole(batch), self.draw(self.embed(batch))
        pixels = residual_scores(batch.image, unsigned(drawn), batch.valid, self.config.score)
        _, features = self._residuals(image, drawn, batch.valid)
        components = {**pixels.components, "feature_residual": features, "critic": -self.critic(image).float()}
        weighted = self.config.inversion.feature_weight * features
        score = 4 * pixels.score + weighted  # 4: of frames in [-1, 1], as the paper has them
        return replace(pixels, score=score, components=components)

    def diagnose(self, batch: Batch) -> tuple[dict[str, float], str]:
        """Measure how much samples differ from each other, as a share of how much frames do."""
        drawn = self.sample(max(16, len(batch))).float()
        real = unsigned(whole(batch))
        variance_share = float(drawn.var(0).mean() / real.var(0).mean().clamp_min(1e-6)) if len(batch) > 1 else 1.0
        warning = (
            f"mode collapse: samples differ by {variance_share:.2g} of the variance of real frames; if it lasts, try "
            '--set \'model.augment=["translation", "cutout"]\', a lower model.critic_optimizer.lr or another backend'
        )
        return {"spread": variance_share}, warning if variance_share < COLLAPSED else ""


class PlainConfig(AdversarialConfig):
    """Settings of a GAN without styles."""

    latents: int = Field(64, ge=1)


class PlainAdversarial(Adversarial):
    """A GAN whose encoder finds the very noise that the generator draws a frame from."""

    config: PlainConfig

    @property
    def latent_width(self) -> int:
        return self.config.latents

    def decode(self, latent: Tensor) -> Tensor:
        """Return (N, C, S, S) in [0, 1] of latents (N, Z)."""
        return unsigned(self.generator(latent))


def whole(batch: Batch) -> Tensor:
    """Return the frames in [-1, 1] with what is not valid filled from around: a generator would learn to draw the holes."""
    return signed(inpaint(batch.image, batch.valid))


def signed(image: Tensor) -> Tensor:
    """[0, 1] to [-1, 1]."""
    return 2 * image - 1


def unsigned(image: Tensor) -> Tensor:
    """[-1, 1] to [0, 1]."""
    return ((image.float() + 1) / 2).clamp(0, 1)
