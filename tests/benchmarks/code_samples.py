"""What a vector-quantised backend's codes are worth: use of the codebooks, and samples of the prior against uniform codes.

python tests/benchmarks/code_samples.py RUN [N]

Perplexity is over the codes of all training frames, and of the test frames. N samples (1,000, seed 0) of each kind are compared
with the normal training frames by the Fréchet distance between features of efficientnet-lite0, the same for both; the normal test
frames give the distance that real frames have.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch

from medgen.backends._codes import CodeModel
from medgen.data.dataset import FixedBatches
from medgen.data.prepared import Prepared
from medgen.metrics.distribution import extract_moments
from medgen.metrics.moments import Moments, frechet_distance
from medgen.nn.codes.quantizer import perplexity
from medgen.nn.features.extractors import EFFICIENTNET, load_extractor
from medgen.runs.datasets import open_trained_on
from medgen.runs.run import Run, open_run
from medgen.verbs.distance import real_features

AT_ONCE = 50


@torch.inference_mode()
def main(folder: Path, count: int) -> None:
    run = open_run(folder)
    data, model, net = open_trained_on(run), run.trained_model().eval(), load_extractor(EFFICIENTNET)
    assert isinstance(model, CodeModel)
    result: dict[str, Any] = {}
    moments = {}
    for split in ("train", "test"):
        result |= use(run, model, data, split)
        moments[split] = Moments()
        moments[split].add(real_features(net, data, len(data.index), split))
    result |= {"extractor": net.name, "samples": count}
    result["frechet_test_frames"] = frechet_distance(moments["train"], moments["test"])
    torch.manual_seed(0)
    for name, draw in (("prior", model.sample), ("uniform", model.sample_uniform)):
        drawn = extract_moments(net, (draw(AT_ONCE) for _ in range(count // AT_ONCE)))
        result[f"frechet_{name}"] = frechet_distance(moments["train"], drawn)
    sys.stdout.write(json.dumps(result, indent=1) + "\n")


def use(run: Run, model: CodeModel, data: Prepared, split: str) -> dict[str, float]:
    """Return the perplexity of the codes of each level over the normal frames of a split."""
    rows = data.rows(split)
    rows = rows[(data.index["label"] == "normal").to_numpy()[rows]]
    codes = [model.codes(batch.image) for batch in FixedBatches(data, rows, run.settings.data)]
    levels = [torch.cat(grids) for grids in zip(*codes, strict=True)]
    n_codes = model.config.quantizer.codes
    return {f"perplexity_{split}_level_{level}": float(perplexity(grid, n_codes)) for level, grid in enumerate(levels)}


if __name__ == "__main__":
    from usage import arguments

    words = arguments(__doc__)
    main(Path(words[0]), int(words[1]) if len(words) > 1 else 1000)
