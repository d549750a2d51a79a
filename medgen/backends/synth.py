"""Synth: a small head over a fixed network that learns to find synthetic anomalies in normal frames (self-supervised).

Sources: Schlueter et al. 2022, "Natural Synthetic Anomalies", https://arxiv.org/abs/2109.15222, and Zavrtanik et al. 2021,
"DRAEM", https://arxiv.org/abs/2108.07610, for anomalies to learn from; a head over fixed features as in Liu et al. 2023,
"SimpleNet", https://arxiv.org/abs/2303.15140. Anomaly score: the highest value of the map, which is -log of the probability that
a cell is normal.

The validation loss is that of other synthetic anomalies in normal validation frames: it chooses weights, and no label does.
Shape letters beside those of `Batch`: D features in each cell of a grid h x w, W channels of the head.
"""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from medgen.backends._on_features import OnFeatures
from medgen.config import Settings
from medgen.contract.backend import Losses, Optimizer, Player
from medgen.losses import valid_mean
from medgen.nn.features.feature_maps import LayerSettings, smooth_map
from medgen.nn.inpaint import inpaint
from medgen.nn.pasted import AnomalyKind, paste_anomalies
from medgen.types import Batch, Scores


class Config(Settings):
    """Settings of the localiser."""

    features: LayerSettings = LayerSettings(strides=(8, 16, 32))
    kinds: tuple[AnomalyKind, ...] = Field(("patch", "texture", "bulge"), min_length=1)  # of anomalies to learn from
    untouched: float = Field(0.25, ge=0, lt=1)  # share of the training frames that get none
    width: int = Field(64, ge=1, le=4096)  # W
    dropout: float = Field(0.2, ge=0, lt=1)  # share of the features that training hides: no few of them are to tell alone
    sigma: float = Field(4.0, ge=0)  # of the Gaussian that smooths the map, in pixels of a frame of 224; scales with the size
    optimizer: Optimizer = Optimizer(lr=1e-3, weight_decay=1e-4, decay_from=0.5)


class Model(OnFeatures):
    """The components are the highest value of the map and its mean over valid pixels."""

    config: Config

    def __init__(self, config: Config, size: int, channels: int) -> None:
        super().__init__(config, size, channels)
        self.look_through(config.features)
        total, width = sum(self.layers.widths), config.width
        self.standard = nn.BatchNorm2d(total, affine=False)
        self.head = nn.Sequential(
            nn.Dropout2d(config.dropout),
            nn.Conv2d(total, width, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, 1, 1),
        )

    @property
    def players(self) -> dict[str, Player]:
        return {"head": Player((self.head,), self.config.optimizer)}

    def _logits(self, image: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits that cells are not normal, (B, 1, h, w), and the cells (B, 1, h, w) that count."""
        self.layers.check(self.fingerprint)
        features, counts = self.layers.joined(image, valid)
        return self.head(self.standard(features)).float(), counts

    def turns(self, batch: Batch, progress: float) -> Iterator[tuple[str, Losses]]:
        filled = inpaint(batch.image, batch.valid)  # a bulge must not pull a hole into the tissue
        changed, where = paste_anomalies(filled, batch.valid, self.config.kinds, self.config.untouched)
        logits, counts = self._logits(changed, batch.valid)
        share = F.adaptive_avg_pool2d(where.float(), (logits.shape[2], logits.shape[3]))  # of a cell's pixels
        loss = F.binary_cross_entropy_with_logits(logits, share, reduction="none")
        yield "head", {"cells": valid_mean(loss, counts).mean()}

    def score(self, batch: Batch) -> Scores:
        logits, counts = self._logits(batch.image, batch.valid)
        anomaly_map = smooth_map(F.softplus(logits) * counts, batch.valid, self.config.sigma)
        highest = anomaly_map.flatten(1).amax(1)
        return Scores(highest, anomaly_map, {"highest": highest, "mean": valid_mean(anomaly_map, batch.valid)})
