#!/usr/bin/env bash
# SimpleITK times a constant: `image * 0.5` is black where the image has whole numbers, and `image > 0.5` begins above 0.
#
# Library:  SimpleITK 2.5.7
# Expected: half of 100 is 50, and 100 is above 99.9 and below 100.5; or, as for two images of different types, an error.
# Instead:  a constant that stands with an image of whole numbers is cut to a whole number before anything is computed, in the operators
#           and in the functions behind them; in division too, whose result has a fraction.
# Seen:     an image of int16, all 100: * 0.5 is 0, * 1.9 is 100, / 2.5 is 50.0, / 0.5 is inf, ** 0.5 is 1; < 100.5 is 0, == 100.4 is 1;
#           the same in float32: 50.0, 190.0, 40.0, 200.0, 10.0, 1, 0
# Matters:  CT and most MR images come as int16. A rescale slope or a weight below 1 makes them black, one of 1.9 does nothing, and a threshold
#           between two grey levels is moved to the lower one, without a word.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check SimpleITK==2.5.7 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import numpy as np
import SimpleITK as sitk

DONE = {
    "* 0.5": lambda image: image * 0.5,
    "* 1.9": lambda image: image * 1.9,
    "/ 2.5": lambda image: image / 2.5,
    "/ 0.5": lambda image: image / 0.5,
    "** 0.5": lambda image: image**0.5,
    "< 100.5": lambda image: image < 100.5,
    "== 100.4": lambda image: image == 100.4,
}


def results(kind):
    image = sitk.Image([8, 8], kind) + 100
    return {name: np.unique(sitk.GetArrayFromImage(do(image))).tolist()[0] for name, do in DONE.items()}


whole, real = results(sitk.sitkInt16), results(sitk.sitkFloat32)
for name in DONE:
    print(f"100 {name}: int16 {whole[name]}, float32 {round(real[name], 3)}")
assert list(whole.values()) == [0, 100, 50, float("inf"), 1, 0, 1]
assert np.allclose(list(real.values()), [50, 190, 40, 200, 10, 1, 0])
by_name = sitk.Multiply(sitk.Image([8, 8], sitk.sitkInt16) + 100, 0.5)
assert sitk.GetArrayFromImage(by_name).max() == 0
PYTHON
