"""How good drawn frames are against the share of them that is kept.

python tests/benchmarks/rejection.py RUN [N [CRITIC]]

RUN: of a backend of codes (`vqvae`, `vqvae2`). N (2,000) frames are drawn, seed 0. The best are those that change least when they
are encoded and decoded again, and, where CRITIC is given, those that it takes for real: the run of a GAN on the same frames.
Prints as JSON, by order and share kept, the Fréchet distance from the normal training frames by efficientnet-lite0, of the kept
frames and of as many drawn at random: of fewer frames the distance is larger, so that only the two compare.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from medgen.backends._codes import CodeModel
from medgen.backends._gan import Adversarial
from medgen.metrics.moments import Moments, frechet_distance
from medgen.nn.features.extractors import EFFICIENTNET, load_extractor
from medgen.runs.datasets import open_trained_on
from medgen.runs.run import open_run
from medgen.types import Batch
from medgen.verbs.distance import real_features

SHARES = (1.0, 0.75, 0.5, 0.25)
AT_ONCE = 50


def as_batch(image: Tensor) -> Batch:
    valid = torch.ones(len(image), 1, *image.shape[2:], dtype=torch.bool)
    return Batch(image, valid, torch.arange(len(image)))


def kept(badness: Tensor, share: float) -> Tensor:
    """Return which frames are kept, in their order: the share of them that is least bad, badness (N,)."""
    return badness.topk(max(1, round(share * len(badness))), largest=False).indices.sort().values


def distance(real: Moments, features: Tensor) -> float:
    own = Moments()
    own.add(features)
    return frechet_distance(real, own)


def by_share(real: Moments, features: Tensor, badness: Tensor) -> dict[str, dict[str, float]]:
    """Return the distance of kept frames, and of as many that came first, by share."""
    chosen = {share: kept(badness, share) for share in SHARES}
    return {
        f"{share:g}": {"kept": distance(real, features[rows]), "at random": distance(real, features[: len(rows)])}
        for share, rows in chosen.items()
    }


@torch.inference_mode()
def main(folder: Path, count: int, critic: Path | None) -> None:
    run = open_run(folder)
    model, net = run.trained_model().eval(), load_extractor(EFFICIENTNET)
    assert isinstance(model, CodeModel)
    real = Moments()
    data = open_trained_on(run)
    real.add(real_features(net, data, len(data.index), "train"))
    torch.manual_seed(0)
    parts = [model.draw_all(AT_ONCE) for _ in range(count // AT_ONCE)]
    features = torch.cat([net(part) for part in parts])
    orders = {"reconstruction": torch.cat([model.changes(part) for part in parts])}
    if critic is not None:
        judge = open_run(critic).trained_model().eval()
        assert isinstance(judge, Adversarial)
        orders["critic"] = torch.cat([judge.score(as_batch(part)).components["critic"] for part in parts])
    result: dict[str, Any] = {name: by_share(real, features, badness) for name, badness in orders.items()}
    sys.stdout.write(json.dumps({"extractor": net.name, "frames": len(features), **result}, indent=1) + "\n")


if __name__ == "__main__":
    from usage import arguments

    words = arguments(__doc__)
    main(Path(words[0]), int(words[1]) if len(words) > 1 else 2000, Path(words[2]) if len(words) > 2 else None)
