"""Does a generator draw every class? A classifier of the training frames names its samples.

python tests/benchmarks/digit_samples.py RUN [N]

N samples (1,000, seed 0). The classifier is trained on the training frames of the run's data set alone (classifier.py, no blur);
its accuracy on the test frames stands beside the result.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from classifier import train_classifier

from medgen.verbs.datasets import open_trained_on
from medgen.verbs.run import open_run


@torch.inference_mode()
def main(folder: Path, count: int) -> None:
    run = open_run(folder)
    data, model = open_trained_on(run), run.trained().eval()
    classes = tuple(sorted(set(data.index["finding"])))
    with torch.inference_mode(False):
        judge, accuracy = train_classifier(data, classes, epochs=6, blurs=(1,))
    torch.manual_seed(0)
    named = torch.cat([judge(model.sample(100)).argmax(1) for _ in range(count // 100)])  # type: ignore[operator]
    share = torch.bincount(named, minlength=len(classes)) / len(named)
    result = {
        "classifier_accuracy_on_real_test_frames": accuracy,
        "samples": len(named),
        "least_share": float(share.min()),
        "share_by_class": dict(zip(classes, share.tolist(), strict=True)),
    }
    sys.stdout.write(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1000)
