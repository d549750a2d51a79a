#!/usr/bin/env bash
# crepes's CRPS of a normalised predictive system depends on the unit: 0.57 in millimetres is 38,665 in micrometres, where it is 569.
#
# Library:  crepes 0.9.1, with scipy 1.17.1
# Expected: the continuous ranked probability score is the area between the squared distribution and the step at the truth; it has the unit of what
#           is predicted, so that it is a thousand times as large in micrometres as in millimetres.
# Instead:  the two pieces of that area beside the truth are multiplied by the difficulty (sigma) though they are in the final unit already, the
#           others rightly once.
# Seen:     99 known and 500 new cases, errors of 1 mm, a difficulty of 1 mm for all
#             in mm           CRPS 0.569, by hand 0.569, without normalisation 0.569
#             in micrometres  CRPS 38665, by hand 569, without normalisation 569
#             in m            CRPS 0.000531, by hand 0.000569, without normalisation 0.000569
# Matters:  the score is what models of uncertainty are chosen by. With a difficulty in large units, such as mL or days, the piece around the truth
#           outweighs all others, with one below 1 it is missing.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check crepes==0.9.1 scikit-learn==1.9.1 scipy==1.17.1 pandas==3.1.1 numpy==2.4.6
cd "$folder"
venv/bin/python -W ignore - <<'PYTHON'
import numpy as np
from crepes import ConformalPredictiveSystem

random = np.random.default_rng(0)
known = random.normal(size=99)
guess, truth, sigma = np.zeros(500), random.normal(size=500), np.ones(500)


def by_hand(system, guess, truth, sigma):
    """Mean absolute distance from the truth less half of that within the distribution, which is the same area."""
    values = guess[:, None] + sigma[:, None] * np.sort(system.alphas)
    inside = abs(values[:, :, None] - values[:, None, :]).mean((1, 2))
    return float((abs(values - truth[:, None]).mean(1) - inside / 2).mean())


found = {}
for unit, factor in (("m", 0.001), ("mm", 1.0), ("micrometres", 1000.0)):
    system = ConformalPredictiveSystem().fit(factor * known, sigmas=factor * np.ones(99))
    arguments = factor * guess, factor * truth, factor * sigma
    stated = system.evaluate(arguments[0], arguments[1], sigmas=arguments[2], metrics=["CRPS"])["CRPS"]
    plain = ConformalPredictiveSystem().fit(factor * known)
    without = plain.evaluate(arguments[0], arguments[1], metrics=["CRPS"])["CRPS"]
    expected = by_hand(system, *arguments)
    found[unit] = stated / expected
    assert abs(without / expected - 1) < 1e-6
    print(f"{unit}: CRPS {stated:.6g}, not normalised {without:.6g}, by hand {expected:.6g}")
assert abs(found["mm"] - 1) < 1e-6 and found["micrometres"] > 60 and 0.9 < found["m"] < 0.95
PYTHON
