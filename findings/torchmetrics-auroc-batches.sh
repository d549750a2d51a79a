#!/usr/bin/env bash
# torchmetrics bends anomaly scores batch by batch: the AUROC depends on the batch size, or drops to 0.5.
#
# Library:  torchmetrics 1.9.0 (torch 2.13.0), against scikit-learn 1.9.1
# Expected: the area under the ROC curve depends on the order of the scores alone. A metric that gathers batches gives the same
#           value whatever the batches are.
# Instead:  a batch with any score outside [0, 1] is taken for logits and sent through a sigmoid; one without is left as it is.
#           That is decided for each update, so that scores around 1 end on two scales. Scores over some 17 all become 1 in
#           float32, and an area of 0.90 becomes that of chance. No warning.
# Seen:     scores from 0 to 1.3   scikit-learn 0.7782  in one batch 0.7782  in batches of 8 0.7316
#           scores around 40       scikit-learn 0.9030  in one batch 0.5000
# Matters:  reconstruction errors, distances and negative log-likelihoods are no probabilities. The same frames and the same model
#           get another AUROC with another batch size, and detectors with large scores look useless.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    torchmetrics==1.9.0 torch==2.13.0 scikit-learn==1.9.1 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import warnings

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from torchmetrics.classification import BinaryAUROC

warnings.simplefilter("error")
torch.set_num_threads(1)
draw = np.random.default_rng(0)


def area(scores: torch.Tensor, labels: torch.Tensor, batch: int) -> float:
    metric = BinaryAUROC()
    for start in range(0, len(scores), batch):
        metric.update(scores[start : start + batch], labels[start : start + batch])
    return metric.compute().item()


labels = torch.from_numpy((draw.random(400) < 0.3).astype(np.int64))
scores = torch.from_numpy(draw.random(400).astype(np.float32)) + 0.3 * labels
right, whole, batches = roc_auc_score(labels, scores), area(scores, labels, 400), area(scores, labels, 8)
print(f"scores from 0 to 1.3   scikit-learn {right:.4f}  in one batch {whole:.4f}  in batches of 8 {batches:.4f}")
assert abs(whole - right) < 1e-4 and right - batches > 0.02

scores = torch.from_numpy(draw.normal(40, 5, 400).astype(np.float32)) + 8 * labels
right, whole = roc_auc_score(labels, scores), area(scores, labels, 400)
print(f"scores around 40       scikit-learn {right:.4f}  in one batch {whole:.4f}")
assert right > 0.8 and whole == 0.5
PYTHON
