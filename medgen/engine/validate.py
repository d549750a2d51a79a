"""What an epoch of training is judged by: losses, diagnosis and synthetic anomalies on validation frames, without labels."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from medgen.contract.backend import Backend
from medgen.contract.capabilities import Diagnoses
from medgen.nn.synthetic import foreign_patches
from medgen.types import Batch

if TYPE_CHECKING:
    from lightning_fabric import Fabric


@torch.no_grad()
def synthetic_auroc(model: Backend, batches: Iterable[Batch], device: torch.device) -> float:
    """Return how often a validation frame with a foreign patch (nn/synthetic.py) scores above one without, ties counting half.

    It needs neither labels nor abnormal frames. It tells a model that finds anomalies from one that merely reconstructs well, as
    far as foreign patches are like the anomalies that are sought.

    Returns
    -------
    0 to 1; NaN without validation frames
    """
    model.eval()
    clean, corrupted = [], []
    for batch in batches:
        moved = batch.to(device)
        clean.append(model.score(moved).score)
        changed, _ = foreign_patches(moved.image, moved.valid, moved.index)
        corrupted.append(model.score(replace(moved, image=changed)).score)
    if not clean:
        return math.nan
    higher = torch.cat(corrupted)[:, None] - torch.cat(clean)
    return float(((higher > 0).double() + 0.5 * (higher == 0)).mean())


@torch.no_grad()
def validate(
    model: Backend, batches: Iterable[Batch], fabric: Fabric, seed: int = 0, progress: float = 1.0, losses_too: bool = True
) -> tuple[dict[str, float], dict[str, float], str]:
    """Return the mean losses on validation frames with their sum as "loss", the diagnosis of the first batch, and its warning.

    Parameters
    ----------
    model : of any backend; it is put into evaluation mode
    batches : validation frames
    fabric : device and precision
    seed : of the random draws, which are the same every time and leave those of the training untouched
    progress : share of the training at which the turns are taken, 0 to 1
    losses_too : whether losses are wanted; {} without
    """
    totals: dict[str, float] = defaultdict(float)
    frames = 0
    diagnosis: dict[str, float] = {}
    warning = ""
    model.eval()
    devices = [fabric.device] if fabric.device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        for batch in batches:
            moved = batch.to(fabric.device)
            with fabric.autocast():
                for _, losses in model.turns(moved, progress) if losses_too else ():
                    for name, value in losses.items():
                        totals[name] += float(value) * len(batch)
                if frames == 0 and isinstance(model, Diagnoses):
                    diagnosis, warning = model.diagnose(moved)
            frames += len(batch)
    losses_mean = {name: value / frames for name, value in totals.items()}
    if losses_mean:
        losses_mean["loss"] = sum(losses_mean.values())
    return losses_mean, diagnosis, warning
