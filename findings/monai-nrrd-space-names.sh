#!/usr/bin/env bash
# MONAI mirrors NRRD files whose space is written "LPS", the short name that the format has for left-posterior-superior.
#
# Libraries: MONAI 1.6.1 (torch 2.13.0) with pynrrd 1.1.3; SimpleITK 2.5.7
# Expected:  the definition of NRRD has two names for each of these spaces, "left-posterior-superior" and "LPS",
#            "left-anterior-superior" and "LAS". Whatever a file's space, LoadImage gives an affine that counts to the right, to the
#            front and to the head, as it does for all other formats.
# Instead:   NrrdReader turns the affine of "left-posterior-superior" alone. Of "LPS" and of both names of the other one it hands the
#            affine over as it stands in the file, as if it counted to the right and to the front already. No warning.
# Seen:      one voxel at 15 mm to the left, 24 mm to the back and 33 mm to the head
#              left-posterior-superior  MONAI [-15.0, -24.0, 33.0] LPS   SimpleITK [-15.0, -24.0, 33.0]
#              LPS                      MONAI [15.0, 24.0, 33.0] RAS     SimpleITK [-15.0, -24.0, 33.0]
#            and the same numbers 15 mm to the left, 24 mm to the front
#              left-anterior-superior   MONAI [15.0, 24.0, 33.0] RAS     SimpleITK [-15.0, 24.0, 33.0]
#              LAS                      MONAI [15.0, 24.0, 33.0] RAS     SimpleITK [-15.0, 24.0, 33.0]
# Matters:   Orientation and Spacing rely on the affine: two files of one scan, one with the long name and one with the short, are
#            turned against each other by 180 degrees, and left and right change places in a result that is written back.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    monai==1.6.1 torch==2.13.0 pynrrd==1.1.3 SimpleITK==2.5.7 nibabel==5.4.2 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import nibabel
import nrrd
import numpy as np
import SimpleITK as sitk
from monai.transforms import LoadImage

voxels = np.zeros((6, 5, 4), np.int16)
voxels[5, 2, 1] = 1
FORWARD = {"left-posterior-superior": 1, "LPS": 1, "left-anterior-superior": -1, "LAS": -1}  # sign of SimpleITK's second axis
for space, forward in FORWARD.items():
    header = {"space": space, "space directions": np.diag([1.0, 2.0, 3.0]), "space origin": [10.0, 20.0, 30.0]}
    nrrd.write("a.nrrd", voxels, header | {"kinds": ["domain"] * 3})
    image = LoadImage(reader="NrrdReader", image_only=True)("a.nrrd")
    affine = image.affine.numpy()
    index = np.argwhere(image.numpy() == 1)[0].tolist()
    monai, axes = (affine @ [*index, 1])[:3].tolist(), "".join(nibabel.aff2axcodes(affine))
    x, y, z = sitk.ReadImage("a.nrrd").TransformIndexToPhysicalPoint((5, 2, 1))
    itk = [-x, -y, z]  # MONAI counts to the right and to the front, SimpleITK to the left and to the back
    print(f"{space:24} MONAI {monai} {axes}   SimpleITK {itk}")
    assert index == [5, 2, 1] and itk == [-15, -24 * forward, 33]
    long = space == "left-posterior-superior"
    assert (monai, axes) == (([-15, -24, 33], "LPS") if long else ([15, 24, 33], "RAS"))
PYTHON
