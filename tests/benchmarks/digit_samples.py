"""Does a generator draw every class? A classifier of the training frames names its samples.

python tests/benchmarks/digit_samples.py RUN...

1,000 samples of each run (seed 0). The classifier is trained on the training frames of the first run's data set alone
(classifier.py, no blur); its accuracy on the test frames stands beside the result.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from classifier import train_classifier

from medgen.runs.datasets import open_trained_on
from medgen.runs.run import open_run

COUNT = 1000


def main(folders: list[Path]) -> None:
    data = open_trained_on(open_run(folders[0]))
    classes = tuple(sorted(set(data.index["finding"])))
    judge, accuracy = train_classifier(data, classes, epochs=8, blurs=(1,), decay=True)
    result: dict[str, object] = {"classifier_accuracy_on_real_test_frames": accuracy, "samples": COUNT}
    for folder in folders:
        model = open_run(folder).trained_model().eval()
        torch.manual_seed(0)
        with torch.inference_mode():
            named = torch.cat([judge(model.sample(100)).argmax(1) for _ in range(COUNT // 100)])  # type: ignore[operator]
        share = (torch.bincount(named, minlength=len(classes)).double() / COUNT).tolist()
        result[folder.name] = {"least_share": min(share), "share_by_class": dict(zip(classes, share, strict=True))}
    sys.stdout.write(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    from usage import arguments

    words = arguments(__doc__)
    main([Path(name) for name in words])
