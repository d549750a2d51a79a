"""Few normal frames of another place: what a run says of each when the others have moved it, and what all of them make of it.

One set of frames so serves twice: it moves what the run holds for normal (`Backend.adapt`, the Gaussians of components that are a
distance) and says where the threshold lies, since no frame has a part in the detector that scores it. Frames of one group, which
resemble each other, are left out together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from medgen.contract.backend import Backend
from medgen.data.dataset import FixedBatches
from medgen.data.prepared import Prepared, evenly_spaced
from medgen.engine.fixed_shape import in_fixed_shape
from medgen.engine.score import Scorer
from medgen.metrics.fusion import fuse
from medgen.nn.features.feature_gaussian import FeatureGaussian
from medgen.runs.calibrating.calibrate import fused_components
from medgen.runs.calibrating.normal_frames import score_normals
from medgen.runs.run import Run
from medgen.types import OnProgress, Progress

MOST_FOLDS = 40  # of more groups, several are left out together
MOST_MOVING = 200  # frames that move a run; the threshold comes from all


class Moved(NamedTuple):
    """A run's detector with what all frames have moved.

    Attributes
    ----------
    weights : of the model
    reference : what normal frames are like, for components that are a distance from them
    shares : of the frames in what was moved, 0 to 1: "model", and each component by its name; {} where nothing moved
    """

    weights: dict[str, Tensor]
    reference: Mapping[str, FeatureGaussian]
    shares: dict[str, float]


class Movable:
    """The detector of a run, and how chosen frames move it; each move begins with the run as it was trained.

    Parameters
    ----------
    run : a trained one
    data, rows : the frames; `MOST_MOVING` of them, at even steps, may move it
    device : where they are looked at
    fixed : nothing moves
    """

    def __init__(
        self,
        run: Run,
        data: Prepared,
        rows: NDArray[np.int64],
        device: torch.device,
        on_progress: OnProgress,
        fixed: bool = False,
    ) -> None:
        self.model: Backend = run.trained_model()
        self.reference = run.normal_reference()
        self.own = {name: weights.clone() for name, weights in self.model.state_dict().items()}, self.reference
        self.places = evenly_spaced(len(rows), MOST_MOVING)
        self.views: list[Tensor] = []
        self.pooled: dict[str, list[Tensor]] = {}
        if not fixed:
            self._look(run, FixedBatches(data, rows[self.places], run.settings.data), device, on_progress)

    @property
    def moves(self) -> bool:
        """Whether anything of it can be moved."""
        return bool(self.views or self.pooled)

    def move(self, chosen: NDArray[np.bool_]) -> Moved:
        """Move the model and the reference of the run towards those frames, (N,) bool, that may move it."""
        weights, self.reference = self.own
        self.model.load_state_dict(weights)
        kept = torch.from_numpy(chosen[self.places])
        shares: dict[str, float] = {}
        if self.views:
            shares["model"] = self.model.cpu().adapt([view[kept] for view in self.views])
        for name, blocks in self.pooled.items():
            moved, shares[name] = self.reference[name].moved([block[kept] for block in blocks])
            self.reference = {**self.reference, name: moved}
        return Moved(self.model.state_dict(), self.reference, shares)

    @torch.inference_mode()
    def _look(self, run: Run, batches: FixedBatches, device: torch.device, on_progress: OnProgress) -> None:
        scorer = Scorer(self.model.to(device).eval(), run.settings.scoring)
        views: list[list[Tensor]] = []
        pooled: list[dict[str, list[Tensor]]] = []
        for done, batch in enumerate(batches, start=1):
            here = batch.to(device)
            views.append([view.cpu() for view in in_fixed_shape(self.model.local_views, here)])
            blocks = in_fixed_shape(scorer.pooled, here)
            pooled.append({name: [block.cpu() for block in own] for name, own in blocks.items()})
            on_progress(Progress("look", done, len(batches)))
        self.views = [torch.cat(parts) for parts in zip(*views, strict=True)]
        self.pooled = {name: [torch.cat(parts) for parts in zip(*(of[name] for of in pooled), strict=True)] for name in pooled[0]}


def score_left_out(
    run: Run,
    data: Prepared,
    rows: NDArray[np.int64],
    groups: NDArray[np.str_],
    detector: Movable,
    device: torch.device,
    on_progress: OnProgress,
) -> tuple[pd.DataFrame, NDArray[np.float32] | None]:
    """Return raw scores and components, one row a frame, of detectors that other groups moved, and pixels of the maps.

    Where nothing can move, this is one pass over all frames.

    Parameters
    ----------
    rows : (N,) of the data set
    groups : (N,) names, equal for frames that belong together
    """
    folds = np.unique(groups, return_inverse=True)[1] % MOST_FOLDS if detector.moves else np.zeros(len(rows), dtype=int)
    tables, pixels = [], []
    for fold in range(int(folds.max()) + 1):
        out = folds == fold
        if detector.moves:
            detector.move(~out)
        table, drawn = score_normals(run, data, rows[out], detector.model, detector.reference, device, lambda progress: None)
        tables.append(table.set_axis(np.flatnonzero(out)))
        pixels += [] if drawn is None else [drawn]
        on_progress(Progress("leave out", fold + 1, int(folds.max()) + 1))
    return pd.concat(tables).sort_index(), np.concatenate(pixels) if pixels else None


def fuse_left_out(run: Run, table: pd.DataFrame, groups: NDArray[np.str_]) -> tuple[NDArray[np.float64], dict[str, list[float]]]:
    """Return the fused score (N,) of each frame by the components of other groups, and those of all, to fuse others by."""
    names = fused_components([*table.columns], run.settings.scoring.fuse)
    either = fused_components([*table.columns], run.settings.scoring.two_sided)
    folds = np.unique(groups, return_inverse=True)[1] % MOST_FOLDS
    scores = np.empty(len(table))
    for fold in range(int(folds.max()) + 1):
        out = folds == fold
        own, others = ({name: table[name][which] for name in names} for which in (out, ~out))
        scores[out] = fuse(others, own, either)
    return scores, {name: table[name].tolist() for name in names}
