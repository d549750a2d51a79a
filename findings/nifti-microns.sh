#!/usr/bin/env bash
# A NIfTI file in micrometres has voxels of 50 "mm" in nibabel and of 0.05 mm in SimpleITK, which ignores the unit of NRRD.
#
# Libraries: nibabel 5.4.2, SimpleITK 2.5.7 (NRRD written with pynrrd 1.1.3)
# Expected:  both formats have a field for the unit of length. The affine of nibabel and the spacing of SimpleITK are in
#            millimetres by convention, so that 50 micrometres come as 0.05.
# Instead:   SimpleITK converts what a NIfTI file says. nibabel hands out the numbers of the file; the unit has to be asked for
#            (header.get_xyzt_units()). In NRRD, SimpleITK hands out the numbers as they are, too. Nobody warns.
# Seen:      NIfTI, mm:     nibabel 50.0, SimpleITK 50.0
#            NIfTI, micron: nibabel 50.0, SimpleITK 0.05
#            NRRD, mm:      SimpleITK 50.0
#            NRRD, um:      SimpleITK 50.0
# Matters:   micro-CT and light-sheet volumes come in micrometres. Volumes of lesions are apart by a factor of a thousand million,
#            and resampling to 1 mm makes one voxel of a brain, or asks for more memory than there is.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check nibabel==5.4.2 SimpleITK==2.5.7 pynrrd==1.1.3 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import warnings

import nibabel as nib
import nrrd
import numpy as np
import SimpleITK as sitk

warnings.simplefilter("error")
volume, affine = np.zeros((4, 5, 6), np.uint8), np.diag([50.0, 50.0, 50.0, 1.0])


def nifti(unit: str) -> tuple[float, float]:
    image = nib.Nifti1Image(volume, affine)
    image.header.set_xyzt_units(unit)
    image.set_qform(affine, 1)
    image.set_sform(affine, 1)
    nib.save(image, "a.nii")
    loaded = nib.load("a.nii")
    assert loaded.header.get_xyzt_units()[0] == unit
    return float(loaded.affine[0, 0]), sitk.ReadImage("a.nii").GetSpacing()[0]


def nrrd_spacing(unit: str) -> float:
    header = {"space": "left-posterior-superior", "space directions": affine[:3, :3], "space units": [unit] * 3}
    nrrd.write("a.nrrd", volume, header)
    return sitk.ReadImage("a.nrrd").GetSpacing()[0]


for unit, right in (("mm", 50.0), ("micron", 0.05)):
    one, other = nifti(unit)
    print(f"{'NIfTI, ' + unit + ':':14} nibabel {one}, SimpleITK {round(other, 6)}")
    assert one == 50
    np.testing.assert_allclose(other, right, rtol=1e-5)
for unit in ("mm", "um"):
    spacing = nrrd_spacing(unit)
    print(f"{'NRRD, ' + unit + ':':14} SimpleITK {spacing}")
    assert spacing == 50
PYTHON
