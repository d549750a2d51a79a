"""How well planes in both latent spaces of a StyleGAN part the classes that its frames look like.

python tests/benchmarks/separability.py RUN DATASET [N]

DATASET: frames with their findings, such as folder:../shared/data/faces; a classifier of them (classifier.py) says of N (2,000)
drawn frames, seed 0, how likely each class is. Prints as JSON the linear separability in z and in w (1 is perfect, and less is
better), and the classifier's accuracy on real test frames.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from classifier import train_classifier

from medgen.backends.stylegan import Model
from medgen.nn.adversarial.separability import linear_separability
from medgen.runs.datasets import open_for
from medgen.runs.run import open_run

AT_ONCE = 50


def main(folder: Path, dataset: Path, count: int) -> None:
    run = open_run(folder)
    model, data = run.trained_model().eval(), open_for(run, dataset)
    assert isinstance(model, Model)
    classes = tuple(sorted(set(data.index["finding"]) - {""}))
    judge, accuracy = train_classifier(data, classes)
    torch.manual_seed(0)
    with torch.inference_mode():
        noise = torch.randn(count, model.latent_width)
        styles = torch.cat([model.generator.w(part) for part in noise.split(AT_ONCE)])
        said = torch.cat([judge(model.draw_styles(part, "random")).softmax(1) for part in styles.split(AT_ONCE)])
    asked = said[:, 1:] if len(classes) == 2 else said  # of two classes one says all
    found = {name: linear_separability(latents, asked) for name, latents in (("z", noise), ("w", styles))}
    result = {"classes": classes, "samples": count, "classifier_accuracy_on_real_test_frames": accuracy, "separability": found}
    sys.stdout.write(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    from usage import arguments

    words = arguments(__doc__)
    main(Path(words[0]), Path(words[1]), int(words[2]) if len(words) > 2 else 2000)
