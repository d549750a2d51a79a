#!/usr/bin/env bash
# anomalib's post-processor compares scores with 0.5 where they are not normalised, whatever threshold it has found: all images are abnormal.
#
# Library:  anomalib 2.7.0, with torch 2.13.0 and torchmetrics 1.9.0
# Expected: `enable_normalization=False` leaves the scores as they are, and they are labelled by the threshold that was found for them, which
#           `image_threshold` states.
# Instead:  labels come from 1 minus the sensitivity in any case, which is where the threshold lies after normalisation alone.
# Seen:     distances of 11 to 14 for six normal images, 21 to 29 for four abnormal ones; `image_threshold` 21 both times
#             normalised      found 3 of 4, false 0 of 6
#             not normalised  found 4 of 4, false 6 of 6
#           and with scores of 0.01 to 0.04 and 0.11 to 0.19 for the same, threshold 0.11: not normalised found 0 of 4, false 0
# Matters:  scores of memory banks and flows are far above 1, others far below 0.5. Who keeps them as they are, to compare them between scanners,
#           gets one label for all, beside a threshold that looks right.
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
enter("anomalib.post_processing")
PostProcessor = importlib.import_module("anomalib.post_processing.post_processor").PostProcessor

def labelled(scores, labels, normalise):
    """Find a threshold in a set and label it by that, as the trainer does."""
    processor = PostProcessor(enable_normalization=normalise)
    empty = {"anomaly_map": None, "gt_mask": None, "pred_mask": None, "pred_label": None}
    batch = SimpleNamespace(pred_score=scores.clone(), gt_label=labels, **empty)
    processor.on_validation_batch_end(None, None, batch)
    processor.on_validation_epoch_end(None, None)
    processor.on_test_batch_end(None, None, batch)
    found = batch.pred_label.int()
    counts = int((found & labels).sum()), int((found & (1 - labels)).sum())
    threshold = float(processor.image_threshold)
    print(f"threshold {threshold:.2f}, normalised {normalise}: found {counts[0]} of 4, false {counts[1]} of 6")
    return threshold, counts


labels = torch.tensor([0] * 6 + [1] * 4)
large = torch.tensor([11.0, 12, 13, 14, 12, 13, 21, 24, 27, 29])
small = torch.tensor([0.01, 0.02, 0.03, 0.04, 0.02, 0.03, 0.11, 0.14, 0.17, 0.19])
assert labelled(large, labels, True) == (21.0, (3, 0)) and labelled(large, labels, False) == (21.0, (4, 6))
assert labelled(small, labels, True)[1] == (3, 0) and labelled(small, labels, False)[1] == (0, 0)
PYTHON
