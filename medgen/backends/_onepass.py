"""What detectors share that fit in one pass: they look at each training frame once, through a fixed net, and have no loss.

So cheap a fit can be had without each of several folds of the frames, too: then the frames say how rare a score is, and no others
have to be kept for that (`metrics/cross_conformal.py`).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from medgen import ranks
from medgen.config import Settings
from medgen.contract.backend import Backend, Losses, Player
from medgen.errors import BackendError
from medgen.nn.features.feature_maps import LayerSettings, MidLayers, smooth_map
from medgen.nn.features.placed import placed
from medgen.nn.host import OnHost, written_down
from medgen.types import Batch, DataRequirements, Scores

MOST_KEPT = 10**9  # bytes of all that is kept without each fold


class OnePassConfig(Settings):
    """Settings of every detector that fits in one pass."""

    features: LayerSettings = LayerSettings()
    views: Literal[1, 2, 4, 8] = 1  # of each training frame: 2 mirrored too, 4 and 8 turned by quarters, for frames without an up
    sigma: float = Field(4.0, ge=0)  # of the Gaussian that smooths the map, in pixels of a frame of 224; scales with the size
    folds: int = Field(0, ge=0, le=10**6)  # of training frames, each left out of a fit; scoring.calibration fills it in


class OnePass(OnHost, Backend):
    """A detector that gathers in `turns` and fits in `finalise_fit`; a subclass adds what is abstract here.

    Attributes
    ----------
    layers : the fixed network
    fingerprint : (8,) uint8 of the network's weights, saved with the run
    gathered : frames that were looked at so far
    fold_of : (N,) int64, the fold of each row of the data set, as `divide` was told
    without : the fold that `score` leaves out; "own" for that of each frame, None for none
    own_scores, own_folds, own_shares : (n,) of the frames that it was fitted to, as `keep_own` was told; empty before that
    """

    monitor = ""
    divides = True
    on_host = ("fingerprint", "own_scores", "own_folds", "own_shares")
    config: OnePassConfig
    fingerprint: Tensor
    own_scores: Tensor
    own_folds: Tensor
    own_shares: Tensor

    def __init__(self, config: OnePassConfig, size: int, channels: int) -> None:
        super().__init__(config, size, channels)
        self.layers = MidLayers(config.features)
        self.register_buffer("fingerprint", self.layers.fingerprint.clone())
        self.gathered = 0
        self.without: int | Literal["own"] | None = None
        self.of_frames: list[str] = []  # buffers as long as there are frames
        if config.folds:
            self.of_frames += ["own_scores", "own_folds", "own_shares"]
            for name, kind in zip(self.of_frames, (torch.float32, torch.int64, torch.float64), strict=True):
                self.register_buffer(name, torch.zeros(0, dtype=kind))

    @classmethod
    def requirements(cls, config: Settings) -> DataRequirements:
        return DataRequirements(single_pass=True)

    @property
    def players(self) -> dict[str, Player]:
        return {}

    def divide(self, folds: Tensor) -> None:
        """Take the fold of each row of the data set, (N,) int64; before the fit."""
        self.fold_of = folds

    def leave_out(self, fold: int | Literal["own"] | None) -> None:
        self.without = fold

    def keep_own(self, scores: Tensor, folds: Tensor, shares: Tensor) -> None:
        self.own_scores, self.own_folds, self.own_shares = scores.float(), folds, shares.double()

    def turns(self, batch: Batch, progress: float) -> Iterator[tuple[str, Losses]]:
        """Gather; nothing has a gradient."""
        with torch.no_grad(), torch.autocast(batch.image.device.type, enabled=False):
            for view in range(self.config.views):
                self.gather(replace(batch, image=_turned(batch.image, view), valid=_turned(batch.valid, view)), view)
        self.gathered += ranks.count() * len(batch)
        yield from ()

    def folds(self, index: Tensor) -> Tensor:
        """Return the fold of frames (B,) by their rows of the data set; 0 where there are no folds."""
        return self.fold_of[index.cpu()] if self.config.folds else torch.zeros(len(index), dtype=torch.int64)

    @abstractmethod
    def gather(self, batch: Batch, view: int) -> None:
        """Keep what `fit` needs of a batch in one view, a number below `views`; view 0 is the frames as they are.

        Where a batch is divided among ranks, the first one keeps what all saw (`ranks.all_rows`), and alone is fitted.
        """

    def finalise_fit(self) -> None:
        """Compute the weights from what was gathered.

        Raises
        ------
        BackendError : if that is too little.
        """
        if self.gathered < 2:
            raise BackendError(f"a fit needs at least 2 training frames, got {self.gathered}")
        with torch.no_grad():
            self.fit()

    @abstractmethod
    def fit(self) -> None:
        """Fill the buffers from what `gather` kept."""

    def score(self, batch: Batch) -> Scores:
        """Score by all frames, or without a fold; where own scores are known, the score is moved to its place among them.

        Raises
        ------
        BackendError : while such places would be written down as a graph.
        """
        self.layers.check(self.fingerprint)
        looked = self.look(batch)
        if self.without == "own":
            return self._judge_without_own(looked, batch)
        scores = self.judge(looked, batch, self.without)
        if self.without is not None or not self.config.folds or not len(self.own_scores):
            return scores
        if written_down():  # a frame of the fit is as high as its own score: any other rounding would put it elsewhere
            raise BackendError(
                "calibration cv+ and jackknife+ put each score in its place among the frames of the fit, which another program's "
                'rounding would change; a run with scoring.calibration = "split" has a graph'
            )
        others = self.scores_without(looked, batch)
        moved = placed(scores.score.cpu(), others.cpu(), self.own_scores, self.own_folds, self.own_shares)
        return replace(scores, score=moved.to(scores.score.device))

    def _judge_without_own(self, looked: Any, batch: Batch) -> Scores:
        """Score each frame without its own fold."""
        folds = self.folds(batch.index)
        whole = self.judge(looked, batch, int(folds[0]))
        for fold in folds.unique().tolist():
            here, other = (folds == fold).to(batch.image.device), self.judge(looked, batch, fold)
            whole.score[here] = other.score[here]
            for name, values in other.components.items():
                whole.components[name][here] = values[here]
            if whole.map is not None and other.map is not None:
                whole.map[here] = other.map[here]
        return whole

    @abstractmethod
    def look(self, batch: Batch) -> Any:
        """Return what the network sees of the frames."""

    @abstractmethod
    def judge(self, looked: Any, batch: Batch, without: int | None) -> Scores:
        """Score frames by what `look` returned: by all training frames, or by those that are not of a fold."""

    def scores_without(self, looked: Any, batch: Batch) -> Tensor:
        """Return the score by the training frames without each fold, (B, K)."""
        return torch.stack([self.judge(looked, batch, fold).score for fold in range(self.config.folds)], 1)

    def keep_each(self, name: str, weights: Tensor) -> None:
        """Add a buffer NAME of as many `weights` as there are folds.

        Raises
        ------
        BackendError : if they are too large together.
        """
        kept = self.config.folds * weights.numel() * weights.element_size()
        if kept > MOST_KEPT:
            raise BackendError(
                f"without each of {self.config.folds} folds, {kept / 1e9:.3g} GB of {name} would be kept, more than "
                f'{MOST_KEPT / 1e9:g}; take scoring.calibration = "cv+" with fewer folds, or dfm, which keeps none'
            )
        self.register_buffer(name, weights.expand(self.config.folds, *weights.shape).contiguous())

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        """Make room for the buffers that are as long as there were frames."""
        for name in self.of_frames:
            if (value := state_dict.get(f"{prefix}{name}")) is not None:
                self._buffers[name] = torch.zeros_like(value)
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def localised(self, grid: Tensor, valid: Tensor) -> Tensor:
        """Return the smoothed map (B, 1, S, S) of the values (B, 1, h, w) of a grid, 0 outside valid (B, 1, S, S)."""
        return smooth_map(grid, valid, self.config.sigma)


def top(values: Tensor, counts: Tensor) -> Tensor:
    """Return the highest of the values (B, ...) that count, (B,); 0 for a frame with none."""
    return values.masked_fill(~counts, -torch.inf).flatten(1).amax(1).clamp_min(0)


def _turned(frames: Tensor, view: int) -> Tensor:
    """Return one of the eight views of a square frame (B, C, S, S): odd ones mirrored, turned by view // 2 quarters."""
    mirrored = frames.flip(3) if view % 2 else frames
    return mirrored.rot90(view // 2, (2, 3))
