#!/usr/bin/env bash
# irrCAC's Brennan-Prediger agreement comes with half the p-value: 0.026 beside an interval that holds 0.
#
# Library:  irrcac 0.4.4, with pandas 3.1.1 and scipy 1.17.1
# Expected: p is two-sided, as for the four other coefficients of the class and for the same one in `irrCAC.table`: it is below 0.05 where the 95 %
#           interval leaves 0 out.
# Instead:  `irrCAC.raw.CAC.bp` leaves the factor of 2 out. It takes the distance from 0 without its sign, so that it is not the one-sided test either:
#           raters who disagree more than by chance have the same small p.
# Seen:     10 cases, two readers, 8 alike: coefficient 0.60, interval -0.003 to 1, p = 0.026; by Student's t with 9 degrees of freedom 0.051
#           Fleiss 0.064, Conger 0.064, Krippendorff 0.057, Gwet 0.045, each as by Student's t; 2 of 10 alike: -0.60, p = 0.026
# Matters:  it is the coefficient that one takes where nearly all cases are normal and kappa breaks down. A study of few cases finds an agreement of
#           readers to be significant that is not, and only who reads the interval as well sees it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pandas==3.1.1 scipy==1.17.1 numpy==2.4.6
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps irrcac==0.4.4  # it asks for an older scipy
cd "$folder"
venv/bin/python - <<'PYTHON'
import pandas as pd
from irrCAC.raw import CAC
from scipy.stats import t

first = [1, 1, 1, 1, 1, 1, 0, 0, 0, 0]
second = [1, 1, 1, 1, 1, 0, 1, 0, 0, 0]


def both(other):
    """Return p by irrCAC and by Student's t for each coefficient of two readers."""
    found = {}
    for name in ("bp", "fleiss", "conger", "krippendorff", "gwet"):
        seen = getattr(CAC(pd.DataFrame({"first": first, "second": other})), name)()["est"]
        found[name] = seen, float(2 * t.sf(abs(seen["coefficient_value"] / seen["se"]), len(first) - 1))
        low, high = seen["confidence_interval"]
        print(f"{seen['coefficient_name']} {seen['coefficient_value']:.2f}, interval {low:.3f} to {high:.3f}, p = {seen['p_value']:.3f}, by t {found[name][1]:.3f}")
    return found


alike, unlike = both(second), both([1 - mark for mark in second])
for found in (alike, unlike):
    seen, right = found.pop("bp")
    assert abs(2 * seen["p_value"] - right) < 1e-3
    assert all(abs(seen["p_value"] - right) < 1e-3 for seen, right in found.values())
    if seen["coefficient_value"] > 0:
        assert seen["p_value"] < 0.03 and right > 0.05 and seen["confidence_interval"][0] < 0
    else:
        assert seen["p_value"] < 0.03
PYTHON
