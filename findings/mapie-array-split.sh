#!/usr/bin/env bash
# MAPIE's calibration error with "array split" depends on the order of the cases: 0.25 where they are sorted by score, 0.005 where they are not.
#
# Library:  mapie 1.6.0, with scikit-learn 1.9.1
# Expected: bins of equal numbers of cases by their score, as NumPy's array_split makes them of sorted scores; the order of the cases does not matter.
# Instead:  scores are split into groups as they come, and the largest score of each group is a border. In any order but a sorted one all groups reach
#           nearly 1, so that nearly all cases lie below the first border, in one bin.
# Seen:     10,000 cases, half of them abnormal, scores uniform and unrelated to the label, 10 bins
#             sorted by score: uniform 0.249, quantile 0.249, array split 0.255; by hand 0.255
#             as they came:    uniform 0.249, quantile 0.249, array split 0.005
# Matters:  a score that says nothing has the calibration of a perfect one, since too high and too low cancel within one bin.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check mapie==1.6.0 scikit-learn==1.9.1 scipy==1.17.1 numpy==2.4.6
cd "$folder"
venv/bin/python -W ignore - <<'PYTHON'
import numpy as np
from mapie.metrics.calibration import expected_calibration_error

random = np.random.default_rng(0)
scores = random.uniform(0, 1, 10_000)
abnormal = (random.random(10_000) < 0.5).astype(int)
order = np.argsort(scores)
by_hand = np.mean([abs(scores[part].mean() - abnormal[part].mean()) for part in np.array_split(order, 10)])
found = {}
for title, rows in (("sorted by score", order), ("as they came", np.arange(10_000))):
    for name in ("uniform", "quantile", "array split"):
        found[title, name] = expected_calibration_error(abnormal[rows], scores[rows], num_bins=10, split_strategy=name)
    print(f"{title}: " + ", ".join(f"{name} {found[title, name]:.3f}" for name in ("uniform", "quantile", "array split")) + f"; by hand {by_hand:.3f}")
    assert abs(found[title, "uniform"] - by_hand) < 0.01 and abs(found[title, "quantile"] - by_hand) < 0.01
assert abs(found["sorted by score", "array split"] - by_hand) < 0.01 and found["as they came", "array split"] < 0.01
PYTHON
