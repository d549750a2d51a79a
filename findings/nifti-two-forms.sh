#!/usr/bin/env bash
# nibabel and SimpleITK put the voxels of one NIfTI file at different places.
#
# Libraries: nibabel 5.4.2, SimpleITK 2.5.7
# Expected:  a NIfTI file may carry two transforms, qform (where the scanner had the patient) and sform (say, after registration).
#            Two established readers of the same file agree on which one holds.
# Instead:   nibabel takes the sform whenever its code is not 0. SimpleITK takes it if its code is 1 (scanner); if it is 2
#            (aligned) or 4 (MNI), as after registration, and there is a qform, it takes the qform. Neither warns.
# Seen:      voxel (3, 0, 0) in mm to the right, to the front and up; the sform is turned by 20 degrees
#              qform 1, sform 1: nibabel [7.82, 7.03, 7.0]  SimpleITK [7.82, 7.03, 7.0]
#              qform 1, sform 2: nibabel [7.82, 7.03, 7.0]  SimpleITK [3.0, 0.0, 0.0]
#              qform 1, sform 4: nibabel [7.82, 7.03, 7.0]  SimpleITK [3.0, 0.0, 0.0]
#              qform 0, sform 2: nibabel [7.82, 7.03, 7.0]  SimpleITK [7.82, 7.03, 7.0]
# Matters:   a lesion found with one library and resampled or overlaid with the other lies elsewhere, here by more than a
#            centimetre. The arrays are the same and the file is valid, so nothing shows it but the picture.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check nibabel==5.4.2 SimpleITK==2.5.7 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import warnings

import nibabel as nib
import numpy as np
import SimpleITK as sitk

warnings.simplefilter("error")
turn = np.deg2rad(20)
scanner, registered = np.eye(4), np.eye(4)
registered[:2, :2] = [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
registered[:3, 3] = 5, 6, 7


def places(qform: int, sform: int) -> tuple[np.ndarray, np.ndarray]:
    image = nib.Nifti1Image(np.arange(120, dtype=np.int16).reshape(4, 5, 6), None)
    image.set_qform(scanner, qform)
    image.set_sform(registered, sform)
    nib.save(image, "a.nii")
    one = (nib.load("a.nii").affine @ [3, 0, 0, 1])[:3]
    x, y, z = sitk.ReadImage("a.nii").TransformIndexToPhysicalPoint((3, 0, 0))
    other = np.array([-x, -y, z])  # ITK counts to the left and to the back
    print(f"qform {qform}, sform {sform}: nibabel {one.round(2).tolist()}  SimpleITK {(other.round(2) + 0).tolist()}")
    return one, other


moved = (registered @ [3, 0, 0, 1])[:3]
for codes, expected in (((1, 1), moved), ((1, 2), [3, 0, 0]), ((1, 4), [3, 0, 0]), ((0, 2), moved)):
    one, other = places(*codes)
    np.testing.assert_allclose(one, moved, atol=1e-4)
    np.testing.assert_allclose(other, expected, atol=1e-4)
PYTHON
