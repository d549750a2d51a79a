#!/usr/bin/env bash
# volumentations cuts an image to 0 to 1 when its brightness is changed, by however little: a CT or an image of bytes becomes black and white.
#
# Library:  volumentations-3D 1.0.4
# Expected: a change of brightness and contrast of up to 0.1 % moves the values of an image from 0 to 255, or of a CT, by about as much.
# Instead:  `Compose` makes float32 of every image first, and what is float32 is then cut to 0 to 1. The branch for bytes is never reached.
# Seen:     uint8 from 0 to 255: 256 values before, 2 after; int16 from -1000 to 3000: 2 after; an image from 0 to 1: 0.1 % at most
# Matters:  the transforms take uint8, as their docstring says, and nothing warns. Half of the volumes (p=0.5) are masks of "above zero".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 scipy==1.17.1 scikit-image==0.26.0 opencv-python-headless==5.0.0.93
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps volumentations-3D==1.0.4
cd "$folder"
venv/bin/python - <<'PYTHON'
import random
import warnings

import numpy as np

warnings.simplefilter("ignore", DeprecationWarning)
import volumentations

LITTLE = volumentations.RandomBrightnessContrast(brightness_limit=0.001, contrast_limit=0.001, p=1)


def changed(volume):
    random.seed(0)
    return volumentations.Compose([LITTLE])(image=volume)["image"]


bytes_ = np.tile(np.arange(256, dtype=np.uint8), 16).reshape(16, 16, 16)
tomography = np.linspace(-1000, 3000, 4096).astype(np.int16).reshape(16, 16, 16)
for name, volume in (("uint8, 0 to 255", bytes_), ("int16, -1000 to 3000", tomography)):
    out = changed(volume)
    near = np.unique(np.round(out, 1))
    print(f"{name}: {np.unique(volume).size} values before, {near.tolist()} after")
    assert near.tolist() == [0, 1]
unit = (bytes_ / 255).astype(np.float32)
moved = float(np.abs(changed(unit) - unit).max())
print(f"0 to 1: moved by {moved:.4f} at most")
assert moved < 0.003
PYTHON
