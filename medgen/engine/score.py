"""The only inference loop."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sized
from dataclasses import replace
from typing import NamedTuple, Protocol

import torch
from lightning.fabric import Fabric
from torch import Tensor

from medgen.backends._base import Backend, require
from medgen.backends._capabilities import Classifies, Reconstructs
from medgen.config import Settings
from medgen.losses import valid_mean
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
    flips: bool = False  # the mean over a frame and its mirror image
    fuse: tuple[
        str, ...
    ] = ()  # parts of which the score is the mean surprise (metrics/fusion.py), "*" for all; () the backend's own


class Scorer:
    """A backend's scores of a batch with what the settings add to them.

    Raises
    ------
    BackendError, MedgenError : if the backend reconstructs nothing to compare, or there is no such extractor.
    """

    def __init__(self, model: Backend, settings: ScoringSettings) -> None:
        self.model, self.settings = model, settings
        if settings.perceptual:
            require(model, "reconstruct")
            self.layers = perceptual_layers(model.size, settings.perceptual)

    def __call__(self, batch: Batch) -> Scores:
        scores = self._once(batch)
        if not self.settings.flips:
            return scores
        other = self._once(replace(batch, image=batch.image.flip(3), valid=batch.valid.flip(3)))
        return mean_scores([scores, replace(other, map=None if other.map is None else other.map.flip(3))])

    def _once(self, batch: Batch) -> Scores:
        scores = self.model.score(batch)
        if not self.settings.perceptual:
            return scores
        drawn = self.model.reconstruct(batch).clamp(0, 1)  # type: ignore[operator]
        seen = perceptual_map(self.layers, batch.image, drawn, batch.valid)
        return replace(scores, parts={**scores.parts, "perceptual": valid_mean(seen, batch.valid)})


PLAIN = ScoringSettings()


def score_batches(
    model: Backend,
    batches: Batches,
    fabric: Fabric,
    task: str = "score",
    on_progress: OnProgress = silent,
    scores_alone: bool = False,
    settings: ScoringSettings = PLAIN,
) -> Iterator[Scored]:
    """Yield the scores of each batch and, but for `scores_alone`, what else the backend makes of it: reconstruction, classes.

    Always in float32, so that a score does not depend on the hardware's favourite precision.
    """
    model.to(fabric.device).eval()
    scorer = Scorer(model, settings)
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
