"""The only inference loop."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sized
from dataclasses import replace
from types import MappingProxyType
from typing import Annotated, NamedTuple, Protocol, Self

import torch
from lightning.fabric import Fabric
from pydantic import Field, model_validator
from torch import Tensor

from medgen.config import Settings
from medgen.contract.backend import Backend
from medgen.contract.capabilities import Classifies, Reconstructs, ReconstructsFeatures
from medgen.losses import valid_mean
from medgen.nn.features.feature_gaussian import COARSE, FeatureGaussian, pooled_all
from medgen.nn.features.feature_maps import LayerSettings, spread
from medgen.nn.features.perceptual import LARGEST, SMALLEST, perceptual_layers, perceptual_map
from medgen.nn.features.residual import mean_scores
from medgen.registry import require
from medgen.types import Batch, OnProgress, Progress, Scores, no_progress

Maps = list[tuple[Tensor, Tensor]]  # of features (B, c, h, w), and which of their places (B, 1, h, w) count


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
    feature_distance: bool = False  # one more part: how unusual the frame itself is to that extractor
    sides: tuple[
        Annotated[int, Field(ge=SMALLEST, le=LARGEST)], ...
    ] = ()  # at which these two look at frames; () the frames' own
    feature_map: bool = False  # the map shows where what that extractor sees of frame and reconstruction differs most
    flips: bool = False  # the mean over a frame and its mirror image
    fuse: tuple[
        str, ...
    ] = ()  # parts of which the score is the mean surprise (metrics/fusion.py), "*" for all; () the backend's own

    @model_validator(mode="after")
    def _sides_are_looked_at(self) -> Self:
        if self.sides and not self.distances:
            raise ValueError("sides are of residual_distance and feature_distance; set one of them to true, or leave sides away")
        if self.feature_map and not self.residual_distance:
            raise ValueError("feature_map draws what residual_distance measures; set scoring.residual_distance to true, too")
        return self

    @property
    def distances(self) -> bool:
        """Whether a part asks how far from the usual something is."""
        return self.residual_distance or self.feature_distance


class Scorer:
    """A backend's scores of a batch with what the settings add to them.

    Parameters
    ----------
    model : in evaluation mode
    settings : what is added
    normal_reference : of each part that is a distance, what training frames are like

    Raises
    ------
    BackendError, ConfigError, MedgenError : if the backend reconstructs nothing to compare, or there is no such extractor.
    """

    def __init__(
        self, model: Backend, settings: ScoringSettings, normal_reference: Mapping[str, FeatureGaussian] = MappingProxyType({})
    ) -> None:
        self.model, self.settings, self.normal_reference = model, settings, normal_reference
        self._drawn_of: tuple[Batch, Tensor] | None = None  # the last reconstructions, and what they are of
        compares = settings.residual_distance and not isinstance(
            model, ReconstructsFeatures
        )  # by this net, not by one of the backend's
        if settings.perceptual or compares:
            require(model, Reconstructs)
        extractor = settings.perceptual or LayerSettings().extractor
        if settings.perceptual:
            self.layers = perceptual_layers(model.size, extractor)
        sides = (settings.sides or (model.size,)) if settings.feature_distance or compares else ()
        self.coarse = [perceptual_layers(side, extractor, COARSE) for side in sides]

    def __call__(self, batch: Batch) -> Scores:
        scores = self._once(batch)
        if not self.settings.flips:
            return scores
        other = self._once(replace(batch, image=batch.image.flip(3), valid=batch.valid.flip(3)))
        return mean_scores([scores, replace(other, map=None if other.map is None else other.map.flip(3))])

    def _once(self, batch: Batch) -> Scores:
        scores = self.model.score(batch)
        components = dict(scores.components)
        if self.settings.perceptual:
            components["perceptual"] = valid_mean(
                perceptual_map(self.layers, batch.image, self.drawn(batch), batch.valid), batch.valid
            )
        if not self.normal_reference:
            return replace(scores, components=components)
        seen = self._seen(batch)
        components |= {name: self.normal_reference[name].distance(pooled_all(maps)) for name, maps in seen.items()}
        localised = self._localised(seen["residual_distance"], batch) if self.settings.feature_map else scores.map
        return replace(scores, components=components, map=localised)

    def pooled(self, batch: Batch) -> dict[str, list[Tensor]]:
        """Return what each part that is a distance looks at: (B, c) for each map and statistic."""
        return {name: pooled_all(maps) for name, maps in self._seen(batch).items()}

    def _seen(self, batch: Batch) -> dict[str, Maps]:
        """Return the maps behind each part that is a distance."""
        found: dict[str, Maps] = {}
        real = [maps for net in self.coarse for maps in net.maps(batch.image, batch.valid)]
        if self.settings.feature_distance:
            found["feature_distance"] = real
        if self.settings.residual_distance:
            found["residual_distance"] = self._away(batch, real)
        return found

    def _localised(self, residual: Maps, batch: Batch) -> Tensor:
        """Return the map (B, 1, S, S): the length of the difference on the coarsest map, the mean over the sizes looked at.

        Finer maps see too little of a frame to tell a finding from a fold.
        """
        strides = len(residual) if isinstance(self.model, ReconstructsFeatures) else len(COARSE)
        lengths = [(maps * counts).norm(dim=1, keepdim=True) for maps, counts in residual[strides - 1 :: strides]]
        return torch.stack([spread(length, self.model.size) for length in lengths]).mean(0) * batch.valid

    def _away(self, batch: Batch, real: Maps) -> Maps:
        """Return what each map of features differs in between frames and reconstructions, and which places of it count."""
        if isinstance(self.model, ReconstructsFeatures):
            return self.model.feature_residual(batch)
        drawn = self.drawn(batch)
        fake = [maps for net in self.coarse for maps in net.maps(drawn, batch.valid)]
        return [(one - other, counts) for (one, counts), (other, _) in zip(real, fake, strict=True)]

    def drawn(self, batch: Batch) -> Tensor:
        """Return the reconstructions (B, C, S, S) in [0, 1]; those of the batch that was seen last are at hand."""
        if self._drawn_of is None or self._drawn_of[0] is not batch:
            self._drawn_of = batch, self.model.reconstruct(batch).clamp(0, 1)  # type: ignore[operator]
        return self._drawn_of[1]


PLAIN = ScoringSettings()


def score_batches(
    model: Backend,
    batches: Batches,
    fabric: Fabric,
    task: str = "score",
    on_progress: OnProgress = no_progress,
    scores_alone: bool = False,
    settings: ScoringSettings = PLAIN,
    normal_reference: Mapping[str, FeatureGaussian] = MappingProxyType({}),
) -> Iterator[Scored]:
    """Yield the scores of each batch and, but for `scores_alone`, what else the backend makes of it: reconstruction, classes.

    Always in float32, so that a score does not depend on the hardware's favourite precision.
    """
    model.to(fabric.device).to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    scorer = Scorer(model, settings, normal_reference)
    total = len(batches)
    for done, batch in enumerate(batches, start=1):
        with torch.inference_mode():
            moved = batch.to(fabric.device)
            scores = scorer(moved)
            drawn: Tensor | None = None
            told: Mapping[str, Tensor] = {}
            if isinstance(model, Reconstructs) and not scores_alone:
                drawn = scorer.drawn(moved).cpu()
            if isinstance(model, Classifies) and not scores_alone:
                told = model.classify(moved)
            local = Scores(
                scores.score.float().cpu(),
                None if scores.map is None else scores.map.float().cpu(),
                {name: part.float().cpu() for name, part in scores.components.items()},
            )
        yield Scored(batch, local, drawn, {name: chances.argmax(1).cpu() for name, chances in told.items()})
        on_progress(Progress(task, done, total))
