#!/usr/bin/env bash
# crepes gives a case of a category that was not in the calibration the interval from 0 to 0, without a word.
#
# Library:  crepes 0.9.1
# Expected: where nothing is known of a category (a scanner, an age group), the interval is as wide as can be, as it is with a warning for a
#           category with too few cases, or there is an error. The same object's p-values for such a case are those of no knowledge.
# Instead:  the intervals begin as zeros and are filled category by category; those of the calibration alone are gone through. So it is
#           with predictive systems.
# Seen:     calibrated with 100 cases of A, 100 of B and 5 of "few", prediction 55, intervals of 90 %
#             A 53.4 to 56.6, B 53.5 to 56.5, "few" from minus to plus infinity, with a warning; C 0.0 to 0.0, with none
#             p-value of a value that is 1000 off, mean of 200: A 0.005, B 0.005, "few" 0.08, C 0.50
# Matters:  an ejection fraction of 0 to 0 is at least odd; a growth, a difference or a score of 0 to 0 looks like a sure finding that nothing has
#           changed, and comes from a scanner of which nothing is known.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check crepes==0.9.1 scikit-learn==1.9.1 scipy==1.17.1 pandas==3.1.1 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import warnings

import numpy as np
from crepes import ConformalPredictiveSystem, ConformalRegressor

random = np.random.default_rng(0)
residuals, scanners = random.normal(size=205), np.array(["A"] * 100 + ["B"] * 100 + ["few"] * 5)
guess, tested = np.full(4, 55.0), np.array(["A", "B", "few", "C"])
for kind in (ConformalRegressor, ConformalPredictiveSystem):
    model = kind().fit(residuals, bins=scanners)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        intervals = model.predict_int(guess, bins=tested, confidence=0.9)
    print(kind.__name__, *(f"{name}: {low:.1f} to {high:.1f}" for name, (low, high) in zip(tested, intervals, strict=True)), sep="\n  ")
    text = " ".join(str(warning.message) for warning in said)
    print("  warned:", text)
    assert (np.isinf(intervals[2])).all() and (intervals[3] == 0).all() and (abs(intervals[:2] - 55) < 3).all()
    assert "few" in text and " C" not in text
model = ConformalRegressor().fit(residuals, bins=scanners)
p_values = np.array([model.predict_p(guess, guess + 1000, bins=tested, seed=seed) for seed in range(200)])
print("p-values of the regressor, 1000 off, mean of 200:", *(f"{name} {value:.3f}" for name, value in zip(tested, p_values.mean(0), strict=True)))
assert 0.4 < p_values[:, 3].mean() < 0.6 and p_values[:, 0].mean() < 0.01
PYTHON
