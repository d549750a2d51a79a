"""DFM: Gaussians of what a fixed net makes of whole normal frames.

Sources: Ahuja et al. 2019, "Probabilistic Modeling of Deep Features for Out-of-Distribution and Adversarial Detection",
https://arxiv.org/abs/1909.11786; one Gaussian for each map, their distances added: Rippel et al. 2021, "Modeling the Distribution
of Normal Data in Pre-Trained Deep Features for Anomaly Detection", https://arxiv.org/abs/2005.14140; the covariance is shrunk
(Ledoit and Wolf 2004) where the first cuts dimensions off. Anomaly score: the mean over some blocks of how much larger a frame's
squared Mahalanobis distance is than that of normal frames that the Gaussian was not fitted to, in their standard deviations.

A block is one statistic (mean or standard deviation over the places) of one map at one size of the frame. Which blocks are taken
is chosen on training frames alone: of those held out, the Gaussians of the others have to tell frames with a foreign patch from
frames without.
"""

from __future__ import annotations

from itertools import combinations
from typing import Literal, NamedTuple

import torch
from pydantic import Field
from torch import Tensor

from medgen.backends._onepass import OnePass, OnePassConfig
from medgen.nn.gaussian import shrunk_covariance, whitening
from medgen.nn.midlayers import LayerSettings, MidLayers
from medgen.nn.synthetic import foreign_patches
from medgen.types import Batch, Scores

FOLDS = 4
ENOUGH = 2000  # frames to choose by
RIDGE = 1e-9  # of a variance: a feature may be the same in every frame
Statistic = Literal["mean", "std"]


class Config(OnePassConfig):
    """Settings of DFM; `features` says which net, which maps there are to choose from and, without `sides`, at which size."""

    features: LayerSettings = LayerSettings(strides=(8, 16, 32))
    sides: tuple[int, ...] = (224, 320)  # sizes to choose from; () takes that of `features`
    statistics: tuple[Statistic, ...] = Field(("mean", "std"), min_length=1)  # over the places of a map
    choose: bool = True  # among all sets of sizes, maps and statistics; otherwise all blocks are taken


class Block(NamedTuple):
    """Places of a size, a map and a statistic among those of the settings."""

    side: int
    stride: int
    statistic: int


class Model(OnePass):
    """Nothing is localised: a frame has one vector a block. `votes`: how well each set told held-out frames from spoilt ones."""

    config: Config
    taken: Tensor
    votes: Tensor
    usual: Tensor

    def __init__(self, config: Config, size: int, channels: int) -> None:
        super().__init__(config, size, channels)
        sides = config.sides or (config.features.side,)
        self.nets = [MidLayers(config.features.model_copy(update={"side": side})) for side in sides]
        counts = (len(sides), len(config.features.strides), len(config.statistics))
        self.blocks = [Block(*place) for place in torch.cartesian_prod(*map(torch.arange, counts)).view(-1, 3).tolist()]
        self.sets = _sets(self.blocks, counts) if config.choose else [tuple(range(len(self.blocks)))]
        for number, block in enumerate(self.blocks):
            width = self.nets[block.side].widths[block.stride]
            self.register_buffer(f"mean_{number}", torch.zeros(width, dtype=torch.float64))
            self.register_buffer(f"root_{number}", torch.eye(width, dtype=torch.float64))
        self.register_buffer("usual", torch.tensor([0.0, 1.0], dtype=torch.float64).repeat(len(self.blocks), 1))  # mean, spread
        self.register_buffer("taken", torch.ones(len(self.blocks), dtype=torch.bool))
        self.register_buffer("votes", torch.zeros(len(self.sets)))
        self._clean: list[list[Tensor]] = []  # of each batch and view, (B, c) a block
        self._spoilt: list[list[Tensor]] = []
        self._rows: list[Tensor] = []  # of the data set, for each batch and view
        self._spoilt_rows: list[Tensor] = []

    def _vectors(self, batch: Batch, wanted: Tensor) -> list[Tensor]:
        """Return (B, c) for each block, of no width for a block that is not wanted."""
        found: list[Tensor] = []
        for place, net in enumerate(self.nets):
            mine = [number for number, block in enumerate(self.blocks) if block.side == place]
            maps = net.maps(batch.image, batch.valid) if wanted[mine].any() else []
            for number in mine:
                block = self.blocks[number]
                empty = torch.zeros(len(batch), 0)
                found.append(_pooled(*maps[block.stride], self.config.statistics[block.statistic]) if maps else empty)
        return found

    def gather(self, batch: Batch, view: int) -> None:
        every = torch.ones_like(self.taken)
        self._clean.append(self._vectors(batch, every))
        self._rows.append(batch.index.cpu())
        if len(self.sets) > 1 and view == 0 and self.gathered < ENOUGH:
            spoilt, _ = foreign_patches(batch.image, batch.valid, batch.index)
            self._spoilt.append(self._vectors(Batch(spoilt, batch.valid, batch.index), every))
            self._spoilt_rows.append(batch.index.cpu())

    def fit(self) -> None:
        rows = torch.cat(self._rows)
        spoilt_rows = torch.cat(self._spoilt_rows) if self._spoilt_rows else rows[:0]
        good, bad = [], []
        for number in range(len(self.blocks)):
            clean = torch.cat([vectors[number] for vectors in self._clean]).double()
            spoilt = torch.cat([vectors[number] for vectors in self._spoilt]).double() if self._spoilt else clean[:0]
            held, spoilt_held = _held_out(clean, rows, spoilt, spoilt_rows)
            self.usual[number] = torch.stack([held.mean(), held.std().clamp_min(1e-12)])
            good.append((held - held.mean()) / self.usual[number, 1])
            bad.append((spoilt_held - held.mean()) / self.usual[number, 1])
            for name, value in zip(("mean", "root"), _gaussian(clean), strict=True):
                self.get_buffer(f"{name}_{number}").copy_(value)
        if len(self.sets) > 1:
            for place, chosen in enumerate(self.sets):
                normal, odd = (sum(parts[number] for number in chosen) for parts in (good, bad))
                self.votes[place] = (odd[:, None] > normal).double().mean()  # type: ignore[index, operator]
        self.taken.zero_()
        self.taken[list(self.sets[int(self.votes.argmax())])] = True

    def score(self, batch: Batch) -> Scores:
        self.layers.check(self.fingerprint)
        vectors, total = self._vectors(batch, self.taken), torch.zeros(len(batch), dtype=torch.float64)
        for number in self.taken.nonzero()[:, 0].tolist():
            mean, root = self.get_buffer(f"mean_{number}").cpu(), self.get_buffer(f"root_{number}").cpu()
            centre, spread = self.usual[number].cpu()
            total += (_distance(vectors[number].double(), mean, root) - centre) / spread
        return Scores((total / self.taken.sum().cpu()).float().to(batch.image.device))


