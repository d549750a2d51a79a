"""Pix2Pix: a U-Net that draws one frame from another, against a discriminator that judges the two together, patch by patch.

Source: Isola et al. 2017, "Image-to-Image Translation with Conditional Adversarial Networks", https://arxiv.org/abs/1611.07004;
discriminators at several scales, matching of their features and a generator from coarse to fine by option: Wang et al. 2018,
"High-Resolution Image Synthesis and Semantic Manipulation with Conditional GANs", https://arxiv.org/abs/1711.11585.
Anomaly score: how far a frame is from what the generator restores of it when its colours, its detail or, pattern by pattern,
half of its cells are taken away; of a set of pairs, how far the second frame is from what the generator draws from the first.

Shape letters beside those of `Batch`: N patterns. Inside the nets frames are in [-1, 1].
The paper keeps dropout when it translates, as its noise; a score has to be the same twice, so here it ends with training. Batch
norm then uses its running means, where the paper uses the frame's own; `norm = "instance"` uses the frame's own in both.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from medgen.backends._gan import signed, unsigned
from medgen.config import Settings
from medgen.contract.backend import Backend, Losses, Optimizer, Player, check_direction
from medgen.errors import BackendError
from medgen.losses import critic_loss, generator_loss, valid_mean
from medgen.nn.adversarial.patch_critic import ScaledCritics, halvings_for
from medgen.nn.conv_stacks import halved
from medgen.nn.features.residual import ResidualSettings, residual_scores
from medgen.nn.translation.coarse_to_fine import CoarseToFine
from medgen.nn.translation.corrupt import blur, erase, fixed_patterns, grey, random_patterns
from medgen.nn.translation.unet import UNet
from medgen.types import Batch, DataRequirements, Scores

SMALLEST = 8  # pixels of a side that a discriminator can judge


class Config(Settings):
    """Settings of Pix2Pix. At 256 x 256 x 3: 54,419,459 weights in the generator, 2,769,601 in the discriminator."""

    pairing: Literal["given", "grey", "erase", "blur"] = "erase"  # pairs of the data set, or a frame and what is left of it
    cells: int = Field(8, ge=2, le=16)  # along a side, of the grid whose cells are erased
    groups: int = Field(2, ge=2, le=4)  # one cell of so many is erased: any in training, in scoring each once in so many patterns
    blur_share: float = Field(0.03, gt=0, le=0.25)  # standard deviation of the blur as a share of the side
    generator: Literal["unet", "coarse_to_fine"] = "unet"
    coarse_share: float = Field(0.3, ge=0, lt=1)  # of the training, in which coarse_to_fine draws at half the side alone
    width: int = Field(64, ge=1)  # channels of the generator's first convolution; Wang et al. have 32
    norm: Literal["batch", "instance"] = "batch"
    dropout: float = Field(0.5, ge=0, lt=1)
    critic_width: int = Field(64, ge=1)
    halvings: int = Field(3, ge=1)  # 3: patches of 70 x 70 pixels; at most 2 below a side of 64 pixels, 1 below 32
    scales: int = Field(1, ge=1, le=3)  # discriminators, each at half the side of the one before
    loss: Literal["non_saturating", "least_squares"] = "non_saturating"  # the first is the paper's cross-entropy
    l1_weight: float = Field(100.0, ge=0)
    feature_weight: float = Field(0.0, ge=0)  # of the discriminators' features; Wang et al. have 10
    generator_optimizer: Optimizer = Optimizer(lr=2e-4, betas=(0.5, 0.999))
    critic_optimizer: Optimizer = Optimizer(lr=2e-4, betas=(0.5, 0.999))
    score: ResidualSettings = ResidualSettings()


class Model(Backend):
    """The note "l1" is the mean absolute difference of valid pixels in [-1, 1], before its weight.

    What is not valid is black in every frame that the discriminator sees.
    """

    monitor = ""
    divides = True
    config: Config

    def __init__(self, config: Config, size: int, channels: int) -> None:
        super().__init__(config, size, channels)
        if config.pairing == "grey" and channels != 3:
            raise BackendError(
                f"pairing 'grey' wants frames of 3 channels, got {channels}; set model.pairing to 'erase' or 'blur'"
            )
        staged = config.generator == "coarse_to_fine"
        self.coarse_until = config.coarse_share if staged else 0.0
        if (side := halved(size, config.scales - 1 + staged)) < SMALLEST:
            raise BackendError(f"{config.scales} scales leave {side} of {size} pixels; {SMALLEST} are needed: lower model.scales")
        halvings = halvings_for(side, config.halvings)
        self.generator: UNet | CoarseToFine = (
            CoarseToFine(size, channels, config.width)
            if staged
            else UNet(size, channels, config.width, config.norm, config.dropout)
        )
        self.critic = ScaledCritics(config.scales, 2 * channels, config.critic_width, halvings, config.norm)

    @classmethod
    def requirements(cls, config: Settings) -> DataRequirements:
        assert isinstance(config, Config)
        return DataRequirements(other="pair") if config.pairing == "given" else DataRequirements()

    @property
    def players(self) -> dict[str, Player]:
        return {
            "generator": Player((self.generator,), self.config.generator_optimizer),
            "critic": Player((self.critic,), self.config.critic_optimizer),
        }

    def turns(self, batch: Batch, progress: float) -> Iterator[tuple[str, Losses]]:
        truth, source, valid = self._truth(batch), self._source(batch), batch.valid
        if isinstance(self.generator, CoarseToFine):
            self.generator.alone = progress < self.coarse_until  # a panel of this time would show an untrained part
        if isinstance(self.generator, CoarseToFine) and self.generator.alone:
            truth, source = F.avg_pool2d(truth, 2), F.avg_pool2d(source, 2)
            valid = -F.max_pool2d(-valid.float(), 2) > 0  # where all four pixels are
            fake = self.generator.coarse(source)
        else:
            fake = self.generator(source)
        real_pair, fake_pair = _joined(source, truth, valid), _joined(source, fake, valid)
        yield "critic", {"critic": self._critic_loss(real_pair, fake_pair.detach())}
        l1 = _l1(fake, truth, valid).mean()
        self.notes = {"l1": l1.detach()}
        yield "generator", {**self._deception(real_pair, fake_pair), "l1": self.config.l1_weight * l1}

    def _critic_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return half the cross-entropy, as the paper, or the least squares, which have that half already; summed over scales."""
        share = 0.5 if self.config.loss == "non_saturating" else 1.0
        answers = zip(self.critic(real), self.critic(fake), strict=True)
        return share * torch.stack([critic_loss(*pair, self.config.loss) for pair in answers]).sum()

    def _deception(self, real: Tensor, fake: Tensor) -> Losses:
        """Return the generator's adversarial loss and, by option, how its pairs differ to the eyes of the discriminators."""
        judged = self.critic.forward_with_features(fake)
        losses = {"generator": torch.stack([generator_loss(answers, self.config.loss) for _, answers in judged]).sum()}
        if self.config.feature_weight:
            with torch.no_grad():
                real_layers = [layer for layers, _ in self.critic.forward_with_features(real) for layer in layers]
            fake_layers = [layer for layers, _ in judged for layer in layers]
            gaps = [(real.float() - fake.float()).abs().mean() for real, fake in zip(real_layers, fake_layers, strict=True)]
            losses["features"] = self.config.feature_weight * torch.stack(gaps).sum()  # Wang et al., equation 4
        return losses

    def _truth(self, batch: Batch) -> Tensor:
        """Return what the generator should draw, (B, C, S, S) in [-1, 1].

        Raises
        ------
        BackendError : if it is the other frame of a pair and there is none.
        """
        if self.config.pairing != "given":
            return signed(batch.image)
        if batch.other is None:
            raise BackendError(
                "pairing 'given' wants a second frame beside each, got none; give pairs:PATH or set model.pairing=erase"
            )
        return signed(batch.other)

    def _source(self, batch: Batch, pattern: Tensor | None = None) -> Tensor:
        """Return what the generator draws from, (B, C, S, S) in [-1, 1]; `pattern` is what is erased, None for any."""
        image, config = batch.image, self.config
        if config.pairing == "erase":
            if pattern is None:
                pattern = random_patterns(len(batch), config.cells, config.groups, self.size, image.device)
            return signed(erase(image, pattern))
        if config.pairing == "grey":
            return signed(grey(image))
        return signed(blur(image, batch.valid, config.blur_share)) if config.pairing == "blur" else signed(image)

    def _patterns(self, batch: Batch) -> Tensor:
        """Return the pixels (N, 1, S, S) for which each of the generator's drawings answers when it scores; all, where N is 1."""
        if self.config.pairing != "erase":
            return torch.ones_like(batch.valid[:1])
        return fixed_patterns(self.config.cells, self.config.groups, self.size, batch.image.device)

    def reconstruct(self, batch: Batch) -> Tensor:
        """Return (B, C, S, S) in [0, 1]: frames restored, each pixel from where it was taken away; of pairs, the translation."""
        return sum(
            (pattern * unsigned(self.generator(self._source(batch, pattern))) for pattern in self._patterns(batch)),
            start=torch.zeros_like(batch.image),
        )

    @property
    def directions(self) -> tuple[str, ...]:
        return ("AtoB",)

    def translate(self, batch: Batch, direction: str = "AtoB") -> Tensor:
        """Return what the generator draws from the frames as they are, (B, C, S, S) in [0, 1]: grey ones get colours, ...

        Raises
        ------
        BackendError : for another direction; the way back is another run, with data.direction=BtoA.
        """
        check_direction(self, direction)
        return unsigned(self.generator(signed(batch.image)))

    def score(self, batch: Batch) -> Scores:
        """Score by the residual; the component "critic" is minus the discriminators' mean answer to the frames' true pairs."""
        truth, drawn = self._truth(batch), self.reconstruct(batch)
        scores = residual_scores(unsigned(truth), drawn, batch.valid, self.config.score)
        opinions = [self._opinion(_joined(self._source(batch, pattern), truth, batch.valid)) for pattern in self._patterns(batch)]
        components = {**scores.components, "critic": -torch.stack(opinions).mean(0)}
        return replace(scores, components=components)

    def _opinion(self, pair: Tensor) -> Tensor:
        """Return the mean over scales of the mean answer, (B,)."""
        return torch.stack([answers.float().flatten(1).mean(1) for answers in self.critic(pair)]).mean(0)

    def diagnose(self, batch: Batch) -> tuple[dict[str, float], str]:
        """Measure the note "l1" on validation frames, without dropout: it rises where training frames are learnt by heart."""
        if self.config.pairing == "given" and batch.other is None:
            return {}, ""
        return {"l1": float(_l1(signed(self.reconstruct(batch)), self._truth(batch), batch.valid).mean())}, ""


def _joined(source: Tensor, frame: Tensor, valid: Tensor) -> Tensor:
    """Return what the generator draws from and a frame, channels behind channels: (B, 2 C, S, S)."""
    return torch.cat([source, torch.where(valid, frame, -1.0)], 1)


def _l1(drawn: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
    """Return the mean absolute difference (B,) of the valid pixels of frames (B, C, S, S)."""
    return valid_mean((drawn.float() - truth).abs().mean(1, keepdim=True), valid)
