#!/usr/bin/env bash
# MedPy's sum of squared differences of 8-bit images is counted in 8 bits: black and a grey of 16, 32 or 240 are the same, black and white 1 apart.
#
# Library:  MedPy 0.5.2
# Expected: ssd(a, b), normalised, is the mean of the squared differences in each patch, as floating-point numbers: 256 between 0 and 16.
# Instead:  the images are subtracted and squared in the type that they have, and only the mean is taken in floating point.
# Seen:     flat images of 0 against 1, 10, 16, 100, 240 and 255: uint8 1, 100, 0, 16, 0, 1; as float 1, 100, 256, 10000, 57600, 65025;
#           int16 of 0 against 300 (a CT of water and bone): 24464, as float 90000
# Matters:  of all shifts of a picture the one with the lowest SSD is taken for the right one. `sls`, the local self-similarity, is made of
#           it; 8-bit pictures and CT come in just these types.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check medpy==0.5.2 scipy==1.17.1 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import numpy as np
from medpy.filter.image import ssd


def between(low, high, dtype):
    """Return the distance of two flat images of these values."""
    images = [np.full((8, 8), value, dtype) for value in (low, high)]
    return round(float(ssd(*images, size=3)[0].mean()))


seen = {value: (between(0, value, np.uint8), between(0, value, np.float64)) for value in (1, 10, 16, 100, 240, 255)}
for value, (small, right) in seen.items():
    print(f"0 against {value}: uint8 {small}, float {right}")
assert all(right == value**2 and small == value**2 % 256 for value, (small, right) in seen.items())
assert [small for small, _ in seen.values()] == [1, 100, 0, 16, 0, 1]
tomography = between(0, 300, np.int16), between(0, 300, np.float64)
print(f"0 against 300: int16 {tomography[0]}, float {tomography[1]}")
assert tomography == (24464, 90000)
PYTHON
