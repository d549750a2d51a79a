#!/usr/bin/env bash
# MONAI's random bias field is brightest in one and the same corner, every time, and in 2D hardly changes from left to right.
#
# Library:  monai 1.6.1, with torch 2.13.0
# Expected: a random bias field is as likely to be bright on any side, and as likely to change along columns as along rows.
# Instead:  coefficients are drawn from 0 to 0.1, and each Legendre polynomial is 1 at the end of an axis: the last corner is the sum of
#           them all. In 2D they are put where the second order is at most the first, so that no term has the second axis alone.
# Seen:     1000 fields of 64 x 64: brightest in the last corner 100 %, 1.65 there on average and 0.91 to 1.11 in the others; 3D: 100 %, 2.72.
#           From -0.1 to 0.1, spread along the first axis 0.056, along the second 0.029; of degree 1 the middle row is constant
# Matters:  what should make a network indifferent to shading teaches it that one corner is bright, and the picture is brighter on the whole;
#           turn the pictures by 90 degrees and it is another augmentation.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check monai==1.6.1 torch==2.13.0 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import numpy as np
from monai.transforms import RandBiasField


def fields(shape, count=1000, **options):
    draw = RandBiasField(prob=1, **options)
    draw.set_random_state(0)
    return np.stack([np.asarray(draw(np.ones((1, *shape), np.float32)))[0] for _ in range(count)])


plain = fields((64, 64))
corners = plain[:, [0, 0, -1, -1], [0, -1, 0, -1]].mean(0)
last = (plain.reshape(1000, -1).argmax(1) == 64 * 64 - 1).mean()
print(f"2D: brightest in the last corner {last:.0%}; means of the corners", *(f"{one:.2f}" for one in corners))
solid = fields((17, 17, 17))
deep = (solid.reshape(1000, -1).argmax(1) == 17**3 - 1).mean()
print(f"3D: brightest in the last corner {deep:.0%}; mean there {solid[:, -1, -1, -1].mean():.2f}, in the first {solid[:, 0, 0, 0].mean():.2f}")
even = np.log(fields((64, 64), coeff_range=(-0.1, 0.1)))
first, second = even.std(1).mean(), even.std(2).mean()
print(f"from -0.1 to 0.1: spread of the logarithm along the first axis {first:.3f}, along the second {second:.3f}")
lines = fields((65, 65), count=10, degree=1, coeff_range=(-0.1, 0.1))
row, column = np.ptp(lines[:, 32], axis=1).max(), np.ptp(lines[:, :, 32], axis=1).max()
print(f"degree 1: the middle row changes by {row:.3f}, the middle column by up to {column:.3f}")
assert last == deep == 1 and corners[3] > 1.6 > 1.15 > corners[:3].max()
assert first > 1.8 * second and row < 1e-6 and column > 0.1
PYTHON
