"""Cells of the feature maps of normal frames, wherever they lie, by which a frame is localised that has one vector itself."""

from __future__ import annotations

import torch
from torch import Tensor

FEWEST = 2  # cells that have a covariance
SHARE = 0.7  # of the mean variance, below which a principal component is left out
MOST = 10_000  # cells that are kept, drawn at random from all


class NormalCells:
    """What is kept of the cells of normal frames while they are gathered, and what the map needs of them.

    A cell is as unusual as it is far from the nearest normal one. The distance is of the leading principal components, whitened:
    the last ones are mostly noise. A component counts whose variance is at least 0.7 of the mean one (Jolliffe 1972, "Discarding
    variables in a principal component analysis", https://doi.org/10.2307/2346488), which normal frames alone decide.

    Parameters
    ----------
    width : features c of a cell
    """

    def __init__(self, width: int) -> None:
        self.count = 0
        self.sums = torch.zeros(width, dtype=torch.float64)
        self.squares = torch.zeros(width, width, dtype=torch.float64)
        self._cells = torch.zeros(0, width)
        self._keys = torch.zeros(0)  # random numbers; the cells with the smallest ones stay
        self._draw = torch.Generator().manual_seed(0)

    def add(self, values: Tensor, counts: Tensor) -> None:
        """Add the cells of maps (B, c, h, w) that count, (B, 1, h, w) bool."""
        cells = values.movedim(1, 3)[counts[:, 0]].cpu()  # (n, c)
        self.count += len(cells)
        self.sums += cells.double().sum(0)
        self.squares += cells.double().T @ cells.double()
        keys = torch.cat([self._keys, torch.rand(len(cells), generator=self._draw)])
        kept = keys.argsort()[:MOST].sort().values
        self._cells, self._keys = torch.cat([self._cells, cells.float()])[kept], keys[kept]

    def fit(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return the mean (c,), the root (c, c), whose last k columns whiten what counts, and cells (n, k) in these columns."""
        if self.count < FEWEST:
            return self.sums, torch.zeros_like(self.squares), self._cells[:, :0]
        mean = self.sums / self.count
        variances, directions = torch.linalg.eigh(self.squares / self.count - torch.outer(mean, mean))  # from small to large
        counting = (variances >= SHARE * variances.mean()) & (variances > 0)
        scales = counting / variances.clamp_min(torch.finfo(torch.float64).tiny).sqrt() / counting.sum().clamp_min(1).sqrt()
        root = directions * scales
        return mean, root, ((self._cells.double() - mean) @ root[:, len(root) - int(counting.sum()) :]).float()


def cell_distance(values: Tensor, mean: Tensor, root: Tensor, cells: Tensor) -> Tensor:
    """Return how far the cells of maps (B, c, h, w) are from the nearest normal one of (n, k), (B, 1, h, w); 0 without any."""
    if not cells.numel():
        return torch.zeros_like(values[:, :1])
    whitened = (values - mean[:, None, None].to(values)).movedim(1, 3) @ root[:, len(root) - cells.shape[1] :].to(values)
    own = whitened.flatten(0, 2)  # (B h w, k)
    nearest = cells[torch.cdist(own, cells).argmin(1)]
    return (own - nearest).norm(dim=1).view(whitened.shape[:3])[:, None]  # cdist itself is not exact for small distances
