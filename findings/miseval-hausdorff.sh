#!/usr/bin/env bash
# miseval's Hausdorff distance is 0 for a mask that lies 30 rows lower, and its average one is the largest distance.
#
# Libraries: miseval 1.3.0 with hausdorff 0.2.6; SciPy 1.17.1, MedPy 0.5.2
# Expected:  "HD" is the largest distance from a pixel of one mask to the nearest of the other, and "AHD", which its guideline
#            recommends for contours, the average of such distances.
# Instead:   "HD" hands the two pictures over to a function that takes points: each row of pixels becomes a point whose coordinates are
#            the pixels' values. It tells how unlike the rows are, in no unit, wherever they stand. "AHD" takes the maximum over the
#            borders, which is the Hausdorff distance.
# Seen:      a square of 20 x 20 pixels against
#              itself, 3 columns on      HD 2.45   AHD  3.00   SciPy, largest  3.00   MedPy, average  1.50
#              itself, 30 rows down      HD 0.00   AHD 30.00   SciPy, largest 30.00   MedPy, average 20.50
#              3 columns on, and a speck HD 2.45   AHD 43.84   SciPy, largest 43.84   MedPy, average  1.78
# Matters:   a mask at a wrong place has a perfect distance, and the one stray pixel that an average is taken to forgive decides. Numbers
#            from here cannot be compared with others of the same names.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    miseval==1.3.0 hausdorff==0.2.6 dictances==1.5.3 numba==0.68.1 MedPy==0.5.2 \
    scikit-image==0.26.0 scikit-learn==1.9.1 scipy==1.17.1 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import numpy as np
from medpy.metric.binary import assd
from miseval import evaluate
from scipy.spatial.distance import directed_hausdorff

square = np.zeros((64, 64), np.uint8)
square[10:30, 10:30] = 1
beside, below = np.roll(square, 3, axis=1), np.roll(square, 30, axis=0)
speck = beside.copy()
speck[60, 60] = 1
OTHERS = {"itself, 3 columns on": beside, "itself, 30 rows down": below, "3 columns on, and a speck": speck}
SEEN = {"itself, 3 columns on": (2.45, 3.0), "itself, 30 rows down": (0.0, 30.0), "3 columns on, and a speck": (2.45, 43.84)}
for name, other in OTHERS.items():
    hd, ahd = (float(evaluate(square, other, metric=metric)) for metric in ("HD", "AHD"))
    points = np.argwhere(square), np.argwhere(other)
    largest = max(directed_hausdorff(*points)[0], directed_hausdorff(*points[::-1])[0])
    average = float(assd(square, other))
    print(f"{name:25} HD {hd:.2f}   AHD {ahd:5.2f}   SciPy, largest {largest:5.2f}   MedPy, average {average:5.2f}")
    assert (round(hd, 2), round(ahd, 2)) == SEEN[name]
    assert round(largest, 2) == SEEN[name][1] and average < largest
PYTHON
