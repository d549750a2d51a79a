#!/usr/bin/env bash
# nilearn's bounds of a mask are those of its mirror image where a file counts its voxels from right to left.
#
# Library:  nilearn 0.14.1, with nibabel 5.4.2
# Expected: `get_mask_bounds` gives the part of the world that a mask takes up, for a diagonal affine, as its docs ask for; the same mask
#           stored from right to left, as radiological files are, takes up the same part.
# Instead:  the place in the array is counted from the lower end of the world, whichever way the axis runs; and N voxels are laid into the
#           length of N - 1, so that the far end of the mask is off by up to a voxel too.
# Seen:     voxels of 2 mm, mask from x = -70 to -52 mm: stored from left to right -70.2 to -50.4, stored from right to left 50.4 to 70.2
# Matters:  a lesion on the left is boxed on the right; nothing is said, and a mask that is as large on both sides does not show it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check nilearn==0.14.1 nibabel==5.4.2 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import nibabel
import numpy as np
from nilearn.image.resampling import get_mask_bounds

data = np.zeros((91, 91, 91), np.uint8)
data[10:20, 40:50, 40:50] = 1
affine = np.diag([2.0, 2.0, 2.0, 1.0])
affine[:3, 3] = -90
stored = nibabel.Nifti1Image(data, affine)
mirror = np.diag([-1.0, 1, 1, 1])
mirror[0, 3] = 90
turned = nibabel.Nifti1Image(data[::-1].copy(), affine @ mirror)  # the same voxels at the same places
for image in (stored, turned):
    places = nibabel.affines.apply_affine(image.affine, np.argwhere(image.get_fdata()))
    found = [float(round(end, 1)) for end in get_mask_bounds(image)[:2]]
    print("mask from x =", places[:, 0].min(), "to", places[:, 0].max(), "bounds", found)
    assert (places[:, 0].min(), places[:, 0].max()) == (-70, -52)
    assert found == ([-70.2, -50.4] if image is stored else [50.4, 70.2])
PYTHON
