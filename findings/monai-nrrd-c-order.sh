#!/usr/bin/env bash
# MONAI's NrrdReader with index_order="C" gives voxels another place in the body, and turns oblique files the other way.
#
# Libraries: MONAI 1.6.1 (torch 2.13.0) with pynrrd 1.1.3; SimpleITK 2.5.7
# Expected:  index_order says in which order the axes of the array stand: x, y, z ("F") or z, y, x ("C"). The affine goes along, and a
#            voxel has the same place in millimetres either way.
# Instead:   with "C" the axes of the body are turned round with those of the array, and only then are the first two mirrored, of which
#            the first now is from feet to head. What the affine calls right, front and head is feet, front and right. The
#            directions are transposed besides, so that an oblique file is turned the other way and its millimetres are others.
# Seen:      one voxel, its place to the right, front and head
#              straight  F [-15.0, -24.0, 33.0]    C [-33.0, -24.0, 15.0]    SimpleITK [-15.0, -24.0, 33.0]
#              oblique   F [-13.59, -25.3, 33.0]   C [-33.0, -20.87, 15.37]  SimpleITK [-13.59, -25.3, 33.0]
# Matters:   "C" is what NumPy, SimpleITK and most networks have. Orientation then takes slices for sagittal ones, Spacing gives the
#            thickness of a slice to the wrong axis as soon as they are compared with files of another format, and results lie elsewhere.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    monai==1.6.1 torch==2.13.0 pynrrd==1.1.3 SimpleITK==2.5.7 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import nrrd
import numpy as np
import SimpleITK as sitk
from monai.data import NrrdReader
from monai.transforms import LoadImage

voxels = np.zeros((6, 5, 4), np.int16)
voxels[5, 2, 1] = 1
c, s = np.cos(0.3), np.sin(0.3)
DIRECTIONS = {"straight": np.diag([1.0, 2.0, 3.0]), "oblique": np.array([[c, s, 0], [-2 * s, 2 * c, 0], [0, 0, 3]])}
SEEN = {"straight": [-33.0, -24.0, 15.0], "oblique": [-33.0, -20.87, 15.37]}
for name, directions in DIRECTIONS.items():
    header = {"space": "left-posterior-superior", "space directions": directions, "space origin": [10.0, 20.0, 30.0]}
    nrrd.write("a.nrrd", voxels, header | {"kinds": ["domain"] * 3})
    places = {}
    for order in ("F", "C"):
        image = LoadImage(reader=NrrdReader(index_order=order), image_only=True)("a.nrrd")
        index = np.argwhere(image.numpy() == 1)[0].tolist()
        assert index == ([5, 2, 1] if order == "F" else [1, 2, 5])
        places[order] = np.round((image.affine.numpy() @ [*index, 1])[:3], 2).tolist()
    x, y, z = sitk.ReadImage("a.nrrd").TransformIndexToPhysicalPoint((5, 2, 1))
    itk = np.round([-x, -y, z], 2).tolist()  # to the right, front and head, as MONAI counts
    print(f"{name:9} F {places['F']}   C {places['C']}   SimpleITK {itk}")
    assert places == {"F": itk, "C": SEEN[name]}
PYTHON
