#!/usr/bin/env bash
# MONAI's `ScaleIntensityRange` makes black white in 8-bit pictures where the lower end is a whole number.
#
# Library:  monai 1.6.1, with torch 2.13.0
# Expected: grey levels from 50 to 200 go to 0 to 1, and with clip=True what is below 50 to 0, whether the end is written 50 or 50.0.
# Instead:  50 is taken off the 8-bit values before anything is made float32, and 20 - 50 is 226; 50.0 makes them float32 first.
#           `ScaleIntensityRangePercentiles` does so with any 8-bit picture of more than a million values, and fails with smaller ones.
# Seen:     levels 0, 20, 50, 100, 200 become 1, 1, 0, 0.33, 1 with a_min=50 and 0, 0, 0, 0.33, 1 with a_min=50.0;
#           a frame of 3 x 600 x 600, percentiles 2 to 98: its darkest level becomes 1.00 as uint8 and 0.00 as float32
# Matters:  Pillow, OpenCV and video readers give frames as uint8; the black surround of an endoscope or a slide becomes the brightest part
#           of the picture, within the range that was asked for.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check monai==1.6.1 torch==2.13.0 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import numpy as np
from monai.transforms import ScaleIntensityRange, ScaleIntensityRangePercentiles

levels = np.array([[[0, 20, 50, 100, 200]]], np.uint8)
whole, point = (np.asarray(ScaleIntensityRange(low, 200, 0, 1, clip=True)(levels)).ravel().astype(float).round(2).tolist() for low in (50, 50.0))
print("levels", levels.ravel().tolist(), "with a_min=50", whole, "with a_min=50.0", point)
assert whole == [1, 1, 0, 0.33, 1] and point == [0, 0, 0, 0.33, 1]

frame = np.random.default_rng(0).normal(128, 30, (3, 600, 600)).clip(0, 255).astype(np.uint8)
scale = ScaleIntensityRangePercentiles(2, 98, 0, 1, clip=True)
dark = frame == frame.min()
eight, single = (float(np.asarray(scale(frame.astype(kind)))[dark].mean()) for kind in (np.uint8, np.float32))
print(f"percentiles, the darkest level of a frame: {eight:.2f} as uint8, {single:.2f} as float32")
assert (eight, single) == (1, 0)
PYTHON
