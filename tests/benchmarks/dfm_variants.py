"""What else the score of `dfm` could be made of: the same pooled features, judged in other ways.

python tests/benchmarks/dfm_variants.py RUN

RUN: of `dfm`, whose sizes and maps are taken. Of the training and test frames of its data set the features are pooled once,
as they are and mirrored. Prints as JSON the AUROC on the test frames of each variant: the covariance estimated otherwise,
other statistics, the mean with the mirrored frame, one Gaussian of all blocks together, the nearest training frame. Test
labels are read to measure; none of this chooses anything.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from sklearn.covariance import ledoit_wolf, oas
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors

from medgen.data.dataset import make_batch
from medgen.nn.features.gaussian import pooled
from medgen.nn.inpaint import inpaint
from medgen.runs.datasets import open_trained_on
from medgen.runs.run import open_run
from medgen.types import Batch

AT_ONCE = 16
FOLDS = 4
Block = tuple[int, int, str]  # side, stride, statistic
Vectors = np.ndarray  # (N, c) float64
Covariance = Callable[[Vectors], np.ndarray]


def towards(share: float, diagonal: bool) -> Covariance:
    """A covariance shrunk by a fixed share, towards its own diagonal or towards a multiple of the identity."""

    def of(vectors: Vectors) -> np.ndarray:
        plain = np.cov(vectors.T, bias=True)
        target = np.diag(np.diag(plain)) if diagonal else np.eye(len(plain)) * np.trace(plain) / len(plain)
        return (1 - share) * plain + share * target

    return of


ESTIMATORS: dict[str, Covariance] = {
    "Ledoit and Wolf": lambda vectors: ledoit_wolf(vectors)[0],
    "OAS": lambda vectors: oas(vectors)[0],
    **{f"{100 * share:g} % of the identity": towards(share, False) for share in (0.05, 0.2, 0.5)},
    **{f"{100 * share:g} % of the diagonal": towards(share, True) for share in (0.05, 0.2, 0.5)},
}


def gather(model: torch.nn.Module, frames: Batch) -> dict[Block, np.ndarray]:
    """Return the statistics that the model takes, (B, c) each."""
    filled, found = inpaint(frames.image, frames.valid), {}
    for number, block in enumerate(model.blocks):
        if model.taken[number]:
            net, statistic = model.nets[block.side], model.config.statistics[block.statistic]
            key = (net.settings.side, net.settings.strides[block.stride], statistic)
            found[key] = (net, block.stride)
    maps = {net: net.maps_of_filled(filled, frames.valid) for net in {net for net, _ in found.values()}}
    return {key: pooled(*maps[net][stride], key[2]).double().numpy() for key, (net, stride) in found.items()}


def surprise(vectors: Vectors, train: np.ndarray, covariance: Covariance) -> np.ndarray:
    """How much farther from the training frames vectors are than training frames that were held out, in standard deviations."""

    def distance(fitted: np.ndarray, of: np.ndarray) -> np.ndarray:
        root = np.linalg.cholesky(covariance(vectors[fitted]) + 1e-9 * np.eye(vectors.shape[1]))
        return (np.linalg.solve(root, (vectors[of] - vectors[fitted].mean(0)).T) ** 2).mean(0)

    held = np.concatenate([distance(np.setdiff1d(train, fold), fold) for fold in np.array_split(train, FOLDS)])
    return (distance(train, np.arange(len(vectors))) - held.mean()) / held.std()


def main(folder: Path) -> dict[str, float]:
    run = open_run(folder)
    data, model = open_trained_on(run), run.trained_model().eval()
    rows = np.concatenate([data.rows("train"), data.rows("test")])
    train = np.arange(len(data.rows("train")))
    labels = data.index["label"].to_numpy()[rows[len(train) :]] == "abnormal"
    views: list[dict[Block, list[np.ndarray]]] = [{}, {}]
    with torch.inference_mode():
        for start in range(0, len(rows), AT_ONCE):
            batch = make_batch(data, rows[start : start + AT_ONCE], run.settings.data.overlay)
            mirrored = Batch(batch.image.flip(3), batch.valid.flip(3), batch.index)
            for seen, frames in zip(views, (batch, mirrored), strict=True):
                for key, values in gather(model, frames).items():
                    seen.setdefault(key, []).append(values)
    own, turned = ({key: np.concatenate(parts) for key, parts in seen.items()} for seen in views)

    def auroc(scores: np.ndarray) -> float:
        return float(roc_auc_score(labels, scores[len(train) :]))

    def summed(blocks: dict[Block, np.ndarray], covariance: Covariance = ESTIMATORS["Ledoit and Wolf"]) -> float:
        return auroc(np.mean([surprise(values, train, covariance) for values in blocks.values()], 0))

    found = {f"covariance: {name}": summed(own, covariance) for name, covariance in ESTIMATORS.items()}
    found["mean of the frame and its mirror image"] = summed({key: (own[key] + turned[key]) / 2 for key in own})
    for statistics in (("mean", "std"), ("mean", "max"), ("mean",)):
        found[f"statistics: {', '.join(statistics)}"] = summed({key: own[key] for key in own if key[2] in statistics})
    joint = np.concatenate([values / (values[train].std(0) + 1e-6) for key, values in own.items() if key[2] != "max"], 1)
    found["one Gaussian of all means and deviations"] = auroc(surprise(joint, train, ESTIMATORS["Ledoit and Wolf"]))
    nearest = NearestNeighbors(n_neighbors=1).fit(joint[train]).kneighbors(joint)[0][:, 0]
    found["nearest training frame"] = auroc(nearest)
    return found


if __name__ == "__main__":
    from usage import arguments

    sys.stdout.write(json.dumps(main(Path(arguments(__doc__)[0])), indent=1) + "\n")
