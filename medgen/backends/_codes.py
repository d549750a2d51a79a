"""What backends of discrete codes share: how they train, draw, score and are diagnosed, over the codebooks and the prior.

Shape letters: K codes, D their width, h and w sides of a grid of codes. Levels are listed from the coarsest grid to the finest.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from medgen.config import Settings
from medgen.contract.backend import Backend, Losses, Stage
from medgen.errors import BackendError
from medgen.losses import smooth, valid_mean
from medgen.nn.codes.code_prior import CodePrior, PriorSettings
from medgen.nn.codes.quantizer import Quantized, Quantizer, QuantizerSettings, perplexity
from medgen.nn.features.pixel_loss import PixelLoss, PixelResidual
from medgen.nn.features.residual import ResidualSettings, residual_scores, top_mean
from medgen.types import Batch, DataRequirements, Scores

COLLAPSED = 0.02  # share of the codes below which a perplexity means that the codebook is out of use
AT_ONCE = 128  # frames drawn at a time: what the prior keeps of its layers grows with it
LEVEL_NAMES = {1: ("",), 2: ("_top", "_bottom"), 3: ("_top", "_middle", "_bottom")}


class CodeSettings(Settings):
    """Settings that all models of discrete codes have."""

    quantizer: QuantizerSettings = QuantizerSettings()
    prior: PriorSettings = PriorSettings()
    classes: tuple[str, ...] = ()  # of the training frames; the run fills it in
    loss: PixelLoss = "squared_error"  # of the reconstruction, each the mean over valid pixels
    reconstruction_weight: float = Field(
        10.0, gt=0
    )  # the paper divides by the frames' variance: 0.05 to 0.1 for most photographs
    temperature: float = Field(1.0, gt=0)  # of the prior when it draws: below 1 the likely codes come oftener
    rejection: float = Field(
        1.0, gt=0, le=1
    )  # share of drawn frames that `sample` keeps: those that survive a reconstruction best
    score: ResidualSettings = ResidualSettings()


class CodeModel(Backend):
    """What a model of discrete codes does with them; a subclass says how an image becomes codes and codes an image.

    Attributes
    ----------
    stride : pixels under a code of the coarsest level; images are padded to a multiple of it
    quantizers : one a level
    grids : (h, w) of each level
    prior : None where `prior.share` is 0
    """

    divides = True
    config: CodeSettings
    stride: int
    quantizers: Sequence[Quantizer]
    prior: CodePrior | None
    residual: PixelResidual

    @abstractmethod
    def encode(self, image: Tensor) -> list[Quantized]:
        """Return what the quantiser of each level makes of images (B, C, S, S)."""

    @abstractmethod
    def draw(self, vectors: Sequence[Tensor]) -> Tensor:
        """Return images (B, C, S, S), not held to [0, 1], of the codes' vectors (B, D, h, w) of each level."""

    def autoencode(self, image: Tensor) -> tuple[Tensor, list[Quantized]]:
        """Return the image drawn anew, not held to [0, 1], and what it was drawn from."""
        levels = self.encode(image)
        return self.draw([level.vectors for level in levels]), levels

    def make_prior(self, strides: Sequence[int]) -> CodePrior | None:
        """Return a fresh prior over grids with so many pixels under a code, or None where the settings want none."""
        self.residual = PixelResidual(self.config.loss, self.size)
        settings, padded = self.config.prior, math.ceil(self.size / self.stride) * self.stride
        self.grids = [(padded // stride, padded // stride) for stride in strides]
        return CodePrior(settings, self.config.quantizer.codes, self.grids, len(self.classes)) if settings.share else None

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes that the prior tells apart, () for a prior without."""
        return self.config.classes if self.requirements(self.config).classes else ()

    @classmethod
    def requirements(cls, config: Settings) -> DataRequirements:
        assert isinstance(config, CodeSettings)
        return DataRequirements(classes=config.prior.conditional and config.prior.share > 0)

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The training of the autoencoder, and after it that of the prior, where there is one."""
        share = self.config.prior.share
        return (Stage(1 - share, "reconstruction"), Stage(1.0, "loss")) if share else (Stage(1.0, "reconstruction"),)

    def turns(self, batch: Batch, progress: float) -> Iterator[tuple[str, Losses]]:
        """Yield the autoencoder's losses, and in the last stage the prior's: mean nats a code."""
        if self.prior is not None and progress >= self.stages[0].until:
            codes = self.codes(batch.image)
            self._note(codes)
            yield "prior", {"code_nll": _mean_nats(self.prior.nll(codes, batch.finding)).mean()}
            return
        drawn, levels = self.autoencode(batch.image)
        error = self.residual(drawn, batch.image, batch.valid)  # (B, 1, S, S)
        losses = {"reconstruction": self.config.reconstruction_weight * valid_mean(error, batch.valid).mean()}
        losses |= {name: torch.stack([level.losses[name] for level in levels]).sum() for name in levels[0].losses}
        self._note([level.codes for level in levels])
        yield "vqvae", losses

    @property
    def codebooks(self) -> dict[str, int]:
        """The number of codes of each level."""
        return {f"codes{name}".replace("_", " "): self.config.quantizer.codes for name in LEVEL_NAMES[len(self.quantizers)]}

    def _note(self, codes: Sequence[Tensor]) -> None:
        used = {f"perplexity{name}": level for name, level in zip(LEVEL_NAMES[len(codes)], codes, strict=True)}
        self.notes = {name: perplexity(level, self.config.quantizer.codes) for name, level in used.items()}

    @torch.no_grad()
    def codes(self, image: Tensor) -> list[Tensor]:
        """Return the codes (B, h, w) of each level; always in float32, so that the prior learns the codes that scoring sees."""
        with torch.autocast(image.device.type, enabled=False):
            return [level.codes for level in self.encode(image)]

    def decode_codes(self, codes: Sequence[Tensor]) -> Tensor:
        """Return images (B, C, S, S) in [0, 1] of the codes (B, h, w) of each level."""
        return self.draw([table.lookup(level) for table, level in zip(self.quantizers, codes, strict=True)]).float().clamp(0, 1)

    def reconstruct(self, batch: Batch) -> Tensor:
        """Return (B, C, S, S) in [0, 1], drawn from the nearest codes."""
        return self.autoencode(batch.image)[0].float().clamp(0, 1)

    def embed(self, batch: Batch) -> Tensor:
        """Return the mean vector of the codes, level behind level, (B, levels * D)."""
        return torch.cat([level.vectors.mean((2, 3)) for level in self.encode(batch.image)], 1)

    def sample(self, n: int, label: int | None = None) -> Tensor:
        """Return (n, C, S, S) in [0, 1], drawn from the prior; from uniform codes where there is none.

        With `rejection` below 1 more are drawn, and those kept that change least when they are encoded and decoded again
        (Razavi et al. 2019, section 3.4, keep what a classifier is sure of; this needs none).

        Raises
        ------
        BackendError : if a label is given and there is no such class.
        """
        if label is not None and not 0 <= label < len(self.classes):
            raise BackendError(
                f"got label {label}, but this model knows {len(self.classes)} classes; train with prior.conditional"
            )
        draws = math.ceil(n / self.config.rejection)
        drawn = self.draw_all(draws, label)
        if draws == n:
            return drawn
        changes = [self.changes(part) for part in drawn.split(AT_ONCE)]
        return drawn[torch.cat(changes).topk(n, largest=False).indices.sort().values]  # in the order they came

    def draw_all(self, n: int, label: int | None = None) -> Tensor:
        """Return (n, C, S, S) in [0, 1] as `sample` does, none of them left out."""
        return self._in_parts(n, lambda count: self.decode_codes(self._draw_codes(count, label)))

    def changes(self, image: Tensor) -> Tensor:
        """Return how much images (B, C, S, S) change when they are encoded and decoded again: mean squared difference, (B,)."""
        return (self.autoencode(image)[0].float().clamp(0, 1) - image).square().flatten(1).mean(1)

    def sample_uniform(self, n: int) -> Tensor:
        """Return (n, C, S, S) in [0, 1] of codes that are all equally likely: what a prior has to beat."""
        return self._in_parts(n, lambda count: self.decode_codes(self._uniform(count)))

    @staticmethod
    def _in_parts(n: int, draw: Callable[[int], Tensor]) -> Tensor:
        return torch.cat([draw(min(AT_ONCE, n - start)) for start in range(0, n, AT_ONCE)])

    def _draw_codes(self, n: int, label: int | None) -> list[Tensor]:
        return self._uniform(n) if self.prior is None else self.prior.sample(n, label, self.config.temperature)

    def _uniform(self, n: int) -> list[Tensor]:
        device = self.quantizers[0].codebook.device
        return [torch.randint(self.config.quantizer.codes, (n, *grid), device=device) for grid in self.grids]

    def score(self, batch: Batch) -> Scores:
        """Score by the residual; a prior adds the component "code_nll", nats a code, which `prior.map` can make the score."""
        drawn, levels = self.autoencode(batch.image)
        scores = residual_scores(batch.image, drawn.float().clamp(0, 1), batch.valid, self.config.score)
        if self.prior is None:
            return scores
        nll = self.prior.best_nll([level.codes for level in levels], batch.finding)
        components = {**scores.components, "code_nll": _mean_nats(nll)}
        if self.config.prior.map == "residual":
            return replace(scores, components=components)
        settings, valid = self.config.score, batch.valid
        chosen = smooth(self._nll_map(nll), valid, settings.sigma * self.size / 96)
        if self.config.prior.map == "product" and scores.map is not None:
            chosen = chosen * scores.map
        return Scores(top_mean(chosen, valid, settings.share), chosen, components, scores.reconstruction)

    def _nll_map(self, nll: Sequence[Tensor]) -> Tensor:
        """Return the nats of the codes over each pixel, summed over levels, (B, 1, S, S)."""
        padded = math.ceil(self.size / self.stride) * self.stride
        levels = [F.interpolate(level[:, None], size=(padded, padded)) for level in nll]  # (B, 1, padded, padded)
        return torch.stack(levels).sum(0)[:, :, : self.size, : self.size]  # (B, 1, S, S)

    def diagnose(self, batch: Batch) -> tuple[dict[str, float], str]:
        """Measure how many codes of each level are in use, at all and by perplexity, and warn of a collapsed codebook."""
        codes, total, numbers, warnings = self.codes(batch.image), self.config.quantizer.codes, {}, []
        for name, level in zip(LEVEL_NAMES[len(codes)], codes, strict=True):
            numbers[f"perplexity{name}"] = float(perplexity(level, total))
            numbers[f"codes_used{name}"] = len(level.unique())
            if level.numel() > 1 and numbers[f"perplexity{name}"] < max(1.5, COLLAPSED * min(total, level.numel())):
                warnings.append(f"{numbers[f'codes_used{name}']} of {total} codes{name.replace('_', ' at the ')} are in use")
        advice = "try --set model.quantizer.revive_after=100, model.quantizer.ema=true or a lower learning rate"
        return numbers, f"codebook collapse: {' and '.join(warnings)}; if it lasts, {advice}" if warnings else ""


def _mean_nats(nll: Sequence[Tensor]) -> Tensor:
    """Return the mean over the codes of all levels (B, h, w), (B,)."""
    return torch.cat([level.flatten(1) for level in nll], 1).mean(1)


def pad(image: Tensor, stride: int) -> Tensor:
    """Repeat the last row and column of (B, C, H, W) until `stride` divides its sides."""
    return F.pad(image, (0, -image.shape[3] % stride, 0, -image.shape[2] % stride), mode="replicate")
