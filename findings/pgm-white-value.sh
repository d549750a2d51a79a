#!/usr/bin/env bash
# A PGM file whose white is not 255 or 65535 is stretched by Pillow and handed out as stored by OpenCV.
#
# Libraries: Pillow 13.0.0, opencv-python-headless 5.0.0.93
# Expected:  the header of a PGM file says which value is white: 4095 for 12 bits. Readers either all scale to the range of their
#            type or all hand out the stored values.
# Instead:   Pillow scales to 255 or 65535, so that 12-bit values come as other numbers. OpenCV does not look at the white value
#            beyond the choice of 8 or 16 bits, so that the file looks nearly black.
# Seen:      white 4095, stored [0, 100, 300, 4095]: Pillow [0, 1600, 4801, 65535], OpenCV [0, 100, 300, 4095]
#            white 100, stored [0, 10, 50, 100]: Pillow [0, 26, 128, 255], OpenCV [0, 10, 50, 100]
#            white 65535, stored [0, 100, 300, 65535]: Pillow [0, 100, 300, 65535], OpenCV [0, 100, 300, 65535]
# Matters:   mammograms converted from scanned film are kept as PGM of 12 bits. A model fitted with one reader and applied with
#            the other sees images that are sixteen times as bright.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pillow==13.0.0 opencv-python-headless==5.0.0.93 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
from pathlib import Path

import cv2
import numpy as np
import PIL.Image


def read(white: int, stored: list[int]) -> tuple[list[int], list[int]]:
    dtype = np.uint8 if white < 256 else ">u2"
    Path("a.pgm").write_bytes(b"P5 4 1 %d\n" % white + np.array(stored, dtype).tobytes())
    pillow = np.asarray(PIL.Image.open("a.pgm"))[0].tolist()
    opencv = cv2.imread("a.pgm", cv2.IMREAD_UNCHANGED)[0].tolist()
    print(f"white {white}, stored {stored}: Pillow {pillow}, OpenCV {opencv}")
    return pillow, opencv


for white, stored in ((4095, [0, 100, 300, 4095]), (100, [0, 10, 50, 100])):
    pillow, opencv = read(white, stored)
    scaled = np.array(stored) / white * (255 if white < 256 else 65535)
    np.testing.assert_allclose(pillow, scaled, atol=1)
    assert opencv == stored
assert read(65535, [0, 100, 300, 65535]) == ([0, 100, 300, 65535],) * 2
PYTHON
