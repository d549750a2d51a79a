"""The frames and folds of a run that is calibrated by the frames that it is fitted to."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from medgen import registry
from medgen.contract.backend import Backend
from medgen.contract.capabilities import LeavesOut
from medgen.data.dataset import DataSettings, TrainingBatches
from medgen.data.prepared import Prepared
from medgen.engine.score_components import ScoringSettings
from medgen.metrics.cross_conformal import group_folds
from medgen.metrics.units import statistical_units


class Folds(NamedTuple):
    """Which frames are fitted to, and which of them are left out together.

    Attributes
    ----------
    rows : (n,) of the data set
    folds : (n,) int64, 0 to K - 1; frames of a group are in one
    groups : (n,) names, equal for frames that belong together
    """

    rows: NDArray[np.int64]
    folds: NDArray[np.int64]
    groups: NDArray[np.str_]

    @property
    def folds_in_all(self) -> int:
        return int(self.folds.max()) + 1

    def of_rows(self, total: int) -> NDArray[np.int64]:
        """Return the fold of each of `total` rows of the data set, 0 for one that is not fitted to."""
        every = np.zeros(total, dtype=np.int64)
        every[self.rows] = self.folds
        return every


def find_folds(data: Prepared, settings: DataSettings, scoring: ScoringSettings, seed: int) -> Folds:
    """Divide all normal frames of splits train and val, the same way for the same seed.

    Raises
    ------
    DataError, MedgenError : if there are none, or they are all of one group.
    """
    rows = TrainingBatches(data, settings, seed, with_val=True).rows
    groups = statistical_units(data.index["group"].iloc[rows])
    count = len(set(groups.tolist())) if scoring.calibration == "jackknife+" else scoring.folds
    return Folds(rows, group_folds(groups, count, seed), groups)


def divide(model: Backend, data: Prepared, settings: DataSettings, scoring: ScoringSettings, seed: int) -> None:
    """Tell a backend with fresh weights which frames are left out together, where the settings have some left out.

    Raises
    ------
    BackendError : if it cannot be fitted without them; the message names the backends that can.
    """
    if scoring.leaves_out:
        folds = find_folds(data, settings, scoring, seed).of_rows(len(data.index))
        registry.require(model, LeavesOut).divide(torch.from_numpy(folds))
