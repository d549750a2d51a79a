"""The only inference loop."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sized
from dataclasses import replace
from typing import NamedTuple, Protocol

import torch
from lightning.fabric import Fabric
from torch import Tensor

from medgen.backends._base import Backend, require
from medgen.backends._capabilities import Classifies, Contrasts, Reconstructs
from medgen.config import Settings
from medgen.errors import ConfigError
from medgen.losses import valid_mean
from medgen.nn.contrast import COARSE, Contrast, pooled_all
from medgen.nn.perceptual import perceptual_layers, perceptual_map
from medgen.nn.residual import mean_scores
from medgen.types import Batch, OnProgress, Progress, Scores, silent


class Batches(Sized, Iterable[Batch], Protocol):
    """Batches that can be counted."""


class Scored(NamedTuple):
    """What is known of a batch, on the CPU; reconstruction is (B, C, S, S) or None, classes (B,) places by classifier or {}."""

    batch: Batch
    scores: Scores
    reconstruction: Tensor | None
    classes: Mapping[str, Tensor]


class ScoringSettings(Settings):
    """What a score is made of besides what the backend says."""

    perceptual: str = ""  # extractor ("efficientnet-lite0") by which frame and reconstruction are compared, as one more part
    residual_distance: bool = False  # one more part: how unusual it is what they differ in (nn/contrast.py)
    flips: bool = False  # the mean over a frame and its mirror image
    fuse: tuple[
        str, ...
    ] = ()  # parts of which the score is the mean surprise (metrics/fusion.py), "*" for all; () the backend's own


class Scorer:
    """A backend's scores of a batch with what the settings add to them.

    Parameters
    ----------
    model : in evaluation mode
    settings : what is added
    usual : what training frames differ in from their reconstructions, where the settings ask for the distance from it

    Raises
    ------
    BackendError, ConfigError, MedgenError : if the backend reconstructs nothing to compare, or there is no such extractor.
    """

    def __init__(self, model: Backend, settings: ScoringSettings, usual: Contrast | None = None) -> None:
        self.model, self.settings, self.usual = model, settings, usual
        if settings.perceptual:
            require(model, "reconstruct")
            self.layers = perceptual_layers(model.size, settings.perceptual)
        if settings.residual_distance and not isinstance(model, Contrasts):
            if not settings.perceptual:
                raise ConfigError('scoring.residual_distance compares features; say of which net with scoring.perceptual="NAME"')
            self.coarse = perceptual_layers(model.size, settings.perceptual, COARSE)

    def __call__(self, batch: Batch) -> Scores:
        scores = self._once(batch)
        if not self.settings.flips:
            return scores
        other = self._once(replace(batch, image=batch.image.flip(3), valid=batch.valid.flip(3)))
        return mean_scores([scores, replace(other, map=None if other.map is None else other.map.flip(3))])

    def _once(self, batch: Batch) -> Scores:
        scores = self.model.score(batch)
        parts, drawn = dict(scores.parts), None
        if self.settings.perceptual:
            drawn = self._drawn(batch)
            parts["perceptual"] = valid_mean(perceptual_map(self.layers, batch.image, drawn, batch.valid), batch.valid)
        if self.usual is not None:
            parts["residual_distance"] = self.usual.distance(self.contrast(batch, drawn))
        return replace(scores, parts=parts)

    def contrast(self, batch: Batch, drawn: Tensor | None = None) -> list[Tensor]:
        """Return what features of frames and reconstructions differ in, pooled: (B, c) for each map and statistic.

        `drawn` are the reconstructions (B, C, S, S), where they are known already.
        """
        if isinstance(self.model, Contrasts):
            return pooled_all(self.model.contrast(batch))
        real, fake = (
            self.coarse.maps(some, batch.valid) for some in (batch.image, self._drawn(batch) if drawn is None else drawn)
        )
        return pooled_all([(one - other, counts) for (one, counts), (other, _) in zip(real, fake, strict=True)])

    def _drawn(self, batch: Batch) -> Tensor:
        return self.model.reconstruct(batch).clamp(0, 1)  # type: ignore[no-any-return, operator]


PLAIN = ScoringSettings()


def score_batches(
    model: Backend,
    batches: Batches,
    fabric: Fabric,
    task: str = "score",
    on_progress: OnProgress = silent,
    scores_alone: bool = False,
    settings: ScoringSettings = PLAIN,
    usual: Contrast | None = None,
) -> Iterator[Scored]:
    """Yield the scores of each batch and, but for `scores_alone`, what else the backend makes of it: reconstruction, classes.

    Always in float32, so that a score does not depend on the hardware's favourite precision.
    """
    model.to(fabric.device).eval()
    scorer = Scorer(model, settings, usual)
    total = len(batches)
    for done, batch in enumerate(batches, start=1):
        with torch.inference_mode():
            moved = batch.to(fabric.device)
            scores = scorer(moved)
            drawn: Tensor | None = None
            told: Mapping[str, Tensor] = {}
            if isinstance(model, Reconstructs) and not scores_alone:
                drawn = model.reconstruct(moved).clamp(0, 1).cpu()
            if isinstance(model, Classifies) and not scores_alone:
                told = model.classify(moved)
            local = Scores(
                scores.score.float().cpu(),
                None if scores.map is None else scores.map.float().cpu(),
                {name: part.float().cpu() for name, part in scores.parts.items()},
            )
        yield Scored(batch, local, drawn, {name: chances.argmax(1).cpu() for name, chances in told.items()})
        on_progress(Progress(task, done, total))
