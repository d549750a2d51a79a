#!/usr/bin/env bash
# MONAI's `RemoveSmallObjects` joins what lies in neighbouring channels, and takes all of a label for one object.
#
# Library:  monai 1.6.1, with scikit-image 0.26.0
# Expected: with independent_channels=True, the default, a speck of 4 voxels goes by min_size=64 whatever other channels hold; and a label map
#           loses its specks whether or not it has another label.
# Instead:  the connected parts are sought in the whole array, channels as one more axis, so that a speck hangs on the larger region of the
#           channel beside it. A map with a value above 1 is not split into parts at all: the voxels of a label are one object.
# Seen:     whole tumour, core, enhancing speck of 4 voxels within: 4 left of 4, in a channel of its own 0 left;
#           label map, region of 1024 and speck of 4 voxels: 1024 left, with another label elsewhere in the picture 1028
# Matters:  nested channels are what the transforms of MONAI make of brain tumours, and the specks are the false alarms that one wants
#           to be rid of; whether they go depends on what else is in the picture.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check monai==1.6.1 torch==2.13.0 scikit-image==0.26.0 numpy==2.4.6
cd "$folder"
venv/bin/python -W ignore - <<'PYTHON'
import numpy as np
from monai.transforms import RemoveSmallObjects

clean = RemoveSmallObjects(min_size=64)
tumour = np.zeros((3, 64, 64), np.float32)
tumour[0, 8:56, 8:56] = tumour[1, 16:48, 16:48] = tumour[2, 20:22, 20:22] = 1  # whole tumour, core, enhancing
nested, alone = int(clean(tumour.copy())[2].sum()), int(clean(tumour[2:].copy()).sum())
print(f"enhancing speck of 4 voxels: {nested} left beside the other channels, {alone} alone")

labels = np.zeros((1, 64, 64), np.float32)
labels[0, 8:40, 8:40] = labels[0, 50:52, 50:52] = 1
one = int((clean(labels.copy()) == 1).sum())
labels[0, 45:60, 5:20] = 2
two = int((clean(labels.copy()) == 1).sum())
print(f"label 1, a region of 1024 voxels and a speck of 4: {one} left, with label 2 elsewhere {two}")
assert (nested, alone, one, two) == (4, 0, 1024, 1028)
PYTHON
