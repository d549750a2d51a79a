"""The only inference loop: batches come in, and scores, maps, reconstructions and classes of their frames go out.

A run's score is its backend's, with the components that the settings add (`score_components.py`). What normal training frames
are like, where a component compares with them, is fitted by who calibrates the run, and handed in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sized
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from medgen.contract.backend import Backend
from medgen.contract.capabilities import Classifies, Reconstructs
from medgen.engine.ahead import ahead
from medgen.engine.device import move_model
from medgen.engine.fixed_shape import in_fixed_shape
from medgen.engine.runtime import Engine
from medgen.engine.score_components import (
    COMPONENTS,
    NOTHING_ADDED,
    DirectComponent,
    DistanceComponent,
    ResidualDistance,
    ScoredFrames,
    ScoringSettings,
)
from medgen.nn.features.feature_gaussian import FeatureGaussian, pooled_all
from medgen.nn.features.feature_maps import FeatureMap
from medgen.nn.features.residual import mean_scores
from medgen.types import Batch, OnProgress, Progress, Scores, no_progress


class Batches(Sized, Iterable[Batch], Protocol):
    """Batches that can be counted."""


class Scored(NamedTuple):
    """What is known of a batch, on the CPU.

    Attributes
    ----------
    batch : the frames
    scores : of the frames
    reconstruction : (B, C, S, S) in [0, 1]; None where the backend makes none or none was asked for
    classes : by classifier, (B,) int64, the likeliest class as its index in the backend's classes; {} for a backend without
    """

    batch: Batch
    scores: Scores
    reconstruction: Tensor | None
    classes: Mapping[str, Tensor]


class Scorer:
    """A backend's scores of a batch with the components that the settings add to them.

    Parameters
    ----------
    model : in evaluation mode
    settings : what is added
    normal_reference : what normal training frames are like, for each component that is a distance from them; without it those
        components are left out

    Raises
    ------
    BackendError : if the backend lacks what a component needs.
    ConfigError, MedgenError : if there is no such extractor, or its weights are not on this machine.
    """

    def __init__(
        self, model: Backend, settings: ScoringSettings, normal_reference: Mapping[str, FeatureGaussian] = MappingProxyType({})
    ) -> None:
        self.model, self.settings, self.normal_reference = model, settings, normal_reference
        components = {name: kind(model, settings) for name, kind in COMPONENTS.items() if getattr(settings, name)}
        self.direct = {name: part for name, part in components.items() if isinstance(part, DirectComponent)}
        self.distances = {name: part for name, part in components.items() if isinstance(part, DistanceComponent)}
        self._frames: ScoredFrames | None = None  # of the batch that was scored last

    def __call__(self, batch: Batch) -> Scores:
        """Score frames on the model's device."""
        scores = self._score(batch)
        if not self.settings.flips:
            return scores
        other = None if batch.other is None else batch.other.flip(3)  # of a pair, which belongs to the frame as it is turned
        mirrored = self._score(replace(batch, image=batch.image.flip(3), valid=batch.valid.flip(3), other=other))
        mean = mean_scores([scores, replace(mirrored, map=None if mirrored.map is None else mirrored.map.flip(3))])
        return replace(mean, reconstruction=scores.reconstruction)

    def _score(self, batch: Batch) -> Scores:
        """Score the frames as they are, without their mirror images."""
        scores, frames = self.model.score(batch), self.frames(batch)
        frames.scored = scores.reconstruction
        components = {**scores.components, **{name: component.measure(frames) for name, component in self.direct.items()}}
        anomaly_map = scores.map
        if self.normal_reference:
            maps = self._distance_maps(frames)
            components |= {name: self.normal_reference[name].distance(pooled_all(own)) for name, own in maps.items()}
            residual = self.distances.get("residual_distance")
            if self.settings.feature_map and isinstance(residual, ResidualDistance):
                anomaly_map = residual.anomaly_map(maps["residual_distance"], batch.valid)
        return replace(scores, components=components, map=anomaly_map)

    def pooled(self, batch: Batch) -> dict[str, list[Tensor]]:
        """Return what each component that is a distance compares: (B, c) for each feature map and statistic."""
        return {name: pooled_all(maps) for name, maps in self._distance_maps(self.frames(batch)).items()}

    def _distance_maps(self, frames: ScoredFrames) -> dict[str, list[FeatureMap]]:
        return {name: component.maps(frames) for name, component in self.distances.items()}

    def frames(self, batch: Batch) -> ScoredFrames:
        """Return a batch with what is computed of it at most once; that of the batch that was asked for last is kept."""
        if self._frames is None or self._frames.batch is not batch:
            self._frames = ScoredFrames(self.model, batch)
        return self._frames


def score_batches(
    model: Backend,
    batches: Batches,
    device: torch.device,
    task: str = "score",
    on_progress: OnProgress = no_progress,
    scores_alone: bool = False,
    settings: ScoringSettings = NOTHING_ADDED,
    normal_reference: Mapping[str, FeatureGaussian] = MappingProxyType({}),
    engine: Engine | None = None,
) -> Iterator[Scored]:
    """Yield the scores of each batch and what else the backend makes of it: reconstruction, classes.

    Always in float32, so that a score does not depend on the hardware's favourite precision, and in one shape, so that a frame
    has the same bits whatever goes along with it.

    Parameters
    ----------
    model : of any backend; it is moved to the device and put into evaluation mode
    batches : frames, on any device
    device : where they are scored
    task : as which progress is reported
    scores_alone : leave reconstructions and classes out
    settings : the components that are added to the backend's score
    normal_reference : what normal training frames are like, for each component that is a distance from them
    engine : what runs the nets instead of PyTorch

    Raises
    ------
    BackendError : before the first batch, if the backend lacks what a component needs; at the first, if the engine cannot run it.
    ConfigError, MedgenError : before the first batch, if there is no such extractor, or its weights are not on this machine; if
        the engine does not run on the device, or gives other results than PyTorch.
    """
    move_model(model, device).eval()
    look = partial(_look, Scorer(model, settings, normal_reference), scores_alone)
    work = look if engine is None else engine.around(look, device)
    total = len(batches)
    for done, batch in enumerate(ahead(batches), start=1):
        with torch.inference_mode():
            score, anomaly_map, components, reconstruction, classes = in_fixed_shape(work, batch.to(device))
        yield Scored(batch, Scores(score, anomaly_map, components), reconstruction, classes)
        on_progress(Progress(task, done, total))


class _Seen(NamedTuple):
    """What is computed of frames, on the CPU: the fields of `Scores`, and those of `Scored` beside them."""

    score: Tensor
    map: Tensor | None
    components: Mapping[str, Tensor]
    reconstruction: Tensor | None
    classes: Mapping[str, Tensor]


def _look(scorer: Scorer, scores_alone: bool, batch: Batch) -> _Seen:
    """Return what is computed of frames that are on the model's device."""
    model, scores = scorer.model, scorer(batch)
    reconstruction: Tensor | None = None
    probabilities: Mapping[str, Tensor] = {}
    if isinstance(model, Reconstructs) and not scores_alone:
        drawn = scorer.frames(batch).reconstruction if scores.reconstruction is None else scores.reconstruction.clamp(0, 1)
        reconstruction = drawn.cpu()
    if isinstance(model, Classifies) and not scores_alone:
        probabilities = model.classify(batch)
    return _Seen(
        scores.score.float().cpu(),
        None if scores.map is None else scores.map.float().cpu(),
        {name: values.float().cpu() for name, values in scores.components.items()},
        reconstruction,
        {name: of.argmax(1).cpu() for name, of in probabilities.items()},
    )
