#!/usr/bin/env bash
# statkit counts a score at the threshold as a finding for the sensitivity and as none for the specificity and the miss rate.
#
# Libraries: statkit 1.1.0; scikit-learn 1.9.1
# Expected:  sensitivity and miss rate add up to 1, and sensitivity and specificity at a threshold are one point of the ROC curve, on which
#            a score is positive from the threshold on. statkit's own youden_j_threshold takes its threshold from that curve, where
#            each one is a score of the data.
# Instead:   true_positive_rate asks for scores from the threshold on, false_positive_rate and false_negative_rate for scores above it.
# Seen:      readers' scores from 1 to 5, threshold 3: of 10 with disease 1 2 3 3 3 4 4 5 5 5, of 10 without 1 1 1 2 2 2 3 3 3 4
#              statkit       sensitivity 0.80, miss rate 0.50, specificity 0.90
#              scikit-learn  sensitivity 0.80, miss rate 0.20, specificity 0.60
# Matters:   ratings such as BI-RADS, PI-RADS and Likert have many cases at the threshold. A reader or a rounded score gets both kinds of
#            cases at the threshold right: 0.80 and 0.90 in place of 0.80 and 0.60, a point above the curve.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    statkit==1.1.0 scikit-learn==1.9.1 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import numpy as np
from sklearn.metrics import recall_score
from statkit.metrics import false_negative_rate, sensitivity, specificity

THRESHOLD = 3
scores = np.array([1, 2, 3, 3, 3, 4, 4, 5, 5, 5, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4])
diseased = np.repeat([1, 0], 10)
statkit = [float(rate(diseased, scores, THRESHOLD)) for rate in (sensitivity, false_negative_rate, specificity)]
called = (scores >= THRESHOLD).astype(int)
hit = recall_score(diseased, called)
sklearn = [hit, 1 - hit, recall_score(diseased, called, pos_label=0)]
for name, (hits, missed, clear) in {"statkit": statkit, "scikit-learn": sklearn}.items():
    print(f"{name:13} sensitivity {hits:.2f}, miss rate {missed:.2f}, specificity {clear:.2f}")
np.testing.assert_allclose(statkit, [0.8, 0.5, 0.9])
np.testing.assert_allclose(sklearn, [0.8, 0.2, 0.6])
PYTHON
