"""One Gaussian for the cells of a feature map, wherever they lie, by which a frame is localised that has one vector itself."""

from __future__ import annotations

import torch
from torch import Tensor

FEWEST = 2  # cells that have a covariance
SHARE = 0.7  # of the mean variance, below which a principal component is left out


class CellGaussian:
    """Sums of the cells of normal frames while they are gathered, and the Gaussian that follows from them.

    Only the leading principal components are looked at, whitened: of cells as of whole frames the last ones are mostly noise, and
    a distance over all of them says less of where an anomaly is. A component counts whose variance is at least 0.7 of the mean
    one (Jolliffe 1972, "Discarding variables in a principal component analysis", https://doi.org/10.2307/2346488), which normal
    frames alone decide.

    Parameters
    ----------
    width : features c of a cell
    """

    def __init__(self, width: int) -> None:
        self.count = 0
        self.sums = torch.zeros(width, dtype=torch.float64)
        self.squares = torch.zeros(width, width, dtype=torch.float64)

    def add(self, values: Tensor, counts: Tensor) -> None:
        """Add the cells of maps (B, c, h, w) that count, (B, 1, h, w) bool."""
        cells = values.movedim(1, 3)[counts[:, 0]].double().cpu()  # (n, c)
        self.count += len(cells)
        self.sums += cells.sum(0)
        self.squares += cells.T @ cells

    def fit(self) -> tuple[Tensor, Tensor]:
        """Return the mean (c,) and the root (c, c): `cell_distance` takes both. Columns of what does not count are 0."""
        if self.count < FEWEST:
            return self.sums, torch.zeros_like(self.squares)
        mean = self.sums / self.count
        variances, directions = torch.linalg.eigh(self.squares / self.count - torch.outer(mean, mean))
        counting = (variances >= SHARE * variances.mean()) & (variances > 0)
        scales = counting / variances.clamp_min(torch.finfo(torch.float64).tiny).sqrt() / counting.sum().clamp_min(1).sqrt()
        return mean, directions * scales


def cell_distance(values: Tensor, mean: Tensor, root: Tensor) -> Tensor:
    """Return the mean of the squared whitened components of maps (B, c, h, w), (B, 1, h, w): about 1 of a normal cell."""
    whitened = torch.einsum("bchw,ck->bkhw", values - mean[:, None, None].to(values), root.to(values))
    return whitened.square().sum(1, keepdim=True)
