#!/usr/bin/env bash
# PyOD's histogram-based detector depends on the unit of a feature: the outliers that it finds in cm are lost in mm.
#
# Library:  pyod 3.6.7, with scikit-learn 1.9.1
# Expected: HBOS looks at how full a value's bin is, and that is the same in any unit; in its paper each histogram is scaled to a height of 1.
# Instead:  it takes the logarithm of a density, counts by bin width, plus 0.1. Where a feature has a spread of hundreds its densities are far
#           below 0.1 and all its bins are alike; where the spread is a hundredth it outweighs every other feature.
# Seen:     three features of spread 1, outliers 4 spreads off in the first: AUROC 0.898; with the first in a unit ten times smaller 0.608,
#           a hundred times 0.488, a thousand times larger 0.979; and 0.828 with all three in a unit 100,000 times smaller
# Matters:  CT numbers, volumes in mm3 and rates stand side by side in a table of radiomics. With the default the feature of the large numbers
#           is no part of the score, and no message says so. A scaling to spread 1 beforehand is needed, as for distances.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyod==3.6.7 scikit-learn==1.9.1 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import numpy as np
from pyod.models.hbos import HBOS
from sklearn.metrics import roc_auc_score

draw = np.random.default_rng(0)
train, normal, outliers = (draw.normal(0, 1, (count, 3)) for count in (2000, 400, 100))
outliers[:, 0] += 4
test, truth = np.concatenate([normal, outliers]), np.repeat([0, 1], [400, 100])


def auroc(units):
    return round(roc_auc_score(truth, HBOS().fit(train * units).decision_function(test * units)), 3)


seen = {factor: auroc(np.array([factor, 1, 1])) for factor in (1, 10, 100, 0.001)}
for factor, value in seen.items():
    print(f"first feature times {factor}: AUROC {value}")
together = auroc(np.full(3, 100000))
print(f"all features times 100000: AUROC {together}")
assert 0.88 < seen[1] < 0.92 and seen[10] < 0.65 and seen[100] < 0.52 and seen[0.001] > 0.96
assert seen[1] - together > 0.05
PYTHON
