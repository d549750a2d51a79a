"""How well planes in both latent spaces of StyleGANs part the classes that their frames look like.

python tests/benchmarks/separability.py DATASET RUN...

DATASET: frames with their findings, such as folder:../shared/data/faces, which all RUNs read in one way; a classifier of them
(classifier.py) says of 10,000 frames that each run draws, seed 0, how likely each class is. Prints as JSON the classifier's
accuracy on real test frames and, by run, the share of its frames that the classifier calls each class and the linear separability
in z and in w (1 is perfect, and less is better; table 3 of the paper).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
from classifier import train_classifier
from torch import Tensor

from medgen.backends.stylegan import Model
from medgen.errors import MedgenError
from medgen.nn.adversarial.separability import linear_separability
from medgen.runs.datasets import open_for
from medgen.runs.run import open_run

COUNT, AT_ONCE = 10_000, 50


def separable(latents: Tensor, probabilities: Tensor) -> float | None:
    """Return the linear separability; None of a run that draws one class alone."""
    try:
        return linear_separability(latents, probabilities)
    except MedgenError:
        return None


def main(dataset: Path, folders: list[Path]) -> None:
    runs = [open_run(folder) for folder in folders]
    data = open_for(runs[0], dataset)
    if others := [run.name for run in runs if open_for(run, dataset).digest != data.digest]:
        sys.exit(f"{', '.join(others)} read {dataset} otherwise than {runs[0].name}: the classifier would not know their frames")
    classes = tuple(sorted(set(data.index["finding"]) - {""}))
    judge, accuracy = train_classifier(data, classes)
    found: dict[str, Any] = {}
    for run in runs:
        model = run.trained_model().eval()
        assert isinstance(model, Model)
        torch.manual_seed(0)
        with torch.inference_mode():
            noise = torch.randn(COUNT, model.latent_width)
            styles = torch.cat([model.generator.w(part) for part in noise.split(AT_ONCE)])
            said = torch.cat([judge(model.draw_styles(part, "random")).softmax(1) for part in styles.split(AT_ONCE)])
        asked = said[:, 1:] if len(classes) == 2 else said  # of two classes one says all
        shares = said.argmax(1).bincount(minlength=len(classes)).double() / COUNT
        planes = {name: separable(latents, asked) for name, latents in (("z", noise), ("w", styles))}
        found[run.name] = {"shares": dict(zip(classes, shares.tolist(), strict=True)), "separability": planes}
    result = {"samples": COUNT, "classifier_accuracy_on_real_test_frames": accuracy, "runs": found}
    sys.stdout.write(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    from usage import arguments

    dataset, *folders = arguments(__doc__)
    main(Path(dataset), [Path(folder) for folder in folders])
