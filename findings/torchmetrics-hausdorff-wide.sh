#!/usr/bin/env bash
# torchmetrics' Hausdorff distance is wrong in every picture that is wider than high: empty columns at the right change it.
#
# Library:  torchmetrics 1.9.0, with torch 2.13.0, against scipy 1.17.1
# Expected: the distance of two masks depends on where they lie to one another; background added beside them changes nothing.
# Instead:  the map of distances is filled by row times height plus column, where row times width was due. In a square that is the same. In a
#           wide picture each distance lands in another place; one that is higher than wide raises IndexError.
# Seen:     two squares in a picture of 40 rows, as far apart as scipy says first
#             0    40 x 40 0.0, 40 x 41 26.0, 40 x 60 20.1, 40 x 80 11.0
#             3    40 x 40 3.0, 40 x 41 26.0, 40 x 60 23.1, 40 x 80 11.4
#             12   40 x 40 12.0, 40 x 41 26.0, 40 x 60 28.2, 40 x 80 16.3
# Matters:  frames of ultrasound and endoscopy are wide. A perfect segmentation has a large distance, a poor one may have a smaller, and the
#           class `HausdorffDistance` averages them over the test set without a word: the number says nothing of a model.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torchmetrics==1.9.0 torch==2.13.0 numpy==2.4.6 scipy==1.17.1
cd "$folder"
venv/bin/python - <<'PYTHON'
import numpy as np
import torch
from scipy.ndimage import binary_erosion
from scipy.spatial.distance import directed_hausdorff
from torchmetrics.functional.segmentation import hausdorff_distance


def masks(width, gap):
    """Two squares of 10 pixels a side in a picture of 40 rows, the second one `gap` columns to the right of the first."""
    both = np.zeros((2, 40, width), bool)
    both[0, 20:30, 5:15] = both[1, 20:30, 5 + gap : 15 + gap] = True
    return both


def by_scipy(first, second):
    """The larger of the two directed distances between the pixels at the borders of two masks."""
    first, second = (np.argwhere(mask & ~binary_erosion(mask)) for mask in (first, second))
    return max(directed_hausdorff(first, second)[0], directed_hausdorff(second, first)[0])


for gap in (0, 3, 12):
    found = {}
    for width in (40, 41, 60, 80):
        one, other = masks(width, gap)
        given = (torch.as_tensor(mask)[None, None] for mask in (one, other))
        found[width] = float(hausdorff_distance(*given, num_classes=1, include_background=True))
        assert by_scipy(one, other) == gap
    print(f"{gap} columns apart, by scipy {gap}.0:", ", ".join(f"40 x {width} {value:.1f}" for width, value in found.items()))
    assert found[40] == gap and all(found[width] > gap + 4 for width in (41, 60, 80))
PYTHON
