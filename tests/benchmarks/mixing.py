"""How real the frames of StyleGANs stay when several styles are mixed, by the share of mixing in their training.

python tests/benchmarks/mixing.py RUN...

Each RUN is of `stylegan`, trained with another `model.mixing`, and measured by ``medgen fid RUN --split train --n 2048``, which
draws each frame by one style. Of each, 2,048 more frames (seed 0) are drawn three times, by two, three and four styles that take
turns at layers drawn at random. Prints as JSON, by run, the share of mixing in training and the FID from the training frames
for each number of styles (table 2 of the paper).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

sys.path.append(str(Path(__file__).parents[1]))
from benchmarks.ablation import SAMPLES, training_fid

from medgen.contract.capabilities import Styles
from medgen.metrics.distribution import extract_moments
from medgen.metrics.moments import Moments, frechet_distance
from medgen.nn.features.extractors import INCEPTION, load_extractor
from medgen.runs.datasets import open_trained_on
from medgen.runs.run import open_run
from medgen.verbs.distance import real_features

AT_ONCE, MOST = 32, 4


def mixed(model: Styles, n: int, styles: int) -> Tensor:
    """Return (n, L, Z): for each frame `styles` styles, each for a run of neighbouring layers, with borders drawn at random."""
    drawn = torch.stack([model.styles(n) for _ in range(styles)], 1)  # (n, styles, Z)
    borders = torch.stack([torch.randperm(model.layers - 1)[: styles - 1] + 1 for _ in range(n)])  # (n, styles - 1)
    which = (torch.arange(model.layers)[None, :, None] >= borders[:, None]).sum(2)  # (n, L)
    return drawn[torch.arange(n)[:, None], which]


@torch.inference_mode()
def main(folders: list[Path]) -> None:
    net = load_extractor(INCEPTION)
    result: dict[str, Any] = {"extractor": net.name, "frames": SAMPLES}
    for folder in folders:
        run = open_run(folder)
        model, data, real = run.trained_model().eval(), open_trained_on(run), Moments()
        assert isinstance(model, Styles)
        real.add(real_features(net, data, SAMPLES, "train"))
        found = {"1 style": training_fid(folder)}
        for styles in range(2, MOST + 1):
            torch.manual_seed(0)
            drawn = (model.draw_styles(mixed(model, AT_ONCE, styles), "random") for _ in range(SAMPLES // AT_ONCE))
            found[f"{styles} styles"] = frechet_distance(real, extract_moments(net, drawn))
        result[run.name] = {"mixing": run.settings.model.get("mixing", 0.9), **found}
    sys.stdout.write(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    from usage import arguments

    main([Path(name) for name in arguments(__doc__)])
