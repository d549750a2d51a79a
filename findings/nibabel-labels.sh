#!/usr/bin/env bash
# A label map that goes through nibabel's get_fdata and back into its own header loses a label.
#
# Library:  nibabel 5.4.2
# Expected: labels 0, 1 and 2 of a uint8 NIfTI, loaded with get_fdata and saved with the header of the same file, come back as
#           0, 1 and 2: they are whole numbers that uint8 holds exactly.
# Instead:  get_fdata gives floats. To put floats into the header's uint8, nibabel picks a slope that spreads their range over all
#           256 levels, here 2/255 rounded to float32. 1 has no level, and comes back as 0.99608. No warning.
# Seen:     before [0. 1. 2.]  voxels == 1: 128  as integers, 1: 128  slope 1.0
#           after  [0.      0.99608 2.     ]  voxels == 1: 0  as integers, 1: 0  slope 0.007843137718737125
# Matters:  `mask == 1` finds nothing and `astype(int)` makes background of the lesion. Volumes and Dice of label 1 become 0,
#           while a viewer, which rounds, shows the same picture as before. A mask of 0 and 1 alone comes back as 1.00000006: it
#           passes where it is cut at 0.5 or made integer, so that tests with one label may not see it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check nibabel==5.4.2 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import warnings

import nibabel as nib
import numpy as np

warnings.simplefilter("error")


def told(name: str, path: str) -> tuple[list[float], int, int]:
    image = nib.load(path)
    labels = image.get_fdata()
    found = np.unique(labels).tolist(), int((labels == 1).sum()), int((labels.astype(int) == 1).sum())
    print(name, np.unique(labels).round(5), " voxels == 1:", found[1], " as integers, 1:", found[2], " slope", image.dataobj.slope)
    return found


labels = np.zeros((8, 8, 8), np.uint8)
labels[2:4] = 1  # a lesion
labels[4:6] = 2  # an organ
nib.save(nib.Nifti1Image(labels, np.eye(4)), "labels.nii.gz")
before = told("before", "labels.nii.gz")
image = nib.load("labels.nii.gz")
nib.save(nib.Nifti1Image(image.get_fdata(), image.affine, image.header), "again.nii.gz")
after = told("after ", "again.nii.gz")
assert before == ([0, 1, 2], 128, 128)
values, equal, whole = after
assert len(values) == 3 and 0.99 < values[1] < 0.999 and equal == whole == 0

binary = (labels == 1).astype(np.uint8)
nib.save(nib.Nifti1Image(binary, np.eye(4)), "binary.nii.gz")
image = nib.load("binary.nii.gz")
nib.save(nib.Nifti1Image(image.get_fdata(), image.affine, image.header), "binary-again.nii.gz")
values, equal, whole = told("binary", "binary-again.nii.gz")
assert 1 < values[1] < 1.000001 and (equal, whole) == (0, 128)
PYTHON
