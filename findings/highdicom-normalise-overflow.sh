#!/usr/bin/env bash
# highdicom's min-max normalisation of an int16 CT with metal runs over: asked for 0 to 1 it gives -1.03 to 1.03, water below air.
#
# Library:  highdicom 0.28.2
# Expected: Volume.normalize_min_max maps the lowest value to 0 and the highest to 1; "the dtype will be promoted to floating point".
# Instead:  highest minus lowest, and each voxel minus the lowest, are computed in the type of the array. With int16 they run over
#           where the range is more than 32,767. NumPy warns of the first, and of no voxel.
# Seen:     a CT of int16 from -1024 to 32767 (metal, in the extended scale): air 0.000, water -0.032, bone of 1000 -0.064, metal 1.000;
#           with float32: 0.000, 0.030, 0.060 and 1.000
# Matters:  scanners and converters put -1024 or -2048 outside of the circle of view and saturate metal at the end of the type. Such a volume,
#           read from NIfTI or with SimpleITK, is normalised to something else than its neighbours; float32 is right.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check highdicom==0.28.2 pydicom==3.0.2 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import warnings

import highdicom
import numpy as np

warnings.simplefilter("ignore", RuntimeWarning)
values = np.linspace(-1024, 32767, 4096).round().reshape(16, 16, 16)
values[0, 0, 1:3] = 0, 1000


def normalised(dtype):
    volume = highdicom.Volume(values.astype(dtype), np.eye(4), coordinate_system="PATIENT")
    out = volume.normalize_min_max().array
    tissues = [round(float(out[values == value].mean()), 3) for value in (-1024, 0, 1000, 32767)]
    print(f"{np.dtype(dtype).name}: from {out.min():.3f} to {out.max():.3f}; air, water, bone, metal {tissues}")
    return round(float(out.min()), 2), round(float(out.max()), 2), tissues


assert normalised(np.int16) == (-1.03, 1.03, [0, -0.032, -0.064, 1])
assert normalised(np.float32) == (0, 1, [0, 0.03, 0.06, 1])
PYTHON
