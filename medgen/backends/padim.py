"""PaDiM: at each position of a frame, a Gaussian of the features that a fixed network has of normal frames there.

Source: Defard et al. 2021, "PaDiM: a Patch Distribution Modeling Framework for Anomaly Detection and Localization",
https://arxiv.org/abs/2011.08785. Anomaly score: the highest of the Mahalanobis distances of a frame's
features from the Gaussians of their positions, smoothed as the map is.

Shape letters beside those of `Batch`: P = h w positions on the grid of the finest map, D features at each.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from pydantic import Field
from torch import Tensor

from medgen import ranks
from medgen.backends._onepass import OnePass, OnePassConfig, top
from medgen.nn.features.few_frames import AS_IT_IS, likeliest, moved
from medgen.nn.features.gaussian import whitening
from medgen.types import Batch, Scores

BLOCK = 64  # positions that are moved together
FEWEST = 2  # frames that have a covariance; what fewer show would be far from any other frame


class Config(OnePassConfig):
    """Settings of PaDiM."""

    width: int = Field(100, ge=1)  # features at each position, drawn at random from those of all maps
    regular: float = Field(0.01, gt=0)  # added to each variance


class Model(OnePass):
    """The components "highest" and "mean" are of the distances before they are smoothed."""

    config: Config
    chosen: Tensor
    means: Tensor
    roots: Tensor
    fold_means: Tensor
    fold_roots: Tensor

    def __init__(self, config: Config, size: int, channels: int) -> None:
        super().__init__(config, size, channels)
        total, positions = sum(self.layers.widths), self.layers.grid[0] * self.layers.grid[1]
        width = min(config.width, total)
        self.register_buffer("chosen", torch.randperm(total)[:width].sort().values)
        self.register_buffer("means", torch.zeros(positions, width))
        self.register_buffer("roots", torch.eye(width).expand(positions, width, width).contiguous())
        if config.folds:
            self.keep_each("fold_means", self.means)
            self.keep_each("fold_roots", self.roots)
        self._sums: dict[int, list[Tensor]] = {}  # of the frames of a fold, at each position: counts, sums, sums of products

    def _vectors(self, image: Tensor, valid: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return vectors (P, B, D), which of them count (P, B), and the same as (B, 1, h, w)."""
        features, counts = self.layers.joined(image, valid)
        return features[:, self.chosen].flatten(2).permute(2, 0, 1), counts.flatten(1).T, counts  # (B, D, h, w) to (P, B, D)

    def gather(self, batch: Batch, view: int) -> None:
        seen = self._vectors(batch.image, batch.valid)
        vectors, counts = (ranks.all_rows(values.transpose(0, 1)).transpose(0, 1) for values in seen[:2])
        vectors, folds = vectors * counts[..., None], self.folds(ranks.all_rows(batch.index))
        if not ranks.collects():
            return
        for fold in folds.unique().tolist():
            chosen = slice(None) if (folds == fold).all() else (folds == fold).to(vectors.device)
            # in float64: a covariance is what squares of features leave where those of their mean are taken off
            own, number = vectors[:, chosen].double(), counts[:, chosen].sum(1).double()  # (P, n, D) and (P,)
            parts = [number, own.sum(1), own.transpose(1, 2) @ own]  # (P,), (P, D), (P, D, D)
            before = self._sums.get(fold, [torch.zeros_like(part) for part in parts])
            self._sums[fold] = [one + other for one, other in zip(before, parts, strict=True)]

    def fit(self) -> None:
        total = [sum(parts[1:], parts[0]) for parts in zip(*self._sums.values(), strict=True)]
        self._fill(total, self.means, self.roots)
        for fold in range(self.config.folds):
            own = self._sums.get(fold)
            rest = total if own is None else [every - part for every, part in zip(total, own, strict=True)]
            self._fill(rest, self.fold_means[fold], self.fold_roots[fold])

    def _fill(self, sums: Sequence[Tensor], means: Tensor, roots: Tensor) -> None:
        """Compute the Gaussians (P, D) and (P, D, D) from sums over frames; a place too few show takes that of all places."""
        identity = torch.eye(means.shape[1], dtype=torch.float64)
        everywhere = [part.sum(0) for part in sums]
        for position, shown in enumerate((sums[0] >= FEWEST).tolist()):
            number, total, products = [part[position] for part in sums] if shown else everywhere
            count = max(1.0, float(number))
            mean = (total / count).cpu()
            scatter = products.cpu() - count * torch.outer(mean, mean)
            means[position] = mean.to(means)
            roots[position] = whitening(scatter / max(1.0, count - 1) + self.config.regular * identity).to(roots)

    def look(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        return self._vectors(batch.image, batch.valid)

    def judge(self, looked: tuple[Tensor, Tensor, Tensor], batch: Batch, without: int | None) -> Scores:
        vectors, _, counts = looked
        means, roots = (self.means, self.roots) if without is None else (self.fold_means[without], self.fold_roots[without])
        distances = ((vectors - means[:, None]) @ roots).norm(dim=2).T.reshape(counts.shape) * counts  # (B, 1, h, w)
        smoothed = self.localised(distances, batch.valid)
        mean = distances.flatten(1).sum(1) / counts.flatten(1).sum(1).clamp_min(1)
        return Scores(top(smoothed, batch.valid), smoothed, {"highest": top(distances, counts), "mean": mean})

    def local_views(self, batch: Batch) -> list[Tensor]:
        if self.config.folds:
            return []
        vectors, counted, _ = self._vectors(batch.image, batch.valid)
        return [vectors.transpose(0, 1).cpu(), counted.T.cpu()]  # (B, P, D) and (B, P)

    def adapt(self, views: Sequence[Tensor]) -> float:
        vectors, counted = views[0].transpose(0, 1), views[1].T.bool()  # (P, n, D), (P, n)
        means, roots = self.means.cpu().double(), self.roots.cpu().double()
        blocks = [slice(start, start + BLOCK) for start in range(0, len(means), BLOCK)]
        whitened = [((vectors[block].double() - means[block, None]) @ roots[block], counted[block]) for block in blocks]
        own = likeliest(whitened)
        if own == AS_IT_IS:
            return 0.0
        for block, (local, counts) in zip(blocks, whitened, strict=True):
            mean, root = moved(local, counts, own)  # where the Gaussian of each position is a standard one
            self.means[block] = (means[block] + torch.linalg.solve(roots[block].transpose(1, 2), mean)).to(self.means)
            self.roots[block] = (roots[block] @ root).to(self.roots)
        return own.share(len(views[0]))
