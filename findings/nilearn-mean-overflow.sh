#!/usr/bin/env bash
# nilearn's mean of a list of images adds them up in their own integers: the mean of twenty images of 2000 is -1277.
#
# Library:  nilearn 0.14.1, with nibabel 5.4.2
# Expected: `mean_img` of 3D images is their mean, as it is of the same images in one 4D file.
# Instead:  the first image's data is the running sum, with the type that the file has; int16, in which scanners' images come, runs over at
#           32,767, uint8 at 255. Of 4D images means are taken in float64 first.
# Seen:     20 files of int16, all 2000: -1276.8, as one 4D image 2000.0; 20 masks of uint8, all 255: 11.8; 3 files of int16, all 12000: -9845.3
# Matters:  a mean image is what masks are computed from and what is laid below a map; nothing is said, and for few or dark images it is right.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check nilearn==0.14.1 nibabel==5.4.2 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import nibabel
import numpy as np
from nilearn.image import mean_img

for kind, value, count in ((np.int16, 2000, 20), (np.uint8, 255, 20), (np.int16, 12000, 3)):
    names = [f"{kind.__name__}-{value}-{index}.nii" for index in range(count)]
    for name in names:
        nibabel.save(nibabel.Nifti1Image(np.full((8, 8, 8), value, kind), np.eye(4)), name)
    of_list = np.unique(mean_img(names).get_fdata())
    of_one = np.unique(mean_img(nibabel.concat_images(names)).get_fdata())
    print(f"{count} files of {kind.__name__}, all {value}: {of_list[0]:.1f}, as one 4D image {of_one[0]:.1f}")
    assert len(of_list) == len(of_one) == 1 and of_one[0] == value and of_list[0] < value / 2
PYTHON
