#!/usr/bin/env bash
# anomalib takes the score of an abnormal image for its threshold and calls that image normal: one abnormal image, best F1 1.00, is not found.
#
# Library:  anomalib 2.7.0, with torch 2.13.0 and torchmetrics 1.9.0
# Expected: F1AdaptiveThreshold finds the threshold at which F1 is best, and the post-processor labels the images by it, so that the validation set
#           itself has that F1.
# Instead:  the threshold is a score of the set, from which on images count as abnormal when F1 is worked out; the post-processor calls abnormal
#           what is above it alone. The score goes to 0.5 exactly when scores are normalised, so that rounding does not help.
# Seen:     the set from which the threshold comes, and which is labelled by it            best F1   labels   F1 of the labels
#             9 normal from 0.10 to 0.35, one abnormal of 0.8: threshold 0.8           1.00   0 of 1   0.00
#             6 normal up to 0.25, abnormal 0.6, 0.7, 0.8, 0.9: threshold 0.6          1.00   3 of 4   0.86
#             grades, normal 1 and 2, abnormal 4, 4, 4 and 5: threshold 4              1.00   1 of 4   0.40
# Matters:  the lowest abnormal score that is worth finding is lost each time: in all cases where the classes can be told apart, and for graded or
#           rounded scores all images of a grade. Pixels have the same threshold.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 torchmetrics==1.9.0 numpy==2.4.6
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps anomalib==2.7.0  # its networks and data sets need much more
cd "$folder"
venv/bin/python -W ignore - <<'PYTHON'
import importlib
import importlib.util
import sys
import types
from types import SimpleNamespace

import torch
from torchmetrics.functional.classification import binary_f1_score


def enter(name, **content):
    """Make a package of which only the files that are asked for are run, or a stand-in for one that is not installed."""
    package = types.ModuleType(name)
    found = importlib.util.find_spec(name) if name.startswith("anomalib") else None
    package.__path__ = list(found.submodule_search_locations) if found else []
    package.__dict__.update(content)
    sys.modules[name] = package
    return package


enter("lightning", LightningModule=object, Trainer=object)
enter("lightning.pytorch", Callback=object)
enter("anomalib")
enter("anomalib.data", Batch=object, InferenceBatch=object)
metrics = enter("anomalib.metrics")
metrics.AnomalibMetric = importlib.import_module("anomalib.metrics.base").AnomalibMetric
metrics.F1AdaptiveThreshold = importlib.import_module("anomalib.metrics.threshold").F1AdaptiveThreshold
metrics.MinMax = importlib.import_module("anomalib.metrics.min_max").MinMax
F1Max = importlib.import_module("anomalib.metrics.f1_score").F1Max
enter("anomalib.post_processing")
PostProcessor = importlib.import_module("anomalib.post_processing.post_processor").PostProcessor

CASES = {
    "one of ten abnormal": ([0.1, 0.12, 0.15, 0.2, 0.22, 0.25, 0.3, 0.31, 0.35, 0.8], [0] * 9 + [1]),
    "four of ten": ([0.1, 0.12, 0.15, 0.2, 0.22, 0.25, 0.6, 0.7, 0.8, 0.9], [0] * 6 + [1] * 4),
    "grades 1 to 5": ([1.0, 1, 1, 2, 2, 2, 4, 4, 4, 5], [0] * 6 + [1] * 4),
}
seen = {}
for name, (scores, labels) in CASES.items():
    scores, labels = torch.tensor(scores), torch.tensor(labels)
    processor = PostProcessor()
    empty = {"anomaly_map": None, "gt_mask": None, "pred_mask": None, "pred_label": None}
    batch = SimpleNamespace(pred_score=scores.clone(), gt_label=labels, **empty)
    processor.on_validation_batch_end(None, None, batch)  # as the trainer calls them
    processor.on_validation_epoch_end(None, None)
    best = F1Max(fields=["pred_score", "gt_label"])
    best.update(batch)
    processor.on_test_batch_end(None, None, batch)
    threshold, found = float(processor.image_threshold), batch.pred_label.int()
    seen[name] = float(best.compute()), int((found & labels).sum()), float(binary_f1_score(found, labels))
    print(f"{name}: best F1 {seen[name][0]:.2f} at {threshold:.2f}; found {seen[name][1]} of {int(labels.sum())}, F1 {seen[name][2]:.2f}")
    by_hand = (scores >= threshold).int()
    assert float(binary_f1_score(by_hand, labels)) == 1 and abs(seen[name][0] - 1) < 1e-6
assert [found for _, found, _ in seen.values()] == [0, 3, 1]
PYTHON
