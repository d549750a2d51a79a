#!/usr/bin/env bash
# MONAI's random shift of extreme points, meant for either side, goes to one side alone.
#
# Library:  monai 1.6.1, with torch 2.13.0
# Expected: with pert=5 each of the four clicks around an organ is moved by -5 to 5 pixels, as a person's clicks are, and by 0 on average.
# Instead:  of `rand() if ... else 0.5 - 0.5` the 0.5 is taken off the other branch, so that each click is moved by 0 to 10, down and to
#           the right; the lowest and the rightmost go away from the organ, the other two into it.
# Seen:     square from 40 to 60: top 44.5, bottom 64.4, left 44.5, right 64.4 on average of 4000 drawings; without a shift 40, 60, 40, 60
# Matters:  a network that is trained with these clicks expects them all too far down and to the right, on average by the whole of the shift
#           asked for; clicks of people are not.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check monai==1.6.1 torch==2.13.0 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import numpy as np
from monai.transforms import get_extreme_points

organ = np.zeros((101, 101), np.uint8)
organ[40:61, 40:61] = 1
draw = np.random.RandomState(0)
for shift in (0.0, 5.0):
    points = np.array([get_extreme_points(organ, draw, pert=shift) for _ in range(4000)])
    ends = points[:, 0, 0], points[:, 1, 0], points[:, 2, 1], points[:, 3, 1]
    print(f"pert={shift}: top {ends[0].mean():.1f}, bottom {ends[1].mean():.1f}, left {ends[2].mean():.1f}, right {ends[3].mean():.1f}")
    moved = np.stack(ends) - np.array([40, 60, 40, 60])[:, None]
    assert not moved.any() if shift == 0 else moved.min() == 0 and moved.max() == 9 and abs(moved.mean() - 4.5) < 0.1
PYTHON
