"""RD: reverse distillation, a student that restores what a fixed network sees of normal frames from a narrow code of it.

Source: Deng and Li 2022, "Anomaly Detection via Reverse Distillation from One-Class Embedding", https://arxiv.org/abs/2201.10703.
Anomaly score: the highest value of the map, which is the sum over strides of 1 minus the cosine between each place of the
network's map and of the student's.

Shape letters beside those of `Batch`: c features in each cell of a grid h x w, W channels of the student, Z of the code. Here the
network's features are standardised by running means of the training: maps of nets that do not end in a rectifier have means so
large that all cosines would be near 1. The code has the grid of the coarsest map and few channels; the source halves its grid.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from medgen.backends._on_features import OnFeatures
from medgen.config import Settings
from medgen.contract.backend import Losses, Optimizer, Player
from medgen.losses import valid_mean
from medgen.nn.features.feature_maps import FeatureMap, LayerSettings, smooth_map
from medgen.types import Batch, Scores


class Config(Settings):
    """Settings of reverse distillation."""

    features: LayerSettings = LayerSettings(strides=(8, 16, 32))
    width: int = Field(64, ge=1, le=4096)  # W
    latents: int = Field(32, ge=1, le=4096)  # Z
    sigma: float = Field(4.0, ge=0)  # of the Gaussian that smooths the map, in pixels of a frame of 224; scales with the size
    optimizer: Optimizer = Optimizer(lr=5e-3, betas=(0.5, 0.999), decay_from=0.5)


class Model(OnFeatures):
    """The components are the highest value of the map and its mean over valid pixels."""

    config: Config

    def __init__(self, config: Config, size: int, channels: int) -> None:
        super().__init__(config, size, channels)
        self.look_through(config.features)
        self.standard = nn.ModuleList(nn.BatchNorm2d(width, affine=False) for width in self.layers.widths)
        self.bottleneck = _Bottleneck(config.features.strides, self.layers.widths, config.width, config.latents)
        self.student = _Student(self.layers.widths, config.width, config.latents)

    @property
    def players(self) -> dict[str, Player]:
        return {"student": Player((self.bottleneck, self.student), self.config.optimizer)}

    def _pairs(self, batch: Batch) -> list[tuple[Tensor, Tensor, Tensor]]:
        """Return for each stride the standardised features (B, c, h, w), the student's, and the cells (B, 1, h, w) that count."""
        self.layers.check(self.fingerprint)
        maps = self.layers.maps(batch.image, batch.valid)
        seen = [standard(values) for standard, (values, _) in zip(self.standard, maps, strict=True)]
        drawn = self.student(self.bottleneck(seen), [values.shape[2:] for values in seen])
        return [(real.float(), own.float(), counts) for real, own, (_, counts) in zip(seen, drawn, maps, strict=True)]

    def turns(self, batch: Batch, progress: float) -> Iterator[tuple[str, Losses]]:
        strides = self.config.features.strides
        losses = [valid_mean(_distance(real, own), counts).mean() for real, own, counts in self._pairs(batch)]
        yield "student", {f"stride_{stride}": loss for stride, loss in zip(strides, losses, strict=True)}

    def feature_residual(self, batch: Batch) -> list[FeatureMap]:
        """Return the difference of the standardised features from the student's, a map for each stride of the settings."""
        return [FeatureMap(real - own, counts) for real, own, counts in self._pairs(batch)]

    def score(self, batch: Batch) -> Scores:
        grids = [_distance(real, own) * counts for real, own, counts in self._pairs(batch)]
        anomaly_map = torch.stack([smooth_map(grid, batch.valid, self.config.sigma) for grid in grids]).sum(0)
        highest = anomaly_map.flatten(1).amax(1)
        return Scores(highest, anomaly_map, {"highest": highest, "mean": valid_mean(anomaly_map, batch.valid)})


class _Bottleneck(nn.Module):
    """Joins the maps of all strides on the grid of the coarsest one and leaves few channels: no room for what is not normal."""

    def __init__(self, strides: Sequence[int], widths: Sequence[int], width: int, latents: int) -> None:
        super().__init__()
        halvings = [round(math.log2(max(strides) / stride)) for stride in strides]
        self.coarsest = halvings.index(0)
        self.shrink = nn.ModuleList(_halved(own, width, count) for own, count in zip(widths, halvings, strict=True))
        self.join = nn.Sequential(*_layer(nn.Conv2d(len(widths) * width, 2 * width, 1, bias=False)), _Residual(2 * width))
        self.code = nn.Conv2d(2 * width, latents, 1)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        grid = maps[self.coarsest].shape[2:]
        small = [shrink(values) for shrink, values in zip(self.shrink, maps, strict=True)]  # (B, W, h, w) each
        # nets without padding have grids that halving alone does not bring onto each other
        fitted = [values if values.shape[2:] == grid else F.adaptive_avg_pool2d(values, (grid[0], grid[1])) for values in small]
        return self.code(self.join(torch.cat(fitted, 1)))  # type: ignore[no-any-return]  # (B, Z, h, w) of the coarsest


class _Student(nn.Module):
    """Restores the maps of all strides from the code, from the coarsest to the finest."""

    def __init__(self, widths: Sequence[int], width: int, latents: int) -> None:
        super().__init__()
        self.begin = nn.Sequential(*_layer(nn.Conv2d(latents, width, 1, bias=False)))
        self.blocks = nn.ModuleList(_Residual(width) for _ in widths)
        self.draw = nn.ModuleList(nn.Conv2d(width, own, 1) for own in widths)

    def forward(self, code: Tensor, grids: Sequence[torch.Size]) -> list[Tensor]:
        """Return (B, c, h, w) for each stride, of the grids (h, w) that are handed in."""
        hidden = self.begin(code)
        drawn: dict[int, Tensor] = {}
        for k in sorted(range(len(grids)), key=lambda number: grids[number][0]):
            hidden = self.blocks[k](F.interpolate(hidden, tuple(grids[k]), mode="bilinear"))  # (B, W, h, w)
            drawn[k] = self.draw[k](hidden)
        return [drawn[k] for k in range(len(grids))]


class _Residual(nn.Module):
    """Two convolutions beside the identity (He et al. 2015, https://arxiv.org/abs/1512.03385)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Sequential(*_layer(nn.Conv2d(width, width, 3, padding=1, bias=False)))
        self.second = nn.Sequential(nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width))

    def forward(self, values: Tensor) -> Tensor:
        return F.relu(values + self.second(self.first(values)))


def _layer(convolution: nn.Conv2d) -> tuple[nn.Module, ...]:
    return convolution, nn.BatchNorm2d(convolution.out_channels), nn.ReLU()


def _halved(features: int, width: int, count: int) -> nn.Sequential:
    """Return what makes (B, W, h, w) of (B, c, h, w), of half the grid for each of `count`."""
    first = _layer(nn.Conv2d(features, width, 1, bias=False))
    halvings = [_layer(nn.Conv2d(width, width, 3, 2, padding=1, bias=False)) for _ in range(count)]
    return nn.Sequential(*first, *(part for layers in halvings for part in layers))


def _distance(real: Tensor, drawn: Tensor) -> Tensor:
    """Return 1 minus the cosine of the features (B, c, h, w) at each place, (B, 1, h, w) in [0, 2]."""
    return 1 - F.cosine_similarity(real, drawn, dim=1)[:, None]
