"""The score of a run as work from stored crops to numbers, which is written down as a graph.

Inside are the scaling of pixels, the blanking of overlay, the backend's score, the components that the settings add, and their
fusion. Outside are how a frame becomes a crop and the threshold: these are the sidecar's (`sidecar.py`).
"""

from __future__ import annotations

import math
from collections.abc import Container, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medgen.data.dataset import Overlay
from medgen.engine.graph.formats import Arrays
from medgen.engine.graph.formats import Run as RunGraph
from medgen.engine.score import Scorer
from medgen.metrics.fusion import LOG2
from medgen.report.evaluate import COMPONENT
from medgen.runs.run import Run
from medgen.types import Batch

FRAMES, VALID = "frames", "valid"
SCORE, MAP = "score", "map"
ROUNDING = 1e-5  # share of the largest normal value of a component by which other kernels may round it


class FrameWork:
    """Work from crops to raw scores, maps and components.

    Attributes
    ----------
    inputs : "frames" (B, S, S, C) uint8 and, unless overlay is kept, "valid" (B, S, S) bool
    outputs : names of what comes out, known once it has run: "score" (B,), "map" (B, S, S) where there is one, components (B,)
    """

    def __init__(self, scorer: Scorer, overlay: Overlay, fusion: Fusion | None = None) -> None:
        self.scorer, self.fusion = scorer, fusion
        self.inputs = (FRAMES,) if overlay == "keep" else (FRAMES, VALID)
        self.outputs: tuple[str, ...] = ()

    def __call__(self, given: list[Tensor]) -> list[Tensor]:
        pixels = given[0]
        image = pixels.permute(0, 3, 1, 2).float() / 255  # (B, S, S, C) -> (B, C, S, S)
        valid = given[1][:, None] if len(given) > 1 else torch.ones_like(image[:, :1], dtype=torch.bool)  # (B, 1, S, S)
        scores = self.scorer(Batch(image * valid, valid, torch.arange(len(pixels))))
        drawn = {} if scores.map is None else {MAP: scores.map[:, 0]}
        components = {f"{COMPONENT}{name}": part.float() for name, part in scores.components.items()}
        score = scores.score.float() if self.fusion is None else self.fusion(components)
        named = {SCORE: score, **drawn, **components}
        self.outputs = tuple(named)
        return [*named.values()]


class Fusion:
    """What `medgen.metrics.fusion.fuse` computes, of tensors: the one score, (B,) float64, of several components.

    Parameters
    ----------
    normal_components : (n,) of normal frames, of each component that counts
    to_either_side : components that are unusual where they are low, too
    """

    def __init__(self, normal_components: Mapping[str, Sequence[float]], to_either_side: Container[str]) -> None:
        self.above = {name: _normal(values) for name, values in normal_components.items()}
        self.below = {
            name: _normal([-value for value in values]) for name, values in normal_components.items() if name in to_either_side
        }

    def __call__(self, components: Mapping[str, Tensor]) -> Tensor:
        return torch.stack([self._one(name, components[name].double()) for name in self.above]).mean(0)

    def _one(self, name: str, values: Tensor) -> Tensor:
        above = _neg_log10_p(self.above[name], values)
        if name not in self.below:
            return above
        return (torch.maximum(above, _neg_log10_p(self.below[name], -values)) - LOG2).clamp_min(0)


class _Normal(NamedTuple):
    """Values of normal frames (n,) in rising order, their median, and by how much those above it exceed it on average.

    `lowest` is a little below the first: that frame is one place above nothing, and rounding would take the place away from it.
    """

    values: Tensor
    middle: float
    excess: float
    lowest: float


def _normal(values: Sequence[float]) -> _Normal:
    """Return what is known of normal values before a graph is written down, in which no number can be read."""
    sorted_values = np.sort(np.asarray(values, dtype=np.float64))
    middle = float(np.median(sorted_values))
    higher = sorted_values[sorted_values > middle]
    excess = float((higher - middle).mean()) if len(higher) else 0.0
    lowest = float(sorted_values[0] - ROUNDING * np.abs(sorted_values).max())
    return _Normal(torch.from_numpy(sorted_values), middle, excess, lowest)


def _neg_log10_p(known: _Normal, values: Tensor) -> Tensor:
    """Return what `medgen.metrics.fusion.neg_log10_p` does, (B,), of normal values and values (B,)."""
    normal, middle, excess, lowest = known
    count = len(normal)
    values = torch.where((values > lowest) & (values < normal[0]), normal[0], values)
    passed = (normal <= values[:, None]).sum(1)  # (B,), how many normal values are at or below
    below, next_one = normal[(passed - 1).clamp_min(0)], normal[passed.clamp_max(count - 1)]
    between = (passed > 0) & (passed < count)
    ranks = (passed + torch.where(between, (values - below) / (next_one - below).clamp_min(1e-300), 0)) / (count + 1)
    tail = LOG2 + (values - middle).clamp_min(0) / (excess or 1.0) / math.log(10)
    return torch.where(values > middle, tail, -torch.log10(1 - ranks.clamp_max(0.5)))


def work_of(run: Run) -> FrameWork:
    """Return the work of a trained run, on the processor.

    Raises
    ------
    RunError, BackendError, MedgenError : if it is not trained, or a net that it looks through is not on this machine.
    """
    scorer = Scorer(run.trained_model().eval(), run.settings.scoring, run.normal_reference())
    reference = run.calibration().get("components")
    fusion = None
    if reference:
        columns = [f"{COMPONENT}{name}" for name in run.settings.scoring.two_sided]
        fusion = Fusion(reference, reference if run.settings.scoring.two_sided == ("*",) else columns)
    return FrameWork(scorer, run.settings.data.overlay, fusion)


def nobodys_frames(run: Run, count: int) -> list[Tensor]:
    """Return crops to write a graph down with, that nobody took: noise with holes, so that nothing of them becomes a rule."""
    random, side = np.random.default_rng(0), run.origin.prepare.size
    pixels = random.integers(0, 256, (count, side, side, run.origin.prepare.channels), dtype=np.uint8)
    valid = random.random((count, side, side)) > 0.1
    return [torch.from_numpy(pixels), torch.from_numpy(valid)][: 1 if run.settings.data.overlay == "keep" else 2]


def run_in_parts(graph: RunGraph, inputs: Sequence[NDArray[np.generic]], count: int) -> Arrays:
    """Return what a graph makes of (N, ...) inputs, so many at a time; the first of a part stands for those that are missing."""
    found: list[Arrays] = []
    for start in range(0, len(inputs[0]), count):
        parts = [np.asarray(values[start : start + count]) for values in inputs]
        here = len(parts[0])
        filled = [np.concatenate([part, np.repeat(part[:1], count - here, axis=0)]) for part in parts]
        found.append([values[:here] for values in graph(filled)])
    return [np.concatenate(parts) for parts in zip(*found, strict=True)]
