#!/usr/bin/env bash
# SimpleITK hands out the bits of a TIFF file in half precision as whole numbers.
#
# Library:  SimpleITK 2.5.7, with tifffile 2026.3.3
# Expected: the values, as it gives them of the same file in single precision; or an error, as Pillow raises.
# Instead:  the file's samples have 16 bits, and are taken for whole numbers without a sign, though it says that they are floating point.
# Seen:     a score map of 0 to 1 with mean 0.5 in float16: 16-bit unsigned integer, 0 to 15360, mean 13822; in float32: 0 to 1, mean 0.5
# Matters:  half precision is how networks' maps are kept small. Every measure of ranks is right of such a file, and every threshold,
#           mean and overlay is wrong; values below 0 come above all others.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check SimpleITK==2.5.7 pillow==13.0.0 tifffile==2026.3.3 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import numpy as np
import SimpleITK as sitk
import tifffile
from PIL import Image, UnidentifiedImageError

scores = np.linspace(0, 1, 64 * 64).reshape(64, 64)
found = {}
for kind in (np.float16, np.float32):
    tifffile.imwrite("map.tif", scores.astype(kind))
    image = sitk.ReadImage("map.tif")
    values = sitk.GetArrayFromImage(image)
    found[kind] = values
    print(f"{kind.__name__}: {image.GetPixelIDTypeAsString()}, {values.min():g} to {values.max():g}, mean {values.mean():g}, median {np.median(values):g}")
assert np.array_equal(found[np.float16], scores.astype(np.float16).view(np.uint16))
assert np.array_equal(found[np.float32], scores.astype(np.float32))
tifffile.imwrite("map.tif", scores.astype(np.float16))
try:
    Image.open("map.tif")
except UnidentifiedImageError:
    print("Pillow: UnidentifiedImageError")
else:
    raise SystemExit("Pillow reads it now")
PYTHON
