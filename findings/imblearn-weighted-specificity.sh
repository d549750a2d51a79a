#!/usr/bin/env bash
# imbalanced-learn counts cases without their weights for the specificity: it goes from 0.90 to 0.73 with all weights at 2.
#
# Library:  imbalanced-learn 0.14.2, with scikit-learn 1.9.1
# Expected: weights that are the same for all change nothing, and weights of whole numbers are cases that occur so many times. So it is with the
#           sensitivity, and with scikit-learn's recall of the other class, which is the specificity.
# Instead:  true negatives are the number of cases, unweighted, less the weights of all others. Large weights leave too few of them, and small ones,
#           such as weights that add up to 1, nearly as many as there are cases.
# Seen:     20 ill, 16 of them found; 80 healthy, 8 of them called ill
#             weights            imbalanced-learn   scikit-learn
#             none                          0.900          0.900
#             2 for all                     0.733          0.900
#             0.5 for all                   0.956          0.900
#             0.01 for all                  0.999          0.900
#             4 for the healthy             0.600          0.900
#           the sensitivity is 0.800 with all of them; the geometric mean goes from 0.849 to 0.693 with the last
# Matters:  weights make a study's sample stand for its population, by prevalence or by site. `specificity_score`, the geometric mean and the report
#           of imbalanced-learn are wrong with them, and look sound.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check imbalanced-learn==0.14.2 scikit-learn==1.9.1 scipy==1.17.1 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import numpy as np
from imblearn.metrics import geometric_mean_score, sensitivity_score, specificity_score
from sklearn.metrics import recall_score

truth = np.repeat([1, 0], [20, 80])
found = np.concatenate([np.repeat([1, 0], [16, 4]), np.repeat([1, 0], [8, 72])])
seen = {}
for name, weights in (
    ("none", None),
    ("all 1", np.ones(100)),
    ("all 2", np.full(100, 2.0)),
    ("all 0.5", np.full(100, 0.5)),
    ("all 0.01", np.full(100, 0.01)),
    ("healthy 4 times", np.where(truth == 0, 4.0, 1.0)),
):
    specificity = specificity_score(truth, found, sample_weight=weights)
    other = recall_score(truth, found, pos_label=0, sample_weight=weights)
    sensitivity = sensitivity_score(truth, found, sample_weight=weights)
    mean = geometric_mean_score(truth, found, average="binary", sample_weight=weights)
    seen[name] = specificity
    print(f"weights {name}: specificity {specificity:.3f}, by scikit-learn {other:.3f}; sensitivity {sensitivity:.3f}; geometric mean {mean:.3f}")
    assert abs(other - 0.9) < 1e-9 and abs(sensitivity - 0.8) < 1e-9
assert abs(seen["none"] - 0.9) < 1e-9 and abs(seen["all 1"] - 0.9) < 1e-9
assert abs(seen["all 2"] - 44 / 60) < 1e-9 and seen["all 0.01"] > 0.99 and abs(seen["healthy 4 times"] - 0.6) < 1e-9
PYTHON
