#!/usr/bin/env bash
# scikit-image reads a TIFF stack of 3 or 4 grey slices as one picture in colour, of 2 or 5 as the stack that it is.
#
# Libraries: scikit-image 0.26.0, against tifffile 2026.3.3, with which it reads
# Expected:  each page of the file is grey (BlackIsZero, one sample a pixel). imread gives slices, rows and columns, in that
#            order, however many slices there are.
# Instead:   where the first axis has a length of 3 or 4, imread takes it for colours and moves it to the end, whatever the file
#            says. No warning. tifffile itself leaves it.
# Seen:      2 slices: scikit-image (2, 16, 20), tifffile (2, 16, 20)
#            3 slices: scikit-image (16, 20, 3), tifffile (3, 16, 20)
#            4 slices: scikit-image (16, 20, 4), tifffile (4, 16, 20)
#            5 slices: scikit-image (5, 16, 20), tifffile (5, 16, 20)
# Matters:   a folder of crops of lesions, some few slices thick, comes with two orders of axes. stack[0] is a slice of most of
#            them and a row of the others; with as_gray=True three neighbouring slices are blended into one.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check scikit-image==0.26.0 tifffile==2026.3.3 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import warnings

import numpy as np
import skimage.io
import tifffile

warnings.simplefilter("error", UserWarning)
for slices in (2, 3, 4, 5):
    stack = np.random.default_rng(0).integers(0, 256, (slices, 16, 20), np.uint8)
    tifffile.imwrite("a.tif", stack, photometric="minisblack")
    with tifffile.TiffFile("a.tif") as file:
        assert len(file.pages) == slices
        assert all(page.samplesperpixel == 1 and page.photometric.name == "MINISBLACK" for page in file.pages)
    one, other = skimage.io.imread("a.tif"), tifffile.imread("a.tif")
    print(f"{slices} slices: scikit-image {one.shape}, tifffile {other.shape}")
    np.testing.assert_array_equal(other, stack)
    np.testing.assert_array_equal(one, np.moveaxis(stack, 0, -1) if slices in (3, 4) else stack)
PYTHON
