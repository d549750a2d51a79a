#!/usr/bin/env bash
# PyCM's area under the precision-recall curve leaves out what lies left of the highest score: a perfect classifier of certain scores has 0.
#
# Library:  pycm 4.6, with scikit-learn 1.9.1
# Expected: a perfect classifier has an area of 1, "a larger area under the curve represents better performance", and the curve begins at a recall
#           of 0, as scikit-learn's does. PyCM itself closes its ROC curve in that way.
# Instead:  the area begins at the recall of the highest threshold with a positive. Where all positives have the same score that is 1, and nothing
#           is left of the curve.
# Seen:                                                         PyCM   scikit-learn
#           perfect, all scores 0.99 or 0.01                0.00   1.00
#           perfect, 4 of 10 positive, scores all different 0.75   1.00
#           perfect, 20 of 40, scores all different         0.95   1.00
#           three of four positives missed                  0.34   0.59 (average precision 0.55)
#           a perfect one whose scores are rounded is behind one that misses three of four; its ROC area is 1.00 in PyCM too
# Matters:  the surer a network is, the more scores are rounded to 1.00 and the smaller its area: a calibrated or saturated model loses to one
#           that is unsure, and few positives cost more than many.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pycm==4.6 scikit-learn==1.9.1 scipy==1.17.1 numpy==2.4.6
cd "$folder"
venv/bin/python -W ignore - <<'PYTHON'
import numpy as np
from pycm import PRCurve, ROCCurve
from sklearn.metrics import auc, average_precision_score, precision_recall_curve

few, many = np.repeat([1, 0], [4, 6]), np.repeat([1, 0], [20, 20])
ladder = np.array([0.95, 0.9, 0.85, 0.8, 0.3, 0.25, 0.2, 0.15, 0.1, 0.05])
CASES = {
    "all at 0.99 and 0.01": (few, np.where(few == 1, 0.99, 0.01)),
    "4 of 10, scores all different": (few, ladder),
    "20 of 40, scores all different": (many, np.linspace(0.98, 0.02, 40)),
    "three of four missed": (few, np.array([0.99, 0.01, 0.01, 0.01] + [0.01] * 5 + [0.02])),
}
seen = {}
for name, (truth, scores) in CASES.items():
    both = np.stack([1 - scores, scores], 1)
    area = PRCurve(actual_vector=truth, probs=both, classes=[0, 1]).area()[1]
    roc = ROCCurve(actual_vector=truth, probs=both, classes=[0, 1]).area()[1]
    precision, recall, _ = precision_recall_curve(truth, scores)
    seen[name] = area, float(auc(recall, precision)), float(average_precision_score(truth, scores)), roc
    print(f"{name}: PyCM {area:.3f}; scikit-learn {seen[name][1]:.3f}, average precision {seen[name][2]:.3f}; ROC by PyCM {roc:.3f}")
assert seen["all at 0.99 and 0.01"] == (0, 1, 1, 1)
assert abs(seen["4 of 10, scores all different"][0] - 0.75) < 1e-9 and abs(seen["20 of 40, scores all different"][0] - 0.95) < 1e-9
assert seen["all at 0.99 and 0.01"][0] < seen["three of four missed"][0] < seen["three of four missed"][2]
PYTHON
