#!/usr/bin/env bash
# SimpleITK writes the first slice of a volume to a PNG file and drops the others without a word.
#
# Library:  SimpleITK 2.5.7
# Expected: PNG holds one picture. WriteImage of a volume raises an error, as it does for .jpg and .bmp, or keeps all slices, as
#           for .tif.
# Instead:  the first slice is written, the rest is lost; neither an exception nor a line on the terminal says so.
# Seen:     8 bits, 3 slices of 4 by 5 with values of 10, 20 and 30
#             .png (5, 4), values [10]
#             .jpg RuntimeError
#             .bmp RuntimeError
#             .tif (5, 4, 3), values [10, 20, 30]
# Matters:  a DICOM image of one slice is a volume to SimpleITK, so that code written for radiographs and tried on them saves PNG
#           well. Of a cine loop or of a CT volume it keeps one slice, and of a mask one that is empty more often than not.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check SimpleITK==2.5.7 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import numpy as np
import SimpleITK as sitk

volume = np.full((3, 4, 5), 10, np.uint8)
volume[1], volume[2] = 20, 30
found = {}
for ending in (".png", ".jpg", ".bmp", ".tif"):
    try:
        sitk.WriteImage(sitk.GetImageFromArray(volume), "a" + ending)
    except RuntimeError:
        found[ending] = "RuntimeError"
    else:
        image = sitk.ReadImage("a" + ending)
        found[ending] = f"{image.GetSize()}, values {np.unique(sitk.GetArrayFromImage(image)).tolist()}"
    print(ending, found[ending])
assert found[".png"] == "(5, 4), values [10]"
assert found[".jpg"] == found[".bmp"] == "RuntimeError"
assert found[".tif"] == "(5, 4, 3), values [10, 20, 30]"
PYTHON
