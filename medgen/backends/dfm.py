"""DFM: the Gaussian of what a fixed net makes of whole normal frames.

Source: Ahuja et al. 2019, "Probabilistic Modeling of Deep Features for Out-of-Distribution and Adversarial Detection",
https://arxiv.org/abs/1909.11786; the covariance is shrunk (Ledoit and Wolf 2004) where the source cuts dimensions off.
Anomaly score: the squared Mahalanobis distance of a frame's mean mid-layer features, divided by how many numbers they are.

Which maps at which size are taken is chosen on training frames alone: of those held out, the Gaussian of the others has to tell
frames with a foreign patch from frames without.
"""

from __future__ import annotations

from itertools import product

import torch
from torch import Tensor

from medgen.backends._onepass import OnePass, OnePassConfig
from medgen.nn.gaussian import shrunk_covariance, whitening
from medgen.nn.midlayers import LayerSettings, MidLayers
from medgen.nn.synthetic import foreign_patches
from medgen.types import Batch, Scores

FOLDS = 4
ENOUGH = 2000  # frames to choose by


class Config(OnePassConfig):
    """Settings of DFM; `features` says which net, and which maps at which size where there is no choice."""

    features: LayerSettings = LayerSettings(side=320, strides=(8, 16, 32))
    sides: tuple[int, ...] = (224, 320)  # to choose from; () takes that of `features`
    stride_sets: tuple[tuple[int, ...], ...] = ((16,), (32,), (8, 16), (16, 32), (8, 16, 32))  # () takes those of `features`


class Model(OnePass):
    """Nothing is localised: a frame has one vector. `votes` are how well each candidate told held-out frames from spoilt ones."""

    config: Config
    mean: Tensor
    root: Tensor
    choice: Tensor
    votes: Tensor

    def __init__(self, config: Config, size: int, channels: int) -> None:
        super().__init__(config, size, channels)
        sides = config.sides or (config.features.side,)
        sets = config.stride_sets or (config.features.strides,)
        self.strides = tuple(sorted({stride for strides in sets for stride in strides}))
        self.nets = [MidLayers(config.features.model_copy(update={"side": side, "strides": self.strides})) for side in sides]
        self.candidates = [*product(range(len(sides)), sets)]
        width = sum(self.nets[0].widths)
        self.register_buffer("mean", torch.zeros(width, dtype=torch.float64))
        self.register_buffer("root", torch.eye(width, dtype=torch.float64))
        self.register_buffer("choice", torch.zeros((), dtype=torch.long))
        self.register_buffer("votes", torch.zeros(len(self.candidates)))
        self._clean: list[list[Tensor]] = [[] for _ in sides]  # of each net, (B, all widths)
        self._spoilt: list[list[Tensor]] = [[] for _ in sides]
        self._rows: list[Tensor] = []  # of the frames, one for each view

    def gather(self, batch: Batch, view: int) -> None:
        self._rows.append(batch.index.cpu())
        choosing = len(self.candidates) > 1 and view == 0 and self.gathered < ENOUGH
        spoilt = foreign_patches(batch.image, batch.valid, batch.index)[0] if choosing else None
        for place, net in enumerate(self.nets):
            self._clean[place].append(_pooled(net, batch.image, batch.valid))
            if spoilt is not None:
                self._spoilt[place].append(_pooled(net, spoilt, batch.valid))

    def fit(self) -> None:
        clean = [torch.cat(parts) for parts in self._clean]
        rows = torch.cat(self._rows)
        if len(self.candidates) > 1:
            spoilt = [torch.cat(parts) for parts in self._spoilt]
            first = torch.cat(self._rows[:: self.config.views])
            for number, (place, strides) in enumerate(self.candidates):
                columns = self._columns(strides)
                self.votes[number] = _vote(clean[place][:, columns], rows, spoilt[place][:, columns], first[: len(spoilt[place])])
            self.choice.copy_(self.votes.argmax())
        place, strides = self.candidates[int(self.choice)]
        vectors = clean[place][:, self._columns(strides)].double()
        width = vectors.shape[1]
        self.mean[:width] = vectors.mean(0)
        self.root[:width, :width] = whitening(shrunk_covariance(vectors)[0])

    def _columns(self, strides: tuple[int, ...]) -> Tensor:
        """Return where the features of some strides stand among those of all."""
        owner = torch.tensor(self.strides).repeat_interleave(torch.tensor(self.nets[0].widths))
        return torch.isin(owner, torch.tensor(strides)).nonzero()[:, 0]

    def score(self, batch: Batch) -> Scores:
        self.layers.check(self.fingerprint)
        place, strides = self.candidates[int(self.choice)]
        vectors = _pooled(self.nets[place], batch.image, batch.valid).to(self.mean.device)[:, self._columns(strides)].double()
        width = vectors.shape[1]
        distance = ((vectors - self.mean[:width]) @ self.root[:width, :width]).square().mean(1)  # (B,)
        return Scores(distance.float())


def _pooled(net: MidLayers, image: Tensor, valid: Tensor) -> Tensor:
    """Return the mean features (B, all widths) of the places that count."""
    means = [(maps * counts).sum((2, 3)) / counts.sum((2, 3)).clamp_min(1) for maps, counts in net.maps(image, valid)]
    return torch.cat(means, 1).cpu()


def _vote(clean: Tensor, rows: Tensor, spoilt: Tensor, spoilt_rows: Tensor) -> float:
    """Return how often, in the mean over folds, a held-out frame with a foreign patch scores above a held-out one without.

    Folds are runs of rows, so that frames of one video stand on one side.
    """
    edges = torch.quantile(rows.unique().double(), torch.linspace(0, 1, FOLDS + 1, dtype=torch.float64)[1:-1])
    shares = []
    for fold in range(FOLDS):
        held, spoilt_held = (torch.bucketize(some.double(), edges) == fold for some in (rows, spoilt_rows))
        if not held.any() or not spoilt_held.any() or held.all():
            continue
        known = clean[~held].double()
        root, mean = whitening(shrunk_covariance(known)[0]), known.mean(0)
        good, bad = (((some.double() - mean) @ root).square().mean(1) for some in (clean[held], spoilt[spoilt_held]))
        shares.append(float((bad[:, None] > good).double().mean()))
    return sum(shares) / len(shares) if shares else 0.0
