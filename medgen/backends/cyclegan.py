"""CycleGAN: carries frames from one domain to another and back without pairs, and so finds a frame's healthy counterpart.

Source: Zhu et al. 2017, "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks",
https://arxiv.org/abs/1703.10593. Domain A are the normal frames, domain B is a second pool, for anomaly detection one of
unlabelled frames with findings. Anomaly score: how far a frame is from its translation from B to A, which shows it as if it were
normal.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from medgen.backends._gan import COLLAPSED, signed, unsigned
from medgen.config import Settings
from medgen.contract.backend import Backend, Losses, Optimizer, Player, check_direction
from medgen.losses import critic_loss, generator_loss, valid_mean
from medgen.nn.adversarial.image_pool import ImagePool
from medgen.nn.adversarial.patch_critic import PatchCritic, halvings_for
from medgen.nn.features.residual import ResidualSettings, residual_scores
from medgen.nn.translation.resnet_generator import ResnetGenerator
from medgen.nn.translation.unet import UNet
from medgen.types import Batch, DataRequirements, Scores

BLOCKS = {"resnet6": 6, "resnet9": 9}
LARGE = 256  # side in pixels from which the source has nine residual blocks
IDLE = 0.01  # mean difference in [-1, 1] under which a translation is no more than its frame
WHOLE = {"least_squares": 2.0, "non_saturating": 1.0}  # the source has squares whole, and halves what its critics minimise
SLOWING = Optimizer(lr=2e-4, betas=(0.5, 0.999), decay_from=0.5, min_lr=0.0)


class Config(Settings):
    """Settings of CycleGAN. At 256 x 256 x 3: 11,378,179 weights in each generator, 2,764,737 in each critic."""

    generator: Literal["auto", "resnet9", "resnet6", "unet"] = "auto"  # auto: resnet6 under 256 pixels, else resnet9
    generator_width: int = Field(64, ge=1)
    critic_width: int = Field(64, ge=1)
    halvings: int = Field(3, ge=1)  # 3: patches of 70 x 70 pixels; at most 2 below a side of 64 pixels, 1 below 32
    loss: Literal["least_squares", "non_saturating"] = "least_squares"
    cycle_weight: float = Field(10.0, ge=0)  # of the mean absolute difference in [-1, 1], beside the adversarial loss
    identity_weight: float = Field(0.5, ge=0)  # of leaving frames of the target domain alone, relative to cycle_weight
    pool_size: int = Field(50, ge=0)  # earlier images of each generator that its critic may be shown; 0 = none
    generator_optimizer: Optimizer = SLOWING
    critic_optimizer: Optimizer = SLOWING
    score: ResidualSettings = ResidualSettings()


class Model(Backend):
    """Losses are named by the domain of the frames that are judged, or that should come out again.

    The note "cycle" is the mean absolute difference of a frame in [-1, 1] that went to the other domain and back. Components of
    the score: "critic_a", minus the mean answer of the critic of normal frames; "cycle", the same difference of a frame that went
    from B to A and back.
    """

    monitor = ""
    divides = True
    directions: tuple[str, ...] = ("AtoB", "BtoA")
    config: Config

    def __init__(self, config: Config, size: int, channels: int) -> None:
        super().__init__(config, size, channels)
        self.a_to_b, self.b_to_a = self._generator(), self._generator()
        self.critic_a, self.critic_b = self._critic(), self._critic()
        self.pool_a, self.pool_b = (ImagePool(config.pool_size, size, channels) for _ in range(2))

    def _generator(self) -> nn.Module:
        kind, width = self.config.generator, self.config.generator_width
        if kind == "auto":
            kind = "resnet9" if self.size >= LARGE else "resnet6"
        if kind == "unet":
            return UNet(self.size, self.channels, width, "instance", dropout=0)
        return ResnetGenerator(self.channels, width, BLOCKS[kind])

    def _critic(self) -> PatchCritic:
        halvings = halvings_for(self.size, self.config.halvings)
        return PatchCritic(self.channels, self.config.critic_width, halvings, "instance")

    @classmethod
    def requirements(cls, config: Settings) -> DataRequirements:
        return DataRequirements(other="pool")

    @property
    def players(self) -> dict[str, Player]:
        return {
            "generators": Player((self.a_to_b, self.b_to_a), self.config.generator_optimizer),
            "critics": Player((self.critic_a, self.critic_b), self.config.critic_optimizer),
        }

    def turns(self, batch: Batch, progress: float) -> Iterator[tuple[str, Losses]]:
        assert batch.other is not None  # `requirements` asked for it
        a, b = signed(batch.image), signed(batch.other)
        fake_a, fake_b = self.b_to_a(b).float(), self.a_to_b(a).float()
        yield "generators", self._generator_losses(a, b, fake_a, fake_b)
        critic_a = self._critic_loss(self.critic_a, a, self.pool_a(fake_a))
        critic_b = self._critic_loss(self.critic_b, b, self.pool_b(fake_b))
        yield "critics", {"critic_a": critic_a, "critic_b": critic_b}

    def _generator_losses(self, a: Tensor, b: Tensor, fake_a: Tensor, fake_b: Tensor) -> Losses:
        """Return the weighted losses of frames and their translations, (B, C, S, S) each in [-1, 1]."""
        config = self.config
        cycle_a, cycle_b = _l1(self.b_to_a(fake_b), a), _l1(self.a_to_b(fake_a), b)
        self.notes = {"cycle": (cycle_a + cycle_b).detach() / 2}
        losses = {
            "generator_a": WHOLE[config.loss] * generator_loss(self.critic_a(fake_a), config.loss),
            "generator_b": WHOLE[config.loss] * generator_loss(self.critic_b(fake_b), config.loss),
            "cycle_a": config.cycle_weight * cycle_a,
            "cycle_b": config.cycle_weight * cycle_b,
        }
        if weight := config.cycle_weight * config.identity_weight:
            losses |= {"identity_a": weight * _l1(self.b_to_a(a), a), "identity_b": weight * _l1(self.a_to_b(b), b)}
        return losses

    def _critic_loss(self, critic: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
        return WHOLE[self.config.loss] / 2 * critic_loss(critic(real), critic(fake), self.config.loss)

    def translate(self, batch: Batch, direction: str = "AtoB") -> Tensor:
        """Return the frames in the other domain, (B, C, S, S) in [0, 1].

        Raises
        ------
        BackendError : if there is no such direction.
        """
        check_direction(self, direction)
        return unsigned((self.a_to_b if direction == "AtoB" else self.b_to_a)(signed(batch.image)))

    def reconstruct(self, batch: Batch) -> Tensor:
        """Return the healthy counterpart of each frame, (B, C, S, S) in [0, 1]."""
        return self.translate(batch, "BtoA")

    def score(self, batch: Batch) -> Scores:
        image = signed(batch.image)
        healthy = self.b_to_a(image)
        scores = residual_scores(batch.image, unsigned(healthy), batch.valid, self.config.score)
        returned = (self.a_to_b(healthy).float() - image).abs().mean(1, keepdim=True)  # (B, 1, S, S)
        components = {"critic_a": -self.critic_a(image).float().flatten(1).mean(1), "cycle": valid_mean(returned, batch.valid)}
        return replace(scores, components={**scores.components, **components})

    def diagnose(self, batch: Batch) -> tuple[dict[str, float], str]:
        """Measure how well frames of A come back from B, how far they go there, and how much of their variance is left there."""
        image = signed(batch.image)
        drawn = self.a_to_b(image).float()
        variance_share = float(drawn.var(0).mean() / image.var(0).mean().clamp_min(1e-6)) if len(batch) > 1 else 1.0
        change = float(_l1(drawn, image))
        numbers = {"cycle": float(_l1(self.b_to_a(drawn), image)), "change": change, "spread": variance_share}
        if variance_share < COLLAPSED:
            return numbers, (
                f"mode collapse: frames translated from A to B differ by {variance_share:.2g} of the variance of frames of A; if "
                "it lasts, try a higher model.cycle_weight or a lower model.critic_optimizer.lr"
            )
        if change < IDLE:
            return numbers, (
                f"frames translated from A to B differ from themselves by {change:.2g} of a range of 2: nothing is translated; "
                "if it lasts, try a lower model.identity_weight or check that the two pools are not the same"
            )
        return numbers, ""


def _l1(drawn: Tensor, image: Tensor) -> Tensor:
    return F.l1_loss(drawn.float(), image)
