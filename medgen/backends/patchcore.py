"""PatchCore: a memory bank of the features that a fixed network has of patches of normal frames.

Source: Roth et al. 2022, "Towards Total Recall in Industrial Anomaly Detection", https://arxiv.org/abs/2106.08265. Anomaly score:
how far a frame's most unusual patch is from the nearest one in the bank, more so where that one is unusual itself.

Shape letters beside those of `Batch`: M patches in the bank, D numbers of each.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from pydantic import Field
from torch import Tensor

from medgen import ranks
from medgen.backends._onepass import OnePass, OnePassConfig, top
from medgen.config import SEEDS
from medgen.errors import BackendError
from medgen.nn.features.coreset import greedy_coreset
from medgen.nn.features.feature_maps import FeatureMap
from medgen.types import Batch, Scores

COUNTS_AS = 40  # frames of another place that the bank holds as much of as of its own


class Config(OnePassConfig):
    """Settings of PatchCore."""

    bank: int = Field(4000, ge=1, le=10**7)  # patches that are kept
    most: int = Field(200_000, ge=1, le=10**8)  # patches among which they are chosen, drawn at random from all: bounds the memory
    local: int = Field(3, ge=1)  # side of the square of grid cells over which a patch is averaged
    neighbours: int = Field(9, ge=1)  # in the bank, by which an unusual patch in the bank is known
    seed: int = Field(0, ge=0, lt=SEEDS)


class Model(OnePass):
    """The component "mean" is the mean distance over a frame's patches, "highest" the highest one without the source's weight."""

    config: Config
    bank: Tensor
    used: Tensor
    fold_bank: Tensor
    fold_used: Tensor

    def __init__(self, config: Config, size: int, channels: int) -> None:
        super().__init__(config, size, channels)
        self.register_buffer("bank", torch.zeros(config.bank, sum(self.layers.widths)))
        self.register_buffer("used", torch.ones((), dtype=torch.long))  # patches in the bank
        if config.folds:
            self.keep_each("fold_bank", self.bank)
            self.keep_each("fold_used", self.used)
        self._vectors: list[Tensor] = []
        self._folds: list[Tensor] = []
        self._keys: list[Tensor] = []  # random numbers; the patches with the smallest ones stay
        self._draw = torch.Generator().manual_seed(config.seed)

    def gather(self, batch: Batch, view: int) -> None:
        features, counts = map(ranks.all_rows, self.layers.joined(batch.image, batch.valid, self.config.local))
        index = ranks.all_rows(batch.index)
        if not ranks.collects():
            return
        vectors = features.permute(0, 2, 3, 1)[counts[:, 0]].cpu()  # (n, D)
        self._vectors.append(vectors)
        self._folds.append(self.folds(index).repeat_interleave(counts[:, 0].sum((1, 2)).cpu()))
        self._keys.append(torch.rand(len(vectors), generator=self._draw))
        if sum(map(len, self._keys)) > 2 * self.config.most:
            self._thin()

    def _thin(self) -> None:
        """Keep no more patches than `most`, each with the same chance."""
        keys, vectors, folds = (torch.cat(parts) for parts in (self._keys, self._vectors, self._folds))
        rows = keys.argsort()[: self.config.most].sort().values
        self._keys, self._vectors, self._folds = [keys[rows]], [vectors[rows]], [folds[rows]]

    def fit(self) -> None:
        self._thin()
        vectors, folds = self._vectors[0].to(self.bank), self._folds[0].to(self.bank.device)
        self._fill(vectors, self.bank, self.used)
        for fold in range(self.config.folds):
            self._fill(vectors[folds != fold], self.fold_bank[fold], self.fold_used[fold])

    def _fill(self, vectors: Tensor, bank: Tensor, used: Tensor) -> None:
        chosen = _coreset(vectors, self.config.bank, self.config.seed)
        bank[: len(chosen)] = vectors[chosen]
        used.fill_(len(chosen))

    def look(self, batch: Batch) -> FeatureMap:
        return self.layers.joined(batch.image, batch.valid, self.config.local)

    def judge(self, looked: FeatureMap, batch: Batch, without: int | None) -> Scores:
        (features, counts), fold = looked, without
        bank = self.bank[: int(self.used)] if fold is None else self.fold_bank[fold, : int(self.fold_used[fold])]
        vectors = features.permute(0, 2, 3, 1)  # (B, h, w, D)
        nearest = torch.cdist(vectors.flatten(0, 2), bank).argmin(1)
        grid = (vectors.flatten(0, 2) - bank[nearest]).norm(dim=1)  # cdist itself is not exact for small distances
        distances = grid.view(counts.shape) * counts  # (B, 1, h, w)
        cell = distances.flatten(1).argmax(1)  # (B,), where the most unusual patch of each frame is
        rows = torch.arange(len(cell), device=cell.device)
        worst, home = vectors.flatten(1, 2)[rows, cell], nearest.view(len(cell), -1)[rows, cell]
        highest = top(distances, counts)
        mean = distances.flatten(1).sum(1) / counts.flatten(1).sum(1).clamp_min(1)
        score = highest * self._weight(worst, bank[home], highest, bank)
        return Scores(score, self.localised(distances, batch.valid), {"highest": highest, "mean": mean})

    def _weight(self, worst: Tensor, home: Tensor, distance: Tensor, bank: Tensor) -> Tensor:
        """Return (B,): 1 minus the softmax of the distance among those to the neighbours of the nearest one (equation 7)."""
        near = torch.cdist(home, bank).topk(min(self.config.neighbours, len(bank)), largest=False).indices  # (B, n)
        if near.shape[1] < 2:
            return torch.ones_like(distance)
        distances = (worst[:, None] - bank[near]).norm(dim=2)  # (B, n)
        return 1 - (distance - distances.logsumexp(1)).exp()

    def local_views(self, batch: Batch) -> list[Tensor]:
        if self.config.folds:
            return []
        features, counts = self.layers.joined(batch.image, batch.valid, self.config.local)
        return [features.permute(0, 2, 3, 1).cpu(), counts[:, 0].cpu()]  # (B, h, w, D) and (B, h, w)

    def adapt(self, views: Sequence[Tensor]) -> float:
        """Give places of the bank to patches of the frames: first the free ones, then those of the last patches chosen for it.

        Each patch of a greedy coreset is the farthest from those before it, so that the first ones are a coreset of their own.
        """
        features, counts = views
        vectors = features[counts.bool()].to(self.bank)
        used, places = int(self.used), len(self.bank)
        wanted = max(places - used, round(places * len(features) / (len(features) + COUNTS_AS)))
        chosen = _coreset(vectors, min(wanted, len(vectors)), self.config.seed)
        kept = min(used, places - len(chosen))
        self.bank[kept : kept + len(chosen)] = vectors[chosen]
        self.used.fill_(kept + len(chosen))
        return len(chosen) / (kept + len(chosen))


def _coreset(vectors: Tensor, count: int, seed: int) -> Tensor:
    """Return the rows of a coreset; refuse frames of which no cell of the features' grid counts."""
    if not len(vectors):
        raise BackendError(
            "these frames have no patch to remember: none of them has a valid pixel; see where tissue was found "
            "(medgen inspect --steps), or set data.overlay=keep"
        )
    return greedy_coreset(vectors, count, seed)
