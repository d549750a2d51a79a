"""Does a conditional backend draw the class that it is told? A classifier trained on real frames names its samples.

python tests/benchmarks/labelled_samples.py RUN [N]

N samples (1,000), equally many of each class, seed 0.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from classifier import train_classifier

from medgen.contract.capabilities import Conditional
from medgen.runs.datasets import open_trained_on
from medgen.runs.run import open_run


@torch.inference_mode()
def main(folder: Path, count: int) -> None:
    run = open_run(folder)
    model = run.trained_model().eval()
    assert isinstance(model, Conditional)
    classes = model.classes
    with torch.inference_mode(False):
        judge, accuracy = train_classifier(open_trained_on(run), classes)
    torch.manual_seed(0)
    right = {}
    for place, name in enumerate(classes):
        drawn = model.sample(count // len(classes), place)
        right[name] = float((judge(drawn).argmax(1) == place).float().mean())
    result = {
        "classifier_accuracy_on_real_test_frames": accuracy,
        "samples": count // len(classes) * len(classes),
        "named_rightly": sum(right.values()) / len(right),
        "by_class": right,
    }
    sys.stdout.write(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    from usage import arguments

    words = arguments(__doc__)
    main(Path(words[0]), int(words[1]) if len(words) > 1 else 1000)
