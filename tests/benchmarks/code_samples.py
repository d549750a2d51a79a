"""What a vector-quantised backend's codes are worth: use of the codebooks, and samples of the prior against uniform codes.

python tests/benchmarks/code_samples.py RUN [N]

Perplexity is over the codes of all training frames, and of the test frames. N samples (1,000, seed 0) of each kind are compared
with the normal training frames by the Fréchet distance between features of one small classifier trained on real frames
(classifier.py), the same for both; the test frames give the distance that real frames have.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from classifier import distance, train_classifier
from torch import Tensor

from medgen.data.dataset import FixedBatches
from medgen.nn.quantizer import perplexity
from medgen.verbs.run import open_run, open_trained_on


@torch.inference_mode()
def main(folder: Path, count: int) -> None:
    run = open_run(folder)
    data, model = open_trained_on(run), run.trained().eval()
    result: dict[str, Any] = {}
    real = {}
    for split in ("train", "test"):
        rows = data.rows(split)
        rows = rows[(data.index["label"] == "normal").to_numpy()[rows]]
        frames, codes = [], []
        for batch in FixedBatches(data, rows, run.settings.data):
            frames.append(batch.image)
            codes.append(model.codes(batch.image))  # type: ignore[operator]
        real[split] = torch.cat(frames)
        for level, grids in enumerate(zip(*codes, strict=True)):
            result[f"perplexity_{split}_level_{level}"] = float(perplexity(torch.cat(grids), _codes(model)))
    with torch.inference_mode(False):
        classes = tuple(sorted(set(data.index["finding"])))
        judge, result["classifier_accuracy_on_real_test_frames"] = train_classifier(data, classes)
    torch.manual_seed(0)

    def features(frames: Tensor) -> Tensor:
        return torch.cat([judge.features(part) for part in frames.split(100)])

    train = features(real["train"])
    result["frechet_test_frames"] = distance(train, features(real["test"]))
    for name, draw in (("prior", model.sample), ("uniform", model.sample_uniform)):
        drawn = torch.cat([draw(len(part)) for part in np.array_split(np.arange(count), max(1, count // 50))])  # type: ignore[operator]
        result[f"frechet_{name}"] = distance(train, features(drawn))
    result["samples"] = count
    sys.stdout.write(json.dumps(result, indent=1) + "\n")


def _codes(model: torch.nn.Module) -> int:
    return int(model.config.quantizer.codes)  # type: ignore[union-attr]


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1000)
