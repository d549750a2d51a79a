"""By what the cells of `dfm`'s map should be judged: one Gaussian, or the nearest normal cell? Synthetic anomalies alone decide.

python tests/benchmarks/cell_maps.py RUN

RUN: of `dfm`. Into each normal validation frame of its data set a foreign patch is pasted; no abnormal frame is looked at. Prints
as JSON how well each of the two maps finds the patches (pixel AUROC over all frames, and its mean over single ones).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import roc_auc_score

from medgen.data.dataset import make_batch
from medgen.engine.fixed_shape import in_fixed_shape
from medgen.nn.features.normal_cells import cell_distance
from medgen.nn.inpaint import inpaint
from medgen.nn.synthetic import foreign_patches
from medgen.runs.datasets import open_trained_on
from medgen.runs.run import open_run
from medgen.types import Batch

AT_ONCE = 8
Maps = dict[str, torch.Tensor]


def both_maps(model: torch.nn.Module, frames: Batch) -> Maps:
    """Return the smoothed maps of frames by both ways, (B, 1, S, S)."""
    side = max(range(len(model.nets)), key=lambda number: model.nets[number].settings.side)
    cells = model.nets[side].maps_of_filled(inpaint(frames.image, frames.valid), frames.valid)[model.coarsest].values
    mean, root, normal = (model.get_buffer(f"{name}_{side}") for name in ("cell_mean", "cell_root", "cells"))
    whitened = torch.einsum("bchw,ck->bkhw", cells - mean[:, None, None].float(), root.float())
    ways = {"gaussian": whitened.square().sum(1, keepdim=True), "nearest": cell_distance(cells, mean, root, normal)}
    return {name: model.localised(grid, frames.valid) for name, grid in ways.items()}


def main(folder: Path) -> dict[str, object]:
    run = open_run(folder)
    data, model = open_trained_on(run), run.trained_model().eval()
    rows = data.rows("val")
    rows = rows[(data.index["label"].to_numpy()[rows] == "normal")]
    seen: dict[str, list[np.ndarray]] = {"gaussian": [], "nearest": []}
    truths, alone = [], {name: [] for name in seen}
    with torch.inference_mode():
        for start in range(0, len(rows), AT_ONCE):
            batch = make_batch(data, rows[start : start + AT_ONCE], run.settings.data.overlay)
            image, patch = foreign_patches(batch.image, batch.valid, batch.index)
            pasted = Batch(image, batch.valid, batch.index)
            maps = in_fixed_shape(lambda frames: both_maps(model, frames), pasted)
            for k in range(len(batch)):
                valid = batch.valid[k, 0].numpy()
                truths.append(patch[k, 0].numpy()[valid])
                for name, drawn in maps.items():
                    seen[name].append(drawn[k, 0].numpy()[valid])
                    alone[name].append(roc_auc_score(truths[-1], seen[name][-1]))
    pooled = {name: roc_auc_score(np.concatenate(truths), np.concatenate(values)) for name, values in seen.items()}
    return {"frames": len(rows), "pixel_auroc": pooled, "mean_over_frames": {k: float(np.mean(v)) for k, v in alone.items()}}


if __name__ == "__main__":
    from usage import arguments

    sys.stdout.write(json.dumps(main(Path(arguments(__doc__)[0])), indent=1) + "\n")
