"""Mean and covariance of image features, and the Fréchet distance between two sets of them (FID is one).

Batches of features (N, F) come in; a Gaussian fitted to all of them, and one distance for a pair of Gaussians, go out.

Heusel et al. 2017, https://arxiv.org/abs/1706.08500; Dowson and Landau 1982, The Fréchet distance between multivariate normal
distributions.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medgen.errors import MedgenError

BLOCK = 1024  # rows that are folded in at once, at least


class Moments:
    """Mean and covariance of features that arrive in batches; memory does not grow with their number.

    Rows wait until there are as many as features (at least `BLOCK`) and are then folded in (Chan, Golub and LeVeque 1983): one
    large matrix product is faster than many small ones. Of fewer rows than features, the rows themselves, centred, are a root of
    the covariance, and no eigenvalues are needed.

    Attributes
    ----------
    count : number of rows so far
    width : number of features F; 0 before the first batch
    """

    def __init__(self) -> None:
        self.count = 0
        self.width = 0
        self._waiting: list[NDArray[np.float64]] = []
        self._folded = 0
        self._mean: NDArray[np.float64] = np.zeros(0)
        self._scatter: NDArray[np.float64] = np.zeros((0, 0))

    def add(self, features: Tensor) -> None:
        """Take in a batch.

        Parameters
        ----------
        features : (N, F), finite

        Raises
        ------
        MedgenError : if the shape does not fit the batches before it, or a value is not finite.
        """
        check_features(features)
        if self.width and features.shape[1] != self.width:
            raise MedgenError(
                f"features came {features.shape[1]} wide after batches of {self.width}; one extractor gives one width"
            )
        self.width = features.shape[1]
        limit = max(self.width, BLOCK)
        for block in features.detach().split(limit):
            self._waiting.append(block.cpu().to(torch.float64, copy=True).numpy())
            self.count += len(block)
            if self.count - self._folded >= limit:
                self._fold()

    @property
    def mean(self) -> NDArray[np.float64]:
        """Mean of the rows, (F,) float64; at least one row is needed."""
        waiting = sum((block.sum(0) for block in self._waiting), np.zeros(self.width))
        return (waiting + self._folded * self._mean if self._folded else waiting) / self.count

    @property
    def covariance(self) -> NDArray[np.float64]:
        """Unbiased covariance (divisor N - 1), (F, F) float64; MedgenError if there are fewer than two rows."""
        self._check_count()
        self._fold()
        return self._scatter / (self.count - 1)

    def root(self) -> NDArray[np.floating]:
        """Return A (F, r) with A Aᵀ the covariance, r at most F and at most the number of rows.

        Raises
        ------
        MedgenError : if there are fewer than two rows.
        """
        self._check_count()
        if not self._folded and self.count <= self.width:
            return (np.concatenate(self._waiting) - self.mean).T / (self.count - 1) ** 0.5  # (F, N)
        covariance = self.covariance
        try:
            return np.linalg.cholesky(covariance)  # (F, F), ten times as fast as eigenvalues
        except np.linalg.LinAlgError:  # the covariance is singular
            values, vectors = np.linalg.eigh(covariance)
            positive = _above_rounding(values)
            return vectors[:, positive] * np.sqrt(values[positive])  # (F, r)

    def _fold(self) -> None:
        if not self._waiting:
            return
        rows = np.concatenate(self._waiting)
        self._waiting = []
        mean = rows.mean(0)
        rows -= mean
        scatter = rows.T @ rows  # (F, F)
        if self._folded:
            shift = mean - self._mean
            scatter += self._scatter + np.outer(shift, shift) * (self._folded * len(rows) / self.count)
            mean = self._mean + shift * (len(rows) / self.count)
        self._folded, self._mean, self._scatter = self.count, mean, scatter

    def _check_count(self) -> None:
        if self.count < 2:
            raise MedgenError(f"a covariance needs at least 2 samples, got {self.count}")


def frechet_distance(a: Moments, b: Moments) -> float:
    """Return the squared Fréchet distance of the two Gaussians with these moments (Dowson and Landau 1982).

    With means m, n and covariances S, T it is |m - n|² + trace(S + T - 2 (S T)^½). With S = A Aᵀ, the trace of (S T)^½ is the sum
    of the square roots of the eigenvalues of Aᵀ T A. That matrix is symmetric, so no root is complex, and with fewer rows than
    features it is no larger than the number of rows.

    Parameters
    ----------
    a, b : at least 2 rows each, of one width

    Returns
    -------
    At least 0, in the squared unit of the features.

    Raises
    ------
    MedgenError : if they have too few rows or differ in width.
    """
    if a.width != b.width:
        raise MedgenError(f"features are {a.width} and {b.width} wide; a distance needs one extractor for both")
    smaller, larger = (a, b) if a.count <= b.count else (b, a)
    root = smaller.root()  # (F, r)
    covariance = larger.covariance  # (F, F)
    eigenvalues = np.linalg.eigvalsh(root.T @ covariance @ root)  # (r,)
    cross = np.sqrt(eigenvalues[_above_rounding(eigenvalues)]).sum()
    trace = np.square(root).sum() + covariance.trace() - 2 * cross
    return max(0.0, float(np.square(a.mean - b.mean).sum() + trace))


def _above_rounding(values: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Tell which eigenvalues (in rising order) are larger than rounding errors; the root of a rounding error is not small."""
    return values > max(values[-1], 0.0) * len(values) * np.finfo(np.float64).eps


def check_features(features: Tensor) -> None:
    """Raise MedgenError unless the features are (N, F) and finite."""
    if features.ndim != 2 or features.shape[1] == 0:
        raise MedgenError(f"features have shape {tuple(features.shape)}; expected (N, F)")
    if not features.isfinite().all():
        raise MedgenError("features hold NaN or infinite values; find the images that gave them, or the net that did")
