"""The only inference loop."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sized
from typing import NamedTuple, Protocol

import torch
from lightning.fabric import Fabric
from torch import Tensor

from medgen.backends._base import Backend
from medgen.backends._capabilities import Classifies, Reconstructs
from medgen.types import Batch, OnProgress, Progress, Scores, silent


class Batches(Sized, Iterable[Batch], Protocol):
    """Batches that can be counted."""


class Scored(NamedTuple):
    """What is known of a batch, on the CPU; reconstruction is (B, C, S, S) or None, classes (B,) places by classifier or {}."""

    batch: Batch
    scores: Scores
    reconstruction: Tensor | None
    classes: Mapping[str, Tensor]


def score_batches(
    model: Backend,
    batches: Batches,
    fabric: Fabric,
    task: str = "score",
    on_progress: OnProgress = silent,
    scores_alone: bool = False,
) -> Iterator[Scored]:
    """Yield the scores of each batch and, but for `scores_alone`, what else the backend makes of it: reconstruction, classes.

    Always in float32, so that a score does not depend on the hardware's favourite precision.
    """
    model.to(fabric.device).eval()
    total = len(batches)
    for done, batch in enumerate(batches, start=1):
        with torch.inference_mode():
            moved = batch.to(fabric.device)
            scores = model.score(moved)
            drawn: Tensor | None = None
            told: Mapping[str, Tensor] = {}
            if isinstance(model, Reconstructs) and not scores_alone:
                drawn = model.reconstruct(moved).clamp(0, 1).cpu()
            if isinstance(model, Classifies) and not scores_alone:
                told = model.classify(moved)
            local = Scores(
                scores.score.float().cpu(),
                None if scores.map is None else scores.map.float().cpu(),
                {name: part.float().cpu() for name, part in scores.parts.items()},
            )
        yield Scored(batch, local, drawn, {name: chances.argmax(1).cpu() for name, chances in told.items()})
        on_progress(Progress(task, done, total))
