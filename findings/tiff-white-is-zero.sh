#!/usr/bin/env bash
# Five readers do not agree which end of a WhiteIsZero TIFF is white, and two of them change their mind with the bit depth.
#
# Libraries: Pillow 13.0.0, opencv-python-headless 5.0.0.93, tifffile 2026.3.3, scikit-image 0.26.0, SimpleITK 2.5.7
# Expected:  a grey TIFF whose PhotometricInterpretation is 0 (WhiteIsZero) is shown with 0 as white. A reader either turns the
#            values over or hands out the stored ones, always.
# Instead:   Pillow and OpenCV turn 8-bit values over and leave 16-bit values as they are stored. tifffile, scikit-image and
#            SimpleITK turn neither over. Nobody warns.
# Seen:      stored [0, 10, 100, 255], 8 bits
#              Pillow       [255, 245, 155, 0]
#              OpenCV       [255, 245, 155, 0]
#              tifffile     [0, 10, 100, 255]
#              scikit-image [0, 10, 100, 255]
#              SimpleITK    [0, 10, 100, 255]
#            stored [0, 10, 100, 65535], 16 bits
#              all five     [0, 10, 100, 65535]
# Matters:   the grey scale of a scanned film may be stored either way. The same mammogram is a positive or a negative by the
#            reader, and with one reader by whether it was scanned with 8 or 16 bits; a model trained on a mixture sees both,
#            and an anomaly score for bright spots finds the dark ones.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pillow==13.0.0 opencv-python-headless==5.0.0.93 \
    tifffile==2026.3.3 scikit-image==0.26.0 SimpleITK==2.5.7 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import warnings

import cv2
import numpy as np
import PIL.Image
import SimpleITK as sitk
import skimage.io
import tifffile

READERS = {
    "Pillow": lambda path: np.asarray(PIL.Image.open(path)),
    "OpenCV": lambda path: cv2.imread(path, cv2.IMREAD_UNCHANGED),
    "tifffile": tifffile.imread,
    "scikit-image": skimage.io.imread,
    "SimpleITK": lambda path: sitk.GetArrayFromImage(sitk.ReadImage(path)),
}


def read(stored: list[int], dtype: type) -> dict[str, list[int]]:
    tifffile.imwrite("a.tif", np.array([stored, stored], dtype), photometric="miniswhite")
    print(f"stored {stored}, {8 * np.dtype(dtype).itemsize} bits")
    found = {}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name, reader in READERS.items():
            found[name] = np.asarray(reader("a.tif"))[0].tolist()
            print(f"  {name:12} {found[name]}")
    return found


stored = [0, 10, 100, 255]
turned = [255 - value for value in stored]
as_stored = dict.fromkeys(("tifffile", "scikit-image", "SimpleITK"), stored)
assert read(stored, np.uint8) == {"Pillow": turned, "OpenCV": turned, **as_stored}
stored = [0, 10, 100, 65535]
assert read(stored, np.uint16) == dict.fromkeys(READERS, stored)
PYTHON