def _sets(blocks: list[Block], counts: tuple[int, int, int]) -> list[tuple[int, ...]]:
    """Return the sets of blocks to choose from: all of some sizes, neighbouring maps and some statistics."""

    def runs(count: int) -> list[range]:
        return [range(first, last) for first, last in combinations(range(count + 1), 2)]

    return [
        tuple(
            number
            for number, block in enumerate(blocks)
            if block.side in side and block.stride in stride and block.statistic in kind
        )
        for side in runs(counts[0])
        for stride in runs(counts[1])
        for kind in runs(counts[2])
    ]


def _pooled(maps: Tensor, counts: Tensor, statistic: Statistic) -> Tensor:
    """Return the mean or standard deviation (B, c) of maps (B, c, h, w) over the places (B, 1, h, w) that count."""
    total = counts.sum((2, 3)).clamp_min(1)
    mean = (maps * counts).sum((2, 3)) / total
    if statistic == "mean":
        return mean.cpu()
    return (((maps - mean[..., None, None]).square() * counts).sum((2, 3)) / total).sqrt().cpu()


def _gaussian(vectors: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean (c,) and whitening matrix (c, c) of vectors (N, c)."""
    covariance, _ = shrunk_covariance(vectors)
    return vectors.mean(0), whitening(covariance + RIDGE * torch.eye(len(covariance), dtype=covariance.dtype))


def _distance(vectors: Tensor, mean: Tensor, root: Tensor) -> Tensor:
    return ((vectors - mean) @ root).square().mean(1)  # (B,)


def _held_out(clean: Tensor, rows: Tensor, spoilt: Tensor, spoilt_rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return the distance of each frame from the Gaussian of the clean frames of the other folds.

    Folds are runs of rows, so that frames of one video stand on one side.
    """
    edges = torch.quantile(rows.unique().double(), torch.linspace(0, 1, FOLDS + 1, dtype=torch.float64)[1:-1])
    folds, spoilt_folds = (torch.bucketize(some.double(), edges) for some in (rows, spoilt_rows))
    found, spoilt_found = torch.zeros(len(clean), dtype=torch.float64), torch.zeros(len(spoilt), dtype=torch.float64)
    for fold in range(FOLDS):
        held, others = folds == fold, clean[folds != fold]
        if not len(others):
            others = clean  # too few frames for folds
        mean, root = _gaussian(others)
        found[held] = _distance(clean[held], mean, root)
        spoilt_found[spoilt_folds == fold] = _distance(spoilt[spoilt_folds == fold], mean, root)
    return found, spoilt_found
