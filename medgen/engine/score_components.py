"""The components that the settings of a run add to a backend's score: how unusual a fixed network finds frame and reconstruction.

A new component is written here alone: a class, a field of `ScoringSettings` that asks for it, and an entry of `COMPONENTS` under
the name of that field. The scores on disk, their fusion and the report take it from there.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Annotated, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor

from medgen.config import Settings
from medgen.contract.backend import Backend, paired_target
from medgen.contract.capabilities import Reconstructs, ReconstructsFeatures
from medgen.losses import valid_mean
from medgen.nn.features.feature_gaussian import COARSE
from medgen.nn.features.feature_maps import FeatureMap, LayerSettings, MidLayers, upsample
from medgen.nn.features.perceptual import LARGEST, SMALLEST, perceptual_layers, perceptual_map
from medgen.nn.inpaint import inpaint
from medgen.registry import require
from medgen.types import Batch


class ScoringSettings(Settings):
    """What a score is made of besides what the backend says."""

    perceptual: str = ""  # component: how far frame and reconstruction are from each other to this extractor; "" for none
    residual_distance: bool = False  # component: how unusual the difference of the two is, by features of that extractor
    feature_distance: bool = False  # component: how unusual the frame itself is, by the same features
    sides: tuple[
        Annotated[int, Field(ge=SMALLEST, le=LARGEST)], ...
    ] = ()  # pixels to which frames are resized for these two distances; () the frames' own side
    feature_map: bool = False  # the map shows where the features of frame and reconstruction differ most
    flips: bool = False  # the mean over a frame and its mirror image
    fuse: tuple[
        str, ...
    ] = ()  # components whose mean of -log10 p is the score (metrics/fusion.py), "*" for all; () the backend's own score

    two_sided: tuple[str, ...] = ()  # of the fused components those that are unusual where they are low, too, such as "kl"
    calibration: Literal["split", "cv+", "jackknife+"] = "split"  # by validation frames that are not fitted to, or by all normal
    # frames, each scored without its fold: of "cv+" there are `folds`, of "jackknife+" one for each group
    folds: int = Field(10, ge=2, le=10**4)
    by_group: bool = False  # of "cv+" and "jackknife+": groups (patients, videos) count once each, and not frames

    @model_validator(mode="after")
    def _a_score_of_folds_is_the_backends_own(self) -> Self:
        if self.calibration == "split" and (self.by_group or self.folds != 10):
            raise ValueError('folds and by_group are of calibration "cv+" and "jackknife+"; set it, or leave them away')
        if self.calibration == "jackknife+" and self.folds != 10:
            raise ValueError('jackknife+ leaves out one group at a time, folds are of "cv+"; set that, or leave them away')
        if self.leaves_out and (self.fuse or self.flips):
            raise ValueError(f'calibration "{self.calibration}" places the backend\'s own score; leave fuse and flips away')
        return self

    @model_validator(mode="after")
    def _two_sides_are_of_a_fused_component(self) -> Self:
        if self.fuse != ("*",) and (unfused := [name for name in self.two_sided if name not in self.fuse]):
            raise ValueError(f"two_sided names '{unfused[0]}', which is not fused; add it to scoring.fuse, or leave it away")
        return self

    @property
    def leaves_out(self) -> bool:
        """Whether normal validation frames are fitted to as well, since no frame decides over the detector that it is in."""
        return self.calibration != "split"

    @property
    def fitted_splits(self) -> tuple[str, ...]:
        """The splits whose normal frames a detector is fitted to."""
        return ("train", "val") if self.leaves_out else ("train",)

    @model_validator(mode="after")
    def _settings_belong_to_a_distance(self) -> Self:
        if self.sides and not self.needs_reference:
            raise ValueError("sides are of residual_distance and feature_distance; set one of them to true, or leave sides away")
        if self.feature_map and not self.residual_distance:
            raise ValueError("feature_map draws what residual_distance measures; set scoring.residual_distance to true, too")
        return self

    @property
    def needs_reference(self) -> bool:
        """Whether a component has to be told what normal training frames are like."""
        return any(getattr(self, name) and issubclass(kind, DistanceComponent) for name, kind in COMPONENTS.items())


class ScoredFrames:
    """A batch with what several components look at; each is computed once, when it is first asked for.

    Parameters
    ----------
    model : in evaluation mode, on the device of the batch
    batch : the frames
    """

    def __init__(self, model: Backend, batch: Batch) -> None:
        self.model, self.batch = model, batch
        self.scored: Tensor | None = None  # the reconstruction that the backend's score was made of
        self._features: dict[tuple[LayerSettings, ...], list[FeatureMap]] = {}

    @cached_property
    def reconstruction(self) -> Tensor:
        """The backend's reconstruction, (B, C, S, S) in [0, 1].

        Raises
        ------
        BackendError : if the backend does not reconstruct.
        """
        drawn = require(self.model, Reconstructs).reconstruct(self.batch) if self.scored is None else self.scored
        return drawn.clamp(0, 1)

    @property
    def target(self) -> Tensor:
        """What the reconstruction should be, (B, C, S, S): the frames, or the second ones of pairs that are drawn from them."""
        second = paired_target(self.model, self.batch)
        return self.batch.image if second is None else second

    def features(self, nets: Sequence[MidLayers]) -> list[FeatureMap]:
        """Return the feature maps of the frames, those of the first network first."""
        key = tuple(net.settings for net in nets)
        if key not in self._features:
            self._features[key] = feature_maps(nets, self.batch.image, self.batch.valid)
        return self._features[key]


def feature_maps(nets: Sequence[MidLayers], image: Tensor, valid: Tensor) -> list[FeatureMap]:
    """Return the feature maps of images (B, C, S, S) in [0, 1], of which `valid` (B, 1, S, S) counts, network by network."""
    filled = inpaint(image, valid)
    return [maps for net in nets for maps in net.maps_of_filled(filled, valid)]


class Component(ABC):
    """One number for each frame beside those of the backend.

    `__init__` refuses a model that lacks what the component needs, before anything is trained or scored.

    Parameters
    ----------
    model : whose frames are scored
    settings : of the run

    Raises
    ------
    BackendError : if the model lacks a capability.
    ConfigError, MedgenError : if there is no such extractor, or its weights are not on this machine.
    """

    @abstractmethod
    def __init__(self, model: Backend, settings: ScoringSettings) -> None: ...


class DirectComponent(Component):
    """A component that a frame has by itself."""

    @abstractmethod
    def measure(self, frames: ScoredFrames) -> Tensor:
        """Return the component, (B,), higher for what is less normal."""


class DistanceComponent(Component):
    """A component that says how far a frame is from normal training frames, by a Gaussian fitted to their features."""

    @abstractmethod
    def maps(self, frames: ScoredFrames) -> list[FeatureMap]:
        """Return the feature maps whose statistics are compared."""


class Perceptual(DirectComponent):
    """How far frame and reconstruction are from each other to a fixed network: the mean of `perceptual_map` over valid pixels."""

    def __init__(self, model: Backend, settings: ScoringSettings) -> None:
        require(model, Reconstructs)
        self.layers = perceptual_layers(model.size, settings.perceptual)

    def measure(self, frames: ScoredFrames) -> Tensor:
        valid = frames.batch.valid
        return valid_mean(perceptual_map(self.layers, frames.target, frames.reconstruction, valid), valid)


class FeatureDistance(DistanceComponent):
    """How unusual a frame is to a fixed network."""

    def __init__(self, model: Backend, settings: ScoringSettings) -> None:
        self.nets = _coarse_nets(model, settings)

    def maps(self, frames: ScoredFrames) -> list[FeatureMap]:
        return frames.features(self.nets)


class ResidualDistance(DistanceComponent):
    """How unusual the difference between frame and reconstruction is, in features of a fixed network or of the backend."""

    def __init__(self, model: Backend, settings: ScoringSettings) -> None:
        self.backend = model if isinstance(model, ReconstructsFeatures) else None
        if self.backend is None:
            require(model, Reconstructs)
            self.nets = _coarse_nets(model, settings)

    def maps(self, frames: ScoredFrames) -> list[FeatureMap]:
        if self.backend is not None:
            return self.backend.feature_residual(frames.batch)
        image, target, valid = frames.batch.image, frames.target, frames.batch.valid
        seen = frames.features(self.nets) if target is image else feature_maps(self.nets, target, valid)
        drawn = feature_maps(self.nets, frames.reconstruction, valid)
        return [FeatureMap(real.values - fake.values, real.counts) for real, fake in zip(seen, drawn, strict=True)]

    def anomaly_map(self, residual: Sequence[FeatureMap], valid: Tensor) -> Tensor:
        """Return the map (B, 1, S, S): the length of the difference on the coarsest map, the mean over the sizes of the frame.

        Finer maps see too little of a frame to tell a finding from a fold.

        Parameters
        ----------
        residual : as from `maps`
        valid : (B, 1, S, S) bool
        """
        strides = len(residual) if self.backend is not None else len(COARSE)
        lengths = [(values * counts).norm(dim=1, keepdim=True) for values, counts in residual[strides - 1 :: strides]]
        return torch.stack([upsample(length, valid.shape[-1]) for length in lengths]).mean(0) * valid


def _coarse_nets(model: Backend, settings: ScoringSettings) -> list[MidLayers]:
    """Return the networks by whose coarse maps frames are compared: one for each size of the frame that is asked for."""
    extractor = settings.perceptual or LayerSettings().extractor
    return [perceptual_layers(side, extractor, COARSE) for side in settings.sides or (model.size,)]


COMPONENTS: Mapping[str, type[Component]] = {  # by the setting that asks for it; in the order of the columns on disk
    "perceptual": Perceptual,
    "feature_distance": FeatureDistance,
    "residual_distance": ResidualDistance,
}
NOTHING_ADDED = ScoringSettings()
