"""Does each way of calibrating on few normal frames keep its promise, and what does it leave of the sensitivity?

python tests/benchmarks/divisions.py DATA [RATE] [GROUPS] [DIVISIONS]

DATA: a prepared data set. What a fixed net sees of each normal frame, and of 100 abnormal ones, is computed once (`dfm` at 224
pixels, strides 16 and 32, all of them, so that no frame had a say in what is taken). DIVISIONS (20) times, GROUPS (80) groups of
normal frames are drawn at random to fit and to calibrate by, and all other normal frames are new. Ways:

split: half of the groups fit, the others calibrate; promised: RATE (0.05)
CV+: ten folds of whole groups, cross-conformal p-values; promised: about RATE, at worst twice that and 8 % more (10 folds of 80)
jackknife+: a fold for each group; promised: about RATE, twice that at the worst

each once where frames count and once where groups count once ("by group": all that is promised where frames of a group resemble
each other). Prints as JSON the mean share of false alarms among the new frames, how many divisions have the promised rate in the
binomial 95 % interval of theirs, the mean over groups of the share of a group that is flagged, and that of abnormal frames.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medgen import registry
from medgen.data.dataset import DataSettings, FixedBatches
from medgen.data.native.addresses import open_dataset
from medgen.data.prepared import evenly_spaced
from medgen.metrics.calibration import group_shares, p_value
from medgen.metrics.cross_conformal import cross_p_value, group_folds
from medgen.metrics.decisions import false_alarms
from medgen.nn.features.gaussian import Gaussian

ABNORMAL, FOLDS = 100, 10
SETTINGS: dict[str, Any] = {"sides": [224], "choose": False, "features": {"strides": [16, 32]}}
Scores = NDArray[np.float64]


class Seen:
    """What the net sees of frames, and the scores that follow: the mean over blocks of the distance from a Gaussian."""

    def __init__(self, blocks: Sequence[Tensor]) -> None:
        self.blocks = blocks

    def scores(self, fitted: NDArray[np.bool_], scored: NDArray[np.bool_]) -> Scores:
        """Return the score of each frame of `scored`, (N,) bool, by Gaussians of the frames of `fitted`, (N,) bool."""
        total = torch.zeros(int(scored.sum()), dtype=torch.float64)
        for block in self.blocks:
            unscaled = torch.tensor([0.0, 0.0], dtype=torch.float64)  # two distances, which only say what is usual
            gaussian = Gaussian.fit(block[fitted], unscaled)
            total += Gaussian(gaussian.mean, gaussian.root, torch.tensor([0.0, 1.0])).distance(block[scored])
        return total.numpy() / len(self.blocks)


def look(data: Any, rows: NDArray[np.int64]) -> Seen:
    model = registry.create("dfm", SETTINGS, data.size, data.channels).eval()
    with torch.inference_mode():
        views = [model.local_views(batch) for batch in FixedBatches(data, rows, DataSettings())]
    return Seen([torch.cat(parts) for parts in zip(*views, strict=True)])


def p_values(seen: Seen, groups: NDArray[np.str_], ours: NDArray[np.bool_], seed: int) -> dict[str, tuple[Scores, Scores]]:
    """Return the p-value of every frame that is not ours, where frames count and where groups do, by the name of the way."""
    found = {}
    halves = np.full(len(ours), -1)
    halves[ours] = group_folds(groups[ours], 2, seed)
    reference, new = seen.scores(halves == 0, halves == 1), seen.scores(halves == 0, ~ours)
    shares = group_shares(groups[halves == 1])
    found["split"] = p_value(reference, new), p_value(reference, new, shares)
    for name, count in (("CV+", FOLDS), ("jackknife+", int(ours.sum()))):
        folds = np.full(len(ours), -1)
        folds[ours] = group_folds(groups[ours], count, seed)
        own, others = np.zeros(len(ours)), []
        for fold in range(folds.max() + 1):
            both = seen.scores(ours & (folds != fold), ~ours | (folds == fold))
            of = np.empty(len(ours))
            of[~ours | (folds == fold)] = both
            own[folds == fold] = of[folds == fold]
            others.append(of[~ours])
        given = own[ours], folds[ours], others
        found[name] = cross_p_value(*given), cross_p_value(*given, group_shares(groups[ours]))
    return found


def main(source: str, rate: float, count: int, divisions: int) -> None:
    data = open_dataset(source)
    labels = data.index["label"].to_numpy()
    rows = data.rows()
    normal, abnormal = (rows[labels[rows] == label] for label in ("normal", "abnormal"))
    abnormal = abnormal[evenly_spaced(len(abnormal), ABNORMAL)]
    rows = np.concatenate([normal, abnormal])
    seen, groups = look(data, rows), data.index["group"].iloc[rows].to_numpy().astype(str)
    is_normal = np.arange(len(rows)) < len(normal)
    names = np.unique(groups[is_normal])
    every: dict[str, list[dict[str, float]]] = {}
    for seed in range(divisions):
        ours = np.isin(groups, np.random.default_rng(seed).permutation(names)[:count]) & is_normal
        new = is_normal[~ours]
        for name, pair in p_values(seen, groups, ours, seed).items():
            for what, values in zip((name, f"{name} by group"), pair, strict=True):
                flagged = values <= rate + 1e-12
                found = false_alarms(flagged[new], rate)
                of_groups = float(flagged[new] @ group_shares(groups[~ours][new]) / len(set(groups[~ours][new])))
                entry = {"ours": int(ours.sum()), "new": int(new.sum()), "per_group": of_groups, **found._asdict()}
                every.setdefault(what, []).append({**entry, "sensitivity": float(flagged[~new].mean())})
        sys.stderr.write(f"division {seed + 1} of {divisions}\n")
    result: dict[str, Any] = {"promised": rate, "groups": count, "normals": len(normal), "of_groups": len(names)}
    for name, entries in every.items():
        means = {
            key: round(float(np.mean([entry[key] for entry in entries])), 4) for key in ("value", "per_group", "sensitivity")
        }
        within = sum(entry["low"] <= rate <= entry["high"] for entry in entries)
        result[name] = {**means, "within": within, "of": divisions, "rates": [round(entry["value"], 4) for entry in entries]}
    sys.stdout.write(json.dumps(result, indent=1, default=float) + "\n")


if __name__ == "__main__":
    from usage import arguments

    words = arguments(__doc__)
    given = words[1:]
    main(
        words[0],
        float(given[0]) if given else 0.05,
        int(given[1]) if len(given) > 1 else 80,
        int(given[2]) if len(given) > 2 else 20,
    )
