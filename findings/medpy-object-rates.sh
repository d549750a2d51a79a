#!/usr/bin/env bash
# MedPy's rate of lesions found is the rate of marks that are right, and its rate of false ones the rate of lesions missed.
#
# Library:  medpy 0.5.2, with scipy 1.17.1
# Expected: `obj_tpr(result, reference)` is the share of the reference's lesions that were found, and `obj_fpr` the share of the result's that are
#           false, as the notes and the examples of the docs have it.
# Instead:  the number of hits is divided by the number of marks in the result, and misses are counted for false marks, which is what
#           another sentence of the docs says; their own example, 0.667, comes out as 1.0.
# Seen:     4 lesions, 1 of them found, nothing else: rate found 1.00, false 0.75; all 4 found, and 4 false marks: found 0.50, false 0.00
# Matters:  a detector that marks nothing but one sure lesion has a perfect sensitivity, and one that finds all a bad one; the two numbers
#           look sound, and are what papers on lesions report.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check medpy==0.5.2 scipy==1.17.1 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import numpy as np
from medpy.metric.binary import obj_fpr, obj_tpr
from scipy.ndimage import label

lesions = np.zeros((24, 24), bool)
for row in (1, 7, 13, 19):
    lesions[row : row + 3, 2:5] = True
one = lesions.copy()
one[6:] = False
more = lesions | lesions[:, ::-1]
found = {}
for name, result in (("1 of 4 found, nothing else", one), ("all 4 found, 4 false", more)):
    marks, count = label(result)
    hits = sum(bool(result[label(lesions)[0] == index].any()) for index in range(1, 5))
    false = sum(not lesions[marks == index].any() for index in range(1, count + 1))
    found[name] = obj_tpr(result, lesions), obj_fpr(result, lesions)
    print(f"{name}: medpy found {found[name][0]:.2f}, false {found[name][1]:.2f}; by hand {hits / 4:.2f}, {false / count:.2f}")
assert list(found.values()) == [(1.0, 0.75), (0.5, 0.0)]
assert "obj_tpr(arr1, arr2)\n    0.6666666666666666" in obj_tpr.__doc__
example = obj_tpr(np.asarray([1, 0, 1, 0, 0]), np.asarray([1, 0, 1, 0, 1]))
print("the docs' example, 0.667 there:", example)
assert example == 1
PYTHON
