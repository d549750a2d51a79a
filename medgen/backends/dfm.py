"""DFM: Gaussians of the features that a fixed network has of whole normal frames.

Sources: Ahuja et al. 2019, "Probabilistic Modeling of Deep Features for Out-of-Distribution and Adversarial Detection",
https://arxiv.org/abs/1909.11786; one Gaussian for each map, their distances added: Rippel et al. 2021, "Modeling the Distribution
of Normal Data in Pre-Trained Deep Features for Anomaly Detection", https://arxiv.org/abs/2005.14140; the covariance is shrunk
(Ledoit and Wolf 2004) where the first cuts dimensions off. Anomaly score: the mean over some blocks of how much larger a frame's
squared Mahalanobis distance is than that of normal frames that the Gaussian was not fitted to, in their standard deviations.

A block is one statistic (mean, standard deviation or highest value over the cells) of one map at one size of the frame. Which
sizes and maps are taken is chosen on training frames alone: of those held out, the Gaussians of the others have to tell frames
with a foreign patch from frames without. Of sets that do so alike, the largest is taken. Statistics are not chosen: a pasted
patch moves the highest value most, a finding may move any.

Anomaly map: how far each cell of the coarsest map, at the largest size that is taken, is from the nearest normal one, in whitened
components (PatchCore, Roth et al. 2022, https://arxiv.org/abs/2106.08265). It does not enter the score.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any, NamedTuple

import torch
from pydantic import Field
from torch import Tensor

from medgen import ranks
from medgen.backends._onepass import OnePass, OnePassConfig
from medgen.nn.features.choosing import chosen_set, set_votes
from medgen.nn.features.feature_maps import FeatureMap, LayerSettings, MidLayers
from medgen.nn.features.few_frames import move_gaussians
from medgen.nn.features.gaussian import Gaussian, Statistic, held_out, pooled, usual_of
from medgen.nn.features.gaussians_without import GaussiansWithout, held_out_without
from medgen.nn.features.normal_cells import NormalCells, cell_distance
from medgen.nn.inpaint import inpaint
from medgen.nn.synthetic import foreign_patches
from medgen.types import Batch, Scores

ENOUGH = 2000  # frames to choose by


class Config(OnePassConfig):
    """Settings of DFM; `features` says which net, which maps there are to choose from and, without `sides`, at which size."""

    features: LayerSettings = LayerSettings(strides=(8, 16, 32))
    sides: tuple[int, ...] = (224, 320)  # sizes to choose from; () takes that of `features`
    statistics: tuple[Statistic, ...] = Field(("mean", "std", "max"), min_length=1)  # over the cells of a map
    choose: bool = True  # among all sets of sizes and maps; otherwise all are taken
    sigma: float = Field(8.0, ge=0)  # as in the other detectors; half a cell of stride 32 of a frame of 448


class Block(NamedTuple):
    """A statistic of a map at a size of the frame, each as its index in the settings."""

    side: int
    stride: int
    statistic: int


class Model(OnePass):
    """A frame has one vector a block, and a map beside them.

    Attributes
    ----------
    taken : (blocks,) bool, those of which the score is the mean
    votes : (sets,), how well each set of blocks told held-out frames from the same frames with a foreign patch, 0 to 1
    errors : (sets,), standard errors of the votes
    fold_usual, fold_taken : (K, blocks, 2) and (K, blocks) bool, the same without each of K folds
    seen_folds : (N,) int64 of the vectors ``seen_NUMBER`` (N, c) of each block, which the Gaussians without a fold are of
    """

    config: Config
    taken: Tensor
    votes: Tensor
    errors: Tensor
    fold_usual: Tensor
    fold_taken: Tensor
    seen_folds: Tensor

    def __init__(self, config: Config, size: int, channels: int) -> None:
        super().__init__(config, size, channels)
        sides = config.sides or (config.features.side,)
        self.nets = [MidLayers(config.features.model_copy(update={"side": side})) for side in sides]
        self.coarsest = max(range(len(config.features.strides)), key=lambda stride: config.features.strides[stride])
        counts = (len(sides), len(config.features.strides), len(config.statistics))
        self.blocks = [Block(*indices) for indices in torch.cartesian_prod(*map(torch.arange, counts)).view(-1, 3).tolist()]
        self.sets = _sets(self.blocks, counts[:2]) if config.choose else [tuple(range(len(self.blocks)))]
        for number, block in enumerate(self.blocks):
            width = self.nets[block.side].widths[block.stride]
            self.register_buffer(f"mean_{number}", torch.zeros(width, dtype=torch.float64))
            self.register_buffer(f"root_{number}", torch.eye(width, dtype=torch.float64))
            self.register_buffer(f"usual_{number}", torch.tensor([0.0, 1.0], dtype=torch.float64))
        cell_width = self.nets[0].widths[self.coarsest]
        for side in range(len(sides)):
            self.register_buffer(f"cell_mean_{side}", torch.zeros(cell_width, dtype=torch.float64))
            self.register_buffer(f"cell_root_{side}", torch.zeros(cell_width, cell_width, dtype=torch.float64))
            self.register_buffer(f"cells_{side}", torch.zeros(0, 0))
            self.of_frames.append(f"cells_{side}")
        self._cells = [NormalCells(cell_width) for _ in sides]
        self.register_buffer("taken", torch.ones(len(self.blocks), dtype=torch.bool))
        self.register_buffer("votes", torch.zeros(len(self.sets)))
        self.register_buffer("errors", torch.zeros(len(self.sets)))
        if config.folds:
            self._make_room(config.folds)
        self._without: dict[int, GaussiansWithout] = {}  # by block; made when they are first asked for
        self._clean: list[list[Tensor]] = []  # of each batch and view, (B, c) a block
        self._corrupted: list[list[Tensor]] = []
        self._rows: list[Tensor] = []  # of the data set, for each batch and view
        self._corrupted_rows: list[Tensor] = []

    def _make_room(self, folds: int) -> None:
        """Add the buffers of what is known without each fold."""
        self.register_buffer("fold_usual", torch.zeros(folds, len(self.blocks), 2, dtype=torch.float64))
        self.register_buffer("fold_taken", torch.ones(folds, len(self.blocks), dtype=torch.bool))
        self.register_buffer("seen_folds", torch.zeros(0, dtype=torch.int64))
        for number, block in enumerate(self.blocks):
            self.register_buffer(f"seen_{number}", torch.zeros(0, self.nets[block.side].widths[block.stride]))
        self.of_frames += ["seen_folds", *(f"seen_{number}" for number in range(len(self.blocks)))]

    def _vectors(self, batch: Batch, wanted: Tensor) -> tuple[list[Tensor], dict[int, FeatureMap]]:
        """Return (B, c) for each block, of no width for one that is not wanted, and the coarsest map of each side looked at."""
        vectors: list[Tensor] = []
        cells: dict[int, FeatureMap] = {}
        filled, empty, flags = inpaint(batch.image, batch.valid), torch.zeros(len(batch), 0), wanted.tolist()
        for side, net in enumerate(self.nets):
            numbers = [number for number, block in enumerate(self.blocks) if block.side == side]
            maps = net.maps_of_filled(filled, batch.valid) if any(flags[number] for number in numbers) else []
            if maps:
                cells[side] = maps[self.coarsest]
            for number in numbers:
                block = self.blocks[number]
                statistic = self.config.statistics[block.statistic]
                vectors.append(pooled(*maps[block.stride], statistic).cpu() if flags[number] else empty)
        return vectors, cells

    def gather(self, batch: Batch, view: int) -> None:
        all_blocks = torch.ones_like(self.taken)
        vectors, cells = self._vectors(batch, all_blocks)
        vectors, rows = [*map(ranks.all_rows, vectors)], ranks.all_rows(batch.index).cpu()
        maps = {side: [*map(ranks.all_rows, values)] for side, values in cells.items()}
        corrupted = []
        if len(self.sets) > 1 and view == 0 and self.gathered < ENOUGH:
            whole = Batch(*map(ranks.all_rows, (batch.image, batch.valid, batch.index)))  # each lends another one a patch
            changed, _ = foreign_patches(whole.image, whole.valid, whole.index)
            seen = self._vectors(replace(batch, image=ranks.own_rows(changed)), all_blocks)[0]
            corrupted = [*map(ranks.all_rows, seen)]
        if not ranks.collects():
            return
        self._clean.append(vectors)
        self._rows.append(rows)
        for side, (values, counts) in maps.items():
            self._cells[side].add(values, counts)
        if corrupted:
            self._corrupted.append(corrupted)
            self._corrupted_rows.append(rows)

    def fit(self) -> None:
        for side, gathered in enumerate(self._cells):
            mean, root, cells = gathered.fit()
            self.get_buffer(f"cell_mean_{side}").copy_(mean)
            self.get_buffer(f"cell_root_{side}").copy_(root)
            self._buffers[f"cells_{side}"] = cells.to(self.get_buffer(f"cells_{side}").device)
        rows = torch.cat(self._rows)
        corrupted_rows = torch.cat(self._corrupted_rows) if self._corrupted_rows else rows[:0]
        normal_blocks, corrupted_blocks = [], []  # standardised distances of held-out frames, (N,) and (M,) a block
        for number, (clean, corrupted) in enumerate(self._gathered_blocks()):
            distances = held_out(clean, rows, torch.cat([clean, corrupted]), torch.cat([rows, corrupted_rows]))
            gaussian = Gaussian.fit(clean, distances[: len(clean)])
            normal, foreign = ((distances - gaussian.usual[0]) / gaussian.usual[1]).split([len(clean), len(corrupted)])
            normal_blocks.append(normal)
            corrupted_blocks.append(foreign)
            self._keep(number, gaussian)
        self.taken.zero_()
        if len(self.sets) > 1:
            self.votes[:], self.errors[:] = set_votes(self.sets, normal_blocks, corrupted_blocks)
        self.taken[list(self.sets[chosen_set(self.sets, self.votes, self.errors)])] = True
        if self.config.folds:
            self._fit_without(rows, corrupted_rows)

    def _gathered_blocks(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the vectors of each block, (N, c) of the frames and (M, c) of those with a foreign patch."""
        for number in range(len(self.blocks)):
            clean = torch.cat([vectors[number] for vectors in self._clean])
            yield clean, torch.cat([vectors[number] for vectors in self._corrupted]) if self._corrupted else clean[:0]

    def _fit_without(self, rows: Tensor, corrupted_rows: Tensor) -> None:
        """Find what is usual, and which blocks are taken, without each fold, and keep the vectors that the Gaussians are of."""
        self.seen_folds, of_corrupted = self.folds(rows), self.folds(corrupted_rows)
        every, count = torch.cat([rows, corrupted_rows]), self.config.folds
        normal_blocks, corrupted_blocks = [], []  # (N, K) and (M, K)
        for number, (clean, corrupted) in enumerate(self._gathered_blocks()):
            self._buffers[f"seen_{number}"] = clean
            distances = held_out_without(clean, rows, self.seen_folds, count, torch.cat([clean, corrupted]), every)
            for fold in range(count):
                self.fold_usual[fold, number] = usual_of(distances[: len(clean), fold][self.seen_folds != fold])
            distances = (distances - self.fold_usual[:, number, 0]) / self.fold_usual[:, number, 1]
            normal_blocks.append(distances[: len(clean)])
            corrupted_blocks.append(distances[len(clean) :])
        self.fold_taken.zero_()
        for fold in range(count):
            normal = [of[self.seen_folds != fold, fold] for of in normal_blocks]
            foreign = [of[of_corrupted != fold, fold] for of in corrupted_blocks]
            chosen = chosen_set(self.sets, *set_votes(self.sets, normal, foreign)) if len(self.sets) > 1 else 0
            self.fold_taken[fold, list(self.sets[chosen])] = True
        for number in _marked(~self.fold_taken.any(0)):
            self._buffers[f"seen_{number}"] = self.get_buffer(f"seen_{number}")[:0]

    def look(self, batch: Batch) -> tuple[list[Tensor], dict[int, FeatureMap]]:
        return self._vectors(batch, self.taken | self.fold_taken.any(0) if self.config.folds else self.taken)

    def judge(self, looked: tuple[list[Tensor], dict[int, FeatureMap]], batch: Batch, without: int | None) -> Scores:
        """Score by the Gaussians; the map is by the cells of all frames, of which a fold is a small part."""
        vectors, cells = looked
        if without is not None:
            total = self.scores_without(looked, batch)[:, without]
        else:
            numbers = _marked(self.taken)
            total = sum(
                (self._gaussian(number).distance(vectors[number]) for number in numbers),
                torch.zeros(len(batch), dtype=torch.float64),
            ) / len(numbers)
        return Scores(total.float().to(batch.image.device), self._map(batch, cells))

    def scores_without(self, looked: tuple[list[Tensor], dict[int, FeatureMap]], batch: Batch) -> Tensor:
        total = torch.zeros(len(batch), self.config.folds, dtype=torch.float64)
        for number in _marked(self.fold_taken.any(0)):
            usual = self.fold_usual[:, number].cpu()  # (K, 2)
            distances = (self._gaussians_without(number).distance(looked[0][number]) - usual[:, 0]) / usual[:, 1]
            total += distances * self.fold_taken[:, number].cpu()
        return total / self.fold_taken.sum(1).cpu()

    def _gaussians_without(self, number: int) -> GaussiansWithout:
        if number not in self._without:
            seen, folds = self.get_buffer(f"seen_{number}").cpu(), self.seen_folds.cpu()
            self._without[number] = GaussiansWithout(seen, folds, self.config.folds)
        return self._without[number]

    def _map(self, batch: Batch, cells: dict[int, FeatureMap]) -> Tensor:
        """Return the anomaly map (B, 1, S, S) by the coarsest map of the largest of the sides that were looked at."""
        side = max(cells, key=lambda number: self.nets[number].settings.side)
        mean, root, normal = (self.get_buffer(f"{name}_{side}") for name in ("cell_mean", "cell_root", "cells"))
        return self.localised(cell_distance(cells[side].values, mean, root, normal), batch.valid)

    def local_views(self, batch: Batch) -> list[Tensor]:
        return [] if self.config.folds else self._vectors(batch, self.taken)[0]

    def adapt(self, views: Sequence[Tensor]) -> float:
        numbers = _marked(self.taken)
        gaussians, share = move_gaussians([self._gaussian(number) for number in numbers], [views[number] for number in numbers])
        for number, gaussian in zip(numbers, gaussians, strict=True):
            self._keep(number, gaussian)
        return share

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        self._without = {}
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def _keep(self, number: int, gaussian: Gaussian) -> None:
        for name, value in gaussian._asdict().items():
            self.get_buffer(f"{name}_{number}").copy_(value)

    def _gaussian(self, number: int) -> Gaussian:
        return Gaussian(*(self.get_buffer(f"{name}_{number}").cpu() for name in Gaussian._fields))


def _marked(flags: Tensor) -> list[int]:
    """Return the numbers of the flags (n,) bool that are set; read as a list, since no graph has lengths that hang on values."""
    return [number for number, is_set in enumerate(flags.tolist()) if is_set]


def _sets(blocks: list[Block], counts: tuple[int, int]) -> list[tuple[int, ...]]:
    """Return the sets of blocks to choose from: all statistics of some sizes and neighbouring maps."""

    def runs(count: int) -> list[range]:
        return [range(first, last) for first, last in combinations(range(count + 1), 2)]

    return [
        tuple(number for number, block in enumerate(blocks) if block.side in side and block.stride in stride)
        for side in runs(counts[0])
        for stride in runs(counts[1])
    ]
