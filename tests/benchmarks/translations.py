"""How well a run translates: pairs against a regression of colours, two domains there and back.

python tests/benchmarks/translations.py RUN [EXTRACTOR]

A run of pairs: mean absolute difference from the truth over the validation pairs, in [-1, 1], beside that of the best linear map
of a pixel's colour to the colour of the same pixel of the truth, fitted on the training pairs. A run of two domains: mean
absolute difference, in [-1, 1], of test frames of each domain that went to the other one and back. Of both, by EXTRACTOR (such as
inception-2015, whose distance is FID; none is measured without), for each direction: the Fréchet distance of the translated
frames from real ones of the other domain, and that of the frames as they are.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from medgen.contract.capabilities import Translates
from medgen.data.dataset import FixedBatches
from medgen.data.prepared import Prepared
from medgen.metrics.distribution import extract_moments
from medgen.metrics.moments import frechet_distance
from medgen.nn.features.extractors import Extractor, load_extractor
from medgen.runs.datasets import open_trained_on
from medgen.runs.run import Run, open_run
from medgen.types import Batch


def colours(data: Prepared, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the colours of inputs with a column of ones, (P, C + 1), and of truths (P, C), in [-1, 1]."""
    assert data.others is not None
    rows = data.rows(split)
    inputs, truths = (frames[rows].reshape(-1, data.channels) / 127.5 - 1 for frames in (data.frames, data.others))
    return np.column_stack([inputs, np.ones(len(inputs))]), truths


def distances(net: Extractor, model: Translates, batches: list[Batch], real: list[torch.Tensor], way: str) -> dict[str, Any]:
    """Return how far frames (B, C, S, S) each lie from those of the other domain, translated and as they are."""
    there = extract_moments(net, real)
    drawn = extract_moments(net, (model.translate(batch, way) for batch in batches))
    before = extract_moments(net, (batch.image for batch in batches))
    return {
        "extractor": net.name,
        "frames": [sum(map(len, batches)), sum(map(len, real))],
        "frechet translated": frechet_distance(there, drawn),
        "frechet as they are": frechet_distance(there, before),
    }


def pairs(run: Run, model: Translates, data: Prepared, net: Extractor | None) -> dict[str, Any]:
    result: dict[str, Any] = {}
    inputs, truths = colours(data, "train")
    weights, *_ = np.linalg.lstsq(inputs.T @ inputs, inputs.T @ truths, rcond=None)
    seen, wanted = colours(data, "val")
    line = np.abs(np.clip(seen @ weights, -1, 1) - wanted).mean()
    gaps = []
    for batch in FixedBatches(data, data.rows("val"), run.settings.data):
        assert batch.other is not None
        gaps.append(2 * (model.translate(batch) - batch.other).abs().mean((1, 2, 3)))
    mean = float(torch.cat(gaps).mean())
    if net is not None:
        batches = [*FixedBatches(data, data.rows("val"), run.settings.data)]
        result["AtoB"] = distances(net, model, batches, [batch.other for batch in batches if batch.other is not None], "AtoB")
    return result | {
        "pairs": len(data.rows("val")),
        "l1": mean,
        "l1 of linear colours": float(line),
        "less by": 1 - mean / float(line),
    }


def cycles(run: Run, model: Translates, data: Prepared, net: Extractor | None) -> dict[str, Any]:
    found: dict[str, Any] = {}
    frames: dict[str, list[Batch]] = {}
    for domain, label, way in (("A", "normal", ("AtoB", "BtoA")), ("B", "abnormal", ("BtoA", "AtoB"))):
        rows = data.rows("test")
        rows = rows[(data.index["label"].iloc[rows] == label).to_numpy()]
        frames[domain] = [*FixedBatches(data, rows, run.settings.data)]
        gaps = [returned(model, batch, way) for batch in frames[domain]]
        found |= {f"test frames of {domain}": len(rows), f"cycle l1 of {domain}": float(torch.cat(gaps).mean())}
    for first, other in (("A", "B"), ("B", "A")) if net is not None else ():
        assert net is not None
        way = f"{first}to{other}"
        found[way] = distances(net, model, frames[first], [batch.image for batch in frames[other]], way)
    return found


def returned(model: Translates, batch: Batch, way: tuple[str, str]) -> torch.Tensor:
    there = model.translate(batch, way[0])
    return 2 * (model.translate(replace(batch, image=there), way[1]) - batch.image).abs().mean((1, 2, 3))


@torch.inference_mode()
def main(folder: Path, extractor: str) -> None:
    run = open_run(folder)
    model, data = run.trained_model().eval(), open_trained_on(run)
    assert isinstance(model, Translates)
    measure = pairs if data.others is not None else cycles
    sys.stdout.write(json.dumps(measure(run, model, data, load_extractor(extractor) if extractor else None), indent=1) + "\n")


if __name__ == "__main__":
    from usage import arguments

    words = arguments(__doc__)
    main(Path(words[0]), words[1] if len(words) > 1 else "")
