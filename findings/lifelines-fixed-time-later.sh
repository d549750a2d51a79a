#!/usr/bin/env bash
# lifelines' test of survival at five years depends on deaths after them: the same five years have p = 0.03 or 0.54.
#
# Library:  lifelines 0.30.3
# Expected: `survival_difference_at_fixed_point_in_time_test` compares two Kaplan-Meier curves at a time by Greenwood's variance there (Klein et
#           al. 2007, which its docs cite). Both are steps; what happens later does not change them.
# Instead:  the survival is that of the step, the variance is taken from a line to the next time in the data, which may lie after the step up.
# Seen:     two groups of 18, 14 and 7 alive when last seen within five years or after; p by lifelines, by hand 0.025 each time
#             0.025  nobody dies later
#             0.058  one of the two last of each group dies after 120 months
#             0.537  one of the two last of each group dies after 61 months
# Matters:  few are left at risk after the time of interest, so that the next death raises the variance most. Whether a marker predicts survival at
#           five years then depends on when the data were closed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check lifelines==0.30.3 pandas==2.3.3 scipy==1.17.1 numpy==2.4.6
cd "$folder"
venv/bin/python -W ignore - <<'PYTHON'
import numpy as np
from lifelines import KaplanMeierFitter
from lifelines.statistics import survival_difference_at_fixed_point_in_time_test
from scipy.stats import chi2

FIVE_YEARS = 60  # months


def greenwood(months, died):
    """Give survival at five years, and the variance of its logarithm."""
    survival, variance = 1.0, 0.0
    for month in sorted({m for m, d in zip(months, died) if d and m <= FIVE_YEARS}):
        at_risk = sum(m >= month for m in months)
        deaths = sum(m == month and d for m, d in zip(months, died))
        survival *= 1 - deaths / at_risk
        variance += deaths / (at_risk * (at_risk - deaths))
    return survival, variance


def by_hand(one, other):
    (a, var_a), (b, var_b) = greenwood(*one), greenwood(*other)
    above = (np.log(-np.log(a)) - np.log(-np.log(b))) ** 2
    return float(chi2.sf(above / (var_a / np.log(a) ** 2 + var_b / np.log(b) ** 2), 1))


def by_lifelines(one, other):
    curves = [KaplanMeierFitter().fit(*group) for group in (one, other)]
    return float(survival_difference_at_fixed_point_in_time_test(FIVE_YEARS, *curves).p_value)


few = [6, 14, 20, 33] + [40, 44, 47, 50, 52, 53, 55, 57, 58, 58, 59, 59], [1] * 4 + [0] * 12
many = [3, 5, 8, 9, 12, 15, 18, 21, 26, 30, 38] + [50, 52, 55, 58, 59], [1] * 11 + [0] * 5
found = {}
for name, later in {"nobody dies later": (120, 0), "a death after 61 months": (61, 1), "after 120 months": (120, 1)}.items():
    groups = [(months + [later[0], 130], died + [later[1], 0]) for months, died in (few, many)]
    found[name] = by_lifelines(*groups), by_hand(*groups)
    print(f"{name}: p = {found[name][0]:.3f}, by hand {found[name][1]:.3f}")
np.testing.assert_allclose(list(found.values()), [(0.025, 0.025), (0.537, 0.025), (0.058, 0.025)], atol=5e-4)
PYTHON
