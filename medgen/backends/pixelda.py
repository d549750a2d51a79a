"""PixelDA: carries a classifier from labelled frames of one domain to another domain, none of whose labels it reads.

Source: Bousmalis et al. 2017, "Unsupervised Pixel-Level Domain Adaptation with Generative Adversarial Networks",
https://arxiv.org/abs/1612.05424. Anomaly score: minus the logarithm of the probability that the adapted classifier gives the
normal classes together; where no class is abnormal, how undecided it is between them.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Literal, Self

from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from medgen import ranks
from medgen.backends._gan import signed, unsigned
from medgen.config import Settings
from medgen.contract.backend import Backend, Losses, Optimizer, Player, check_direction
from medgen.errors import BackendError, did_you_mean
from medgen.losses import critic_loss, generator_loss
from medgen.nn.translation.pixelda_nets import (
    DigitClassifier,
    Discriminator,
    Generator,
    ResidualClassifier,
    pairwise_squared_error,
)
from medgen.types import Batch, DataRequirements, Scores

DIGITS = 32  # side in pixels up to which frames are taken for digits
UNKNOWN = -1  # in `Batch.finding`: none of the classes


class Config(Settings):
    """Settings of PixelDA; the weights are those of MNIST to MNIST-M. With ten classes of digits at 32 x 32 x 3: 359,290 weights
    in each classifier."""

    classes: tuple[str, ...] = ()  # of the labelled frames; taken from the training frames where none are given
    normal_classes: tuple[str, ...] = ()  # those among them that are normal; () or all of them: nothing is abnormal
    classifier: Literal["auto", "digits", "residual"] = "auto"  # auto: digits up to 32 pixels, else residual
    latents: int = Field(10, ge=1)  # numbers of noise, uniform in [-1, 1]
    width: int = Field(64, ge=1)  # of the generator
    blocks: int = Field(6, ge=0)  # of the generator
    discriminator_width: int = Field(64, ge=1)
    noise: float = Field(0.2, ge=0)  # standard deviation of what is added behind each layer of the discriminator
    dropout: float = Field(0.1, ge=0, lt=1)  # there too
    discriminator_weight: float = Field(0.13, ge=0)  # of its loss, beside a classifier's of 1
    generator_weight: float = Field(0.011, ge=0)  # of the adversarial loss in the generator's step
    task_weight: float = Field(0.01, ge=0)  # of the classifier's loss in the generator's step
    content_weight: float = Field(0.0, ge=0)  # of keeping a frame's contrasts, in the generator's step
    content_mask: Literal["valid", "bright"] = "valid"  # where: all valid pixels, or the bright ones among them, as of a digit
    bright_from: float = Field(0.5, ge=0, le=1)  # mean of the channels in [0, 1]
    optimizer: Optimizer = Optimizer(lr=1e-3, betas=(0.5, 0.999), weight_decay=1e-5, decay_every=20_000)  # of every player

    @model_validator(mode="after")
    def _normal_classes_are_classes(self) -> Self:
        unknown = sorted(set(self.normal_classes) - set(self.classes))
        if self.classes and unknown:
            raise ValueError(f"normal_classes has '{unknown[0]}', which is no class; {did_you_mean(unknown[0], self.classes)}")
        return self


class Model(Backend):
    """Domain A are the labelled frames, `Batch.image`; domain B the unlabelled ones, `Batch.other`.

    The classifier moves with the discriminator, as in the source's first step. The second classifier starts from the same
    weights, sees frames of A alone and shows what the adaptation is worth; the components "adapted" and "source_only" of a score
    are the two classifiers', "uncertainty" is the entropy of the adapted one in nats. Notes: share of the frames of A that the
    adapted classifier tells right, as they are ("accuracy_source") and in the look of B ("accuracy_adapted").
    """

    monitor = ""
    divides = True
    directions: tuple[str, ...] = ("AtoB",)
    config: Config

    def __init__(self, config: Config, size: int, channels: int) -> None:
        super().__init__(config, size, channels)
        self.generator = Generator(size, channels, config.latents, config.width, config.blocks)
        self.discriminator = Discriminator(size, channels, config.discriminator_width, config.noise, config.dropout)
        self.classifier = self.fresh_classifier()
        self.source_only = deepcopy(self.classifier)

    def fresh_classifier(self) -> nn.Module:
        """Return a classifier like both of the model's own, with fresh weights: (B, C, S, S) in [-1, 1] to logits (B, K)."""
        kind, classes = self.config.classifier, max(1, len(self.config.classes))
        if kind == "digits" or (kind == "auto" and self.size <= DIGITS):
            return DigitClassifier(self.size, self.channels, classes)
        return ResidualClassifier(self.channels, classes)

    @classmethod
    def requirements(cls, config: Settings) -> DataRequirements:
        return DataRequirements(classes=True, other="pool", abnormal=True)

    @property
    def classes(self) -> tuple[str, ...]:
        return self.config.classes

    @property
    def players(self) -> dict[str, Player]:
        return {
            "discriminator": Player((self.discriminator, self.classifier), self.config.optimizer),
            "generator": Player((self.generator,), self.config.optimizer),
            "source_only": Player((self.source_only,), self.config.optimizer),
        }

    def turns(self, batch: Batch, progress: float) -> Iterator[tuple[str, Losses]]:
        """Yield the turns of the discriminator, the generator and the classifier of frames of A alone.

        Raises
        ------
        BackendError : if the batch has no classes of frames of A, or no frames of B.
        """
        if batch.finding is None or batch.other is None:
            missing = (
                "classes of its frames (Batch.finding)" if batch.finding is None else "frames of a second domain (Batch.other)"
            )
            raise BackendError(
                f"pixelda got a batch without {missing}; train it on labelled frames beside a pool of unlabelled ones"
            )
        source, target, finding = signed(batch.image), signed(batch.other), batch.finding
        noise = 2 * ranks.rand((len(source), self.config.latents), source.device) - 1  # (B, Z)
        adapted = self.generator(source, noise)
        yield "discriminator", self._discriminator_losses(source, adapted.detach(), target, finding)
        yield "generator", self._generator_losses(batch, source, adapted, finding)
        yield "source_only", {"source_only": task_loss(self.source_only(source), finding)}

    def _discriminator_losses(self, source: Tensor, adapted: Tensor, target: Tensor, finding: Tensor) -> Losses:
        """Return the losses of the discriminator, and of the classifier on frames as they are and in the look of B."""
        judged = critic_loss(self.discriminator(target), self.discriminator(adapted), "non_saturating")
        on_source, on_adapted = self.classifier(source), self.classifier(adapted)
        self.notes = {"accuracy_adapted": accuracy(on_adapted, finding), "accuracy_source": accuracy(on_source, finding)}
        return {
            "discriminator": self.config.discriminator_weight * judged,
            "task_source": task_loss(on_source, finding),
            "task_adapted": task_loss(on_adapted, finding),
        }

    def _generator_losses(self, batch: Batch, source: Tensor, adapted: Tensor, finding: Tensor) -> Losses:
        config = self.config
        losses = {
            "generator": config.generator_weight * generator_loss(self.discriminator(adapted), "non_saturating"),
            "task_generator": config.task_weight * task_loss(self.classifier(adapted), finding),
        }
        if config.content_weight:
            bright = batch.image.mean(1, keepdim=True) > config.bright_from  # (B, 1, S, S)
            mask = batch.valid & bright if config.content_mask == "bright" else batch.valid
            losses["content"] = config.content_weight * pairwise_squared_error(adapted, source, mask).mean()
        return losses

    def translate(self, batch: Batch, direction: str = "AtoB") -> Tensor:
        """Return frames of A in the look of B, (B, C, S, S) in [0, 1], all drawn with the noise 0.

        Raises
        ------
        BackendError : if there is no such direction.
        """
        check_direction(self, direction)
        return unsigned(self.generator(signed(batch.image), batch.image.new_zeros(len(batch), self.config.latents)))

    def classify(self, batch: Batch) -> dict[str, Tensor]:
        """Return the probability of each class, (B, K), by the adapted classifier and by that of frames of A alone."""
        image = signed(batch.image)
        return {
            "adapted": self.classifier(image).float().softmax(1),
            "source only": self.source_only(image).float().softmax(1),
        }

    def score(self, batch: Batch) -> Scores:
        image = signed(batch.image)
        adapted, source_only = (net(image).float().log_softmax(1) for net in (self.classifier, self.source_only))  # (B, K)
        score = self._abnormality(adapted)
        components = {"adapted": score, "source_only": self._abnormality(source_only), "uncertainty": entropy(adapted)}
        return Scores(score, None, components)

    def _abnormality(self, logs: Tensor) -> Tensor:
        """Return the anomaly score (B,) of log-probabilities (B, K)."""
        normal = [index for index, name in enumerate(self.classes) if name in self.config.normal_classes]
        return -logs[:, normal].logsumexp(1) if 0 < len(normal) < len(self.classes) else entropy(logs)


def task_loss(logits: Tensor, finding: Tensor) -> Tensor:
    """Return the mean cross-entropy of (B, K) in nats over the frames whose class (B,) is known; 0 where none is."""
    total = F.cross_entropy(logits.float(), finding, ignore_index=UNKNOWN, reduction="sum")
    return total / _known(finding)


def accuracy(logits: Tensor, finding: Tensor) -> Tensor:
    """Return the share of the frames whose class (B,) is known that the logits (B, K) tell right; 0 where none is."""
    return (logits.argmax(1) == finding).sum() / _known(finding)  # argmax is never UNKNOWN


def _known(finding: Tensor) -> Tensor:
    """Return the number of frames whose class (B,) is known, at least 1; the mean of it over ranks."""
    return ranks.total((finding != UNKNOWN).sum()).clamp_min(1) / ranks.count()


def entropy(logs: Tensor) -> Tensor:
    """Return the entropy (B,) of log-probabilities (B, K), in nats."""
    return -(logs.exp() * logs).sum(1)
