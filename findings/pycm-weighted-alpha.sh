#!/usr/bin/env bash
# PyCM's weighted Krippendorff's alpha is -2.83 or 1.14 for two readers who agree by chance, where one grade is more common than others.
#
# Library:  pycm 4.6, with krippendorff 0.9.0
# Expected: alpha is 1 for readers who agree and 0 for those who agree by chance alone. With the squared difference of grades for weights
#           (`weighted_alpha`) it is the "interval" alpha of the krippendorff package.
# Instead:  for the agreement by chance the shares of two grades are added, halved and squared, where they are to be multiplied. For different
#           shares that is more, and more than 1 at times, which turns the scale over. Without weights, and with equal shares, it is the same.
# Seen:     1000 cases, grades 0 to 4, squared differences             PyCM   krippendorff   by hand
#             each grade in a fifth, by chance                        0.01           0.01      0.01
#             half are 0, by chance                                  -2.83           0.01      0.01
#             half are 0, every fifth off by a grade                  0.85           0.95      0.95
#             86 % are 0, by chance                                   1.14           0.00      0.00
#             86 % are 0, every fifth off by a grade                  1.02           0.91      0.91
#           PyCM's own weighted kappa is within 0.001 of the krippendorff package in all of them
# Matters:  in grades of disease most cases are of grade 0 or 1, and alpha is what readers' agreement is reported by: a value above 1 is
#           seen, 0.85 for 0.95 is not.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pycm==4.6 krippendorff==0.9.0 numpy==2.4.6
cd "$folder"
venv/bin/python -W ignore - <<'PYTHON'
import krippendorff
import numpy as np
from pycm import ConfusionMatrix


def by_hand(one, other, grades, weights):
    """Krippendorff's alpha of two readers with weights for disagreement."""
    table = np.zeros((grades, grades))
    np.add.at(table, (one, other), 1)
    table = table + table.T
    totals = table.sum(0)
    number = totals.sum()
    return 1 - (table * weights).sum() / ((np.outer(totals, totals) * weights).sum() / (number - 1))


random = np.random.default_rng(0)
squared = (np.arange(5)[:, None] - np.arange(5)) ** 2
weight = {i: {j: int(squared[i, j]) for j in range(5)} for i in range(5)}
found = {}
for name, counts in (("all alike", [200] * 5), ("half 0", [500, 200, 150, 100, 50]), ("most 0", [860, 50, 40, 30, 20])):
    one = random.permutation(np.repeat(np.arange(5), counts))
    close = one.copy()
    change = random.random(one.size) < 0.2
    close[change] = np.clip(close[change] + random.choice([-1, 1], change.sum()), 0, 4)
    for how, other in (("by chance", random.permutation(one)), ("one grade off in a fifth", close)):
        matrix = ConfusionMatrix(actual_vector=one, predict_vector=other)
        alpha, kappa, expected = matrix.weighted_alpha(weight), matrix.weighted_kappa(weight), by_hand(one, other, 5, squared)
        package = krippendorff.alpha(np.stack([one, other]), level_of_measurement="interval")
        found[name, how] = alpha
        print(f"{name}, {how}: weighted alpha {alpha:.3f}; by hand {expected:.3f}, krippendorff {package:.3f}; weighted kappa {kappa:.3f}")
        print(f"  unweighted {matrix.Alpha:.3f}, by hand {by_hand(one, other, 5, squared > 0):.3f}")
        assert abs(package - expected) < 1e-9 and abs(matrix.Alpha - by_hand(one, other, 5, squared > 0)) < 1e-3
        assert abs(kappa - expected) < 2e-3 and (name != "all alike" or abs(alpha - expected) < 2e-3)
assert found["half 0", "by chance"] < -2 and 0.8 < found["half 0", "one grade off in a fifth"] < 0.9
assert found["most 0", "by chance"] > found["most 0", "one grade off in a fifth"] > 1
PYTHON
