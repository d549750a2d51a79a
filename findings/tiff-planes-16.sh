#!/usr/bin/env bash
# 16-bit RGB TIFF whose colours lie in planes: OpenCV makes a colour of three neighbours in red, Pillow one of single bytes.
#
# Library:  opencv-python-headless 5.0.0.93, pillow 13.0.0, with tifffile 2026.3.3
# Expected: the pixel that was written, at 16 or, as Pillow has no 16-bit colour, at 8 bits; or an error.
# Instead:  asked for the picture unchanged, OpenCV reads the red plane as though it were the whole, and takes three of its pixels for
#           the blue, green and red of one. Pillow reads each plane as 8-bit samples, so that low and high bytes are pixels of their
#           own, unless the file is compressed, when it is right. With 8 bits a sample both are right.
# Seen:     written (red, green, blue): 85, 65450, 28; OpenCV: 255, 1255, 2255; Pillow: 226, 29, 75, of the compressed file 0, 255, 0
# Matters:  such files come from microscopes and scanners, and from ImageJ; the picture that comes out looks like noise of the right size, is
#           no error, and goes into a training with the others.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check opencv-python-headless==5.0.0.93 pillow==13.0.0 tifffile==2026.3.3 numpy==2.4.6 imagecodecs==2026.3.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import cv2
import numpy as np
import tifffile
from PIL import Image

y, x = np.mgrid[:40, :48]
red = (x * 1000 + y * 17).astype(np.uint16)
colours = np.dstack([red, 65535 - red, red // 3])
planes = {"photometric": "rgb", "planarconfig": "separate"}
tifffile.imwrite("planes.tif", np.moveaxis(colours, -1, 0), **planes)
tifffile.imwrite("compressed.tif", np.moveaxis(colours, -1, 0), compression="lzw", **planes)
tifffile.imwrite("eight.tif", np.moveaxis(colours >> 8, -1, 0).astype(np.uint8), **planes)
assert np.array_equal(tifffile.imread("planes.tif"), np.moveaxis(colours, -1, 0))

opencv, pillow = cv2.imread("planes.tif", cv2.IMREAD_UNCHANGED)[..., ::-1], np.asarray(Image.open("planes.tif"))
compressed = np.asarray(Image.open("compressed.tif"))
print("written", colours[5, 0], "OpenCV", opencv[5, 0], "Pillow", pillow[5, 0], "Pillow, compressed", compressed[5, 0])
assert opencv.dtype == np.uint16 and np.array_equal(opencv[5, :16].ravel(), red[15])  # a third of the way down the red plane
assert np.array_equal(pillow[:20, :, 0].reshape(-1), red.reshape(-1)[:480].view(np.uint8)) and not np.array_equal(pillow, colours >> 8)
assert np.array_equal(compressed, colours >> 8)
eight = cv2.imread("eight.tif", cv2.IMREAD_UNCHANGED)[..., ::-1], np.asarray(Image.open("eight.tif"))
assert all(np.array_equal(one, colours >> 8) for one in eight)
PYTHON
