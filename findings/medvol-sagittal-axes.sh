#!/usr/bin/env bash
# medvol's array in RAS+ is not in RAS+ for sagittal slices: its first axis goes from head to feet, and so in 28 of the 48 ways axes can lie.
#
# Library:  medvol 0.0.22, with nibabel 5.4.2
# Expected: "Canonical RAS+ orientation by default": the axes of the array go to the right, to the front and to the head, as from nibabel's
#           as_closest_canonical, and `get_array("RAS+")` and `get_geometry("RAS+")` speak of the same axes.
# Instead:  nibabel's list of where each axis goes to is taken for one of where each axis comes from. The two are the same as long as two axes
#           change places, not where all three do, nor where one of two that change places turns round.
# Seen:     sagittal slices, axes P S R of 20, 30 and 10 voxels, a mark that lies far to the right, front and head
#             nibabel  shape 10 20 30, mark at 9 19 29
#             medvol   shape 30 10 20, mark at 0 9 0
# Matters:  sagittal series are most T1 pictures of the brain, and spines and knees. A net that was trained on canonical arrays sees them on their
#           side; left and right, or planes of a viewer, are read from the wrong axis. Places in mm stay right, so that nothing else tells.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    medvol==0.0.22 nibabel==5.4.2 SimpleITK==2.5.7 pynrrd==1.1.3 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
from itertools import permutations, product

import nibabel as nib
import numpy as np
from medvol import MedVol
from nibabel.orientations import axcodes2ornt, ornt_transform

SIZES = {"R": 10, "A": 20, "S": 30}
mark = np.zeros(list(SIZES.values()), np.float32)
mark[-1, -1, -1] = 1  # far to the right, front and head
canonical = nib.Nifti1Image(mark, np.eye(4))


def stored(codes):
    """Give the same volume with other axes, such as P S R."""
    return canonical.as_reoriented(ornt_transform(axcodes2ornt("RAS"), axcodes2ornt(codes)))


def describe(array):
    return array.shape, tuple(int(place[0]) for place in np.nonzero(array))


nib.save(stored("PSR"), "sagittal.nii")
by_nibabel = describe(np.asarray(nib.as_closest_canonical(nib.load("sagittal.nii")).dataobj))
volume = MedVol("sagittal.nii")
by_medvol = describe(volume.get_array("RAS+"))
for name, (shape, place) in {"nibabel": by_nibabel, "medvol": by_medvol}.items():
    print(f"{name:8} shape {' '.join(map(str, shape))}, mark at {' '.join(map(str, place))}")
assert by_nibabel == ((10, 20, 30), (9, 19, 29)) and by_medvol == ((30, 10, 20), (0, 9, 0))
place = volume.affine @ [*by_medvol[1], 1]
assert np.allclose(place[:3], (9, 19, 29))  # in mm it is where it was

wrong = 0
for order in permutations(("RL", "AP", "SI")):
    for codes in product(*order):
        nib.save(stored("".join(codes)), "other.nii")
        wrong += describe(MedVol("other.nii").array) != by_nibabel
print(f"not in RAS+: {wrong} of 48 ways")
assert wrong == 28
PYTHON
