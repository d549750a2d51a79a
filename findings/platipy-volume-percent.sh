#!/usr/bin/env bash
# platipy's volume in cm3 that receives a dose is a hundred times too large: the percentage is multiplied by the volume, and not divided by 100.
#
# Library:  platipy 0.7.2, with SimpleITK 2.5.7
# Expected: `calculate_v_receiving_dose(..., relative=False)` gives cm3, as its docstring says: of 8 cm3 of which half gets 30 Gy, V20 is 4 cm3.
# Instead:  it gives 50 (per cent) times 8 cm3.
# Seen:     V20 in per cent 50.0; in cm3 400.0, the same from `calculate_v_receiving_dose_for_labels`; 4.0 from `calculate_v_x`, platipy's other way
# Matters:  a large organ soon holds more than itself, a small one has a volume that looks right. Limits in cm3 (bowel: V45 below 195) are
#           broken a hundred times too early, and two functions of one package do not agree.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    SimpleITK==2.5.7 pandas==3.1.1 scikit-image==0.26.0 matplotlib==3.11.2 numpy==2.4.6
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps platipy==0.7.2  # the rest is for servers and registration
cd "$folder"
venv/bin/python - <<'PYTHON'
import numpy as np
import SimpleITK as sitk
from platipy.imaging.dose.dvh import calculate_dvh_for_labels, calculate_v_x
from platipy.imaging.dose.metric import calculate_v_receiving_dose, calculate_v_receiving_dose_for_labels

mask, dose = np.zeros((20, 40, 40), np.uint8), np.zeros((20, 40, 40), np.float32)
mask[5:15, 10:20, 10:20] = 1  # 1000 voxels of 2 mm: 8 cm3
dose[:, :, 15:] = 30
label, grid = sitk.GetImageFromArray(mask), sitk.GetImageFromArray(dose)
for image in (label, grid):
    image.SetSpacing((2, 2, 2))
assert "as volume in cc" in calculate_v_receiving_dose.__doc__
percent = float(calculate_v_receiving_dose(grid, label, 20))
volume = float(calculate_v_receiving_dose(grid, label, 20, relative=False))
table = float(calculate_v_receiving_dose_for_labels(grid, {"organ": label}, 20, relative=False)["V20"][0])
other = float(calculate_v_x(calculate_dvh_for_labels(grid, {"organ": label}), 20)["V20"][0])
print(f"V20 in per cent {percent}; in cm3 {volume}, in a table {table}; by calculate_v_x {other}; the whole organ {mask.sum() * 0.008} cm3")
assert (percent, volume, table, round(other, 6)) == (50, 400, 400, 4)
PYTHON
