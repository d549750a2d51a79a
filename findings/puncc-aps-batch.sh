#!/usr/bin/env bash
# puncc's prediction sets (APS, RAPS) hold no more classes than the batch has cases: sets of 90 % hold 91 % of the cases all at once, 43 % one by one.
#
# Library:  puncc 0.9.3, with numpy 1.26.4
# Expected: the set of a case depends on its probabilities and on the calibration. Whether it is predicted alone or with others does not matter.
# Instead:  the number of classes in a set is cut to the number of cases that are predicted together; it should be the number of classes.
# Seen:     6 classes, 1000 new cases, probabilities from which the truth is drawn, sets of 90 %
#             APS, 1000 at a time   held 0.910, 3.6 classes in a set on average
#             APS, 2 at a time      held 0.683, 2 classes
#             APS, 1 at a time      held 0.431, 1 class: the likeliest, which is right in 0.431
#             without randomness    0.976, 0.683 and 0.431
# Matters:  a guarantee that is checked on a test set in one go is gone in use, where one patient comes at a time: the set is then the likeliest
#           class alone, however unsure the network is.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==1.26.4 scipy==1.15.3 scikit-learn==1.7.2
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps puncc==0.9.3  # matplotlib and pandas are not needed here
cd "$folder"
venv/bin/python -W ignore - <<'PYTHON'
import numpy as np
from deel.puncc.api.calibration import BaseCalibrator
from deel.puncc.api.nonconformity_scores import raps_score_builder
from deel.puncc.api.prediction_sets import raps_set_builder
from deel.puncc.metrics import classification_mean_coverage, classification_mean_size

random = np.random.default_rng(0)
probabilities = random.dirichlet(np.full(6, 0.8), 3000)
labels = (random.random((3000, 1)) > probabilities.cumsum(1)).sum(1).clip(max=5)  # drawn from them: the network is calibrated
known, new = slice(0, 2000), slice(2000, 3000)
found = {}
for name, rand in (("APS", True), ("APS without randomness", False)):
    calibrator = BaseCalibrator(nonconf_score_func=raps_score_builder(rand=rand), pred_set_func=raps_set_builder(rand=rand))
    np.random.seed(0)
    calibrator.fit(y_true=labels[known], y_pred=probabilities[known])
    for batch in (1000, 2, 1):
        sets = []
        for first in range(0, 1000, batch):
            sets += calibrator.calibrate(alpha=0.1, y_pred=probabilities[new][first : first + batch])[0]
        held = classification_mean_coverage(labels[new], sets)
        found[rand, batch] = held
        size = classification_mean_size(sets)
        print(f"{name}, {batch} at a time: held {held:.3f}, classes in a set {size:.2f} on average, {max(map(len, sets))} at most")
        assert max(map(len, sets)) <= batch
likeliest = float((probabilities[new].argmax(1) == labels[new]).mean())
print(f"the likeliest class is right in {likeliest:.3f}")
for rand in (True, False):
    assert found[rand, 1000] > 0.88 and found[rand, 1] <= likeliest < 0.7
PYTHON
