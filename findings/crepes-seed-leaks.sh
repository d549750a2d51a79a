#!/usr/bin/env bash
# crepes's predictive systems leave NumPy's global generator at their seed: what is drawn after each prediction is the same each time.
#
# Library:  crepes 0.9.1
# Expected: a seed is for the prediction that it is given to: the generator's state is kept and put back, as by crepes's regressors and classifiers.
# Instead:  `ConformalPredictiveSystem.predict`, and all that calls it, puts it back below its returns, where it is never reached.
# Seen:     numbers drawn from NumPy after each of four predictions
#             ConformalRegressor.predict_p                   0.417 0.720 0.000 0.302
#             ConformalPredictiveSystem.predict_p            0.646 0.646 0.646 0.646
#             ConformalPredictiveSystem.predict_int          0.549 0.549 0.549 0.549
#           WrapRegressor puts it back itself
# Matters:  augmentation, bootstrap samples and noise that are drawn between predictions are the same in each round, so that what should be many
#           rounds is one; an interval from ten of them has no width.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check crepes==0.9.1 scikit-learn==1.9.1 scipy==1.17.1 pandas==3.1.1 numpy==2.4.6
cd "$folder"
venv/bin/python -W ignore - <<'PYTHON'
import numpy as np
from crepes import ConformalPredictiveSystem, ConformalRegressor, WrapRegressor
from sklearn.linear_model import LinearRegression

random = np.random.default_rng(0)
known, guess, truth = random.normal(size=99), np.zeros(5), random.normal(size=5)
features = random.normal(size=(99, 1))
wrapped = WrapRegressor(LinearRegression())
wrapped.fit(features, known)
wrapped.calibrate(features, known, cps=True, seed=0)
system, regressor = ConformalPredictiveSystem().fit(known, seed=0), ConformalRegressor().fit(known)
CALLS = {
    "ConformalRegressor.predict_p": lambda: regressor.predict_p(guess, truth, seed=0),
    "ConformalPredictiveSystem.predict_p": lambda: system.predict_p(guess, truth),
    "ConformalPredictiveSystem.predict_int": lambda: system.predict_int(guess),
    "WrapRegressor.predict_p": lambda: wrapped.predict_p(features[:5], truth),
    "WrapRegressor.predict_int": lambda: wrapped.predict_int(features[:5]),
    "WrapRegressor.predict_percentiles": lambda: wrapped.predict_percentiles(features[:5], lower_percentiles=5),
}
seen = {}
for name, call in CALLS.items():
    np.random.seed(1)
    drawn = []
    for _ in range(4):
        call()
        drawn.append(round(float(np.random.random()), 3))
    seen[name] = drawn
    print(f"{name}: drawn after each of four calls {drawn}")
    assert len(set(drawn)) == (1 if name.startswith("ConformalPredictiveSystem") else 4)
PYTHON
