#!/usr/bin/env bash
# MAPIE's coverage takes labels for places: prediction sets that hold the truth in 91 % of the cases cover 20 % where the labels are -1 and 1.
#
# Library:  mapie 1.6.0, with scikit-learn 1.9.1
# Expected: "`y_true`: true labels", the very ones that the classifier was fitted to, and the sets that its `predict_set` returned.
# Instead:  the label is the column of the set that is looked at, whatever column belongs to it. Label -1 is the last column, that of label 1.
# Seen:     3,000 cases, a fifth abnormal, sets of 90 % for the same data
#             labels 0 and 1    coverage 0.91, by counting 0.91
#             labels -1 and 1   coverage 0.20, by counting 0.91; of sets of one label 0.15 where it was 0.91
# Matters:  -1 and 1 are what scikit-learn's detectors of anomalies answer with. A guarantee that holds looks broken, or, where abnormal cases are
#           the many, one that is broken looks as if it held.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check mapie==1.6.0 scikit-learn==1.9.1 scipy==1.17.1 numpy==2.4.6
cd "$folder"
venv/bin/python -W ignore - <<'PYTHON'
import numpy as np
from mapie.classification import SplitConformalClassifier
from mapie.metrics.classification import classification_coverage_score, classification_ssc
from sklearn.linear_model import LogisticRegression

random = np.random.default_rng(0)
abnormal = (random.random(3000) < 0.2).astype(int)
features = random.normal(size=(3000, 1)) + 2 * abnormal[:, None]
train, conformal, test = np.split(np.arange(3000), 3)
found = {}
for names in ((0, 1), (-1, 1)):
    labels = np.array(names)[abnormal]
    model = SplitConformalClassifier(LogisticRegression(), confidence_level=0.9, prefit=False)
    model.fit(features[train], labels[train]).conformalize(features[conformal], labels[conformal])
    sets = model.predict_set(features[test])[1]
    covered = float(sets[np.arange(1000), abnormal[test], 0].mean())
    score = float(classification_coverage_score(labels[test], sets)[0])
    of_one = float(classification_ssc(labels[test], sets)[0, 1])
    found[names] = score, covered, of_one
    print(f"labels {names}: coverage {score:.3f}, by counting {covered:.3f}, of sets of one label {of_one:.3f}")
assert found[0, 1][0] == found[0, 1][1] == found[-1, 1][1] > 0.88
assert found[-1, 1][0] < 0.25 and found[-1, 1][2] < 0.2 < 0.88 < found[0, 1][2]
PYTHON
