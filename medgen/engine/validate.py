"""What an epoch of training is judged by: losses, diagnosis and synthetic anomalies on validation frames, without labels."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from medgen.contract.backend import Backend
from medgen.contract.capabilities import Diagnoses
from medgen.nn.synthetic import foreign_patches
from medgen.ranks import ALONE, Ranks, divided
from medgen.types import Batch

if TYPE_CHECKING:
    from lightning_fabric import Fabric


@torch.no_grad()
def synthetic_auroc(model: Backend, batches: Iterable[Batch], device: torch.device, ranks: Ranks = ALONE) -> float:
    """Return how often a validation frame with a foreign patch (nn/synthetic.py) scores above one without, ties counting half.

    It needs neither labels nor abnormal frames. It tells a model that finds anomalies from one that merely reconstructs well, as
    far as foreign patches are like the anomalies that are sought.

    Returns
    -------
    0 to 1; NaN without validation frames
    """
    model.eval()
    clean, corrupted = [], []
    for number, batch in enumerate(batches):
        if number % ranks.count != ranks.rank:  # another rank's; scores are summed over ranks below
            none = torch.zeros(len(batch), device=device)
            clean.append(none)
            corrupted.append(none)
            continue
        moved = batch.to(device)
        clean.append(model.score(moved).score)
        changed, _ = foreign_patches(moved.image, moved.valid, moved.index)
        corrupted.append(model.score(replace(moved, image=changed)).score)
    if not clean:
        return math.nan
    # A score that is no number is above none and below none
    normal = ranks.sum(torch.cat(clean)).nan_to_num(math.inf, math.inf, -math.inf).sort().values
    changed = ranks.sum(torch.cat(corrupted)).nan_to_num(-math.inf, math.inf, -math.inf)
    below, not_above = (int(torch.searchsorted(normal, changed, right=ties).sum()) for ties in (False, True))
    return (below + not_above) / (2 * len(normal) * len(changed))


@torch.no_grad()
def validate(
    model: Backend,
    batches: Iterable[Batch],
    fabric: Fabric,
    seed: int = 0,
    progress: float = 1.0,
    losses_too: bool = True,
    ranks: Ranks = ALONE,
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
    ranks : among which the losses of each batch are divided, where they can be
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
            divides = ranks is not ALONE and len(batch) % ranks.count == 0
            share = moved.part(ranks.rank, ranks.count) if divides else moved
            with fabric.autocast(), divided(ranks) if divides else nullcontext():
                for _, losses in model.turns(share, progress) if losses_too else ():
                    for name, value in losses.items():
                        totals[name] += float(value) * len(batch)
            with fabric.autocast():
                if frames == 0 and isinstance(model, Diagnoses):
                    diagnosis, warning = model.diagnose(moved)
            frames += len(batch)
    sums = torch.tensor([*totals.values()], dtype=torch.float64)
    ranks.average([sums])
    losses_mean = {name: value / frames for name, value in zip(totals, sums.tolist(), strict=True)}
    if losses_mean:
        losses_mean["loss"] = sum(losses_mean.values())
    return losses_mean, diagnosis, warning
