#!/usr/bin/env bash
# Pillow rotates 16-bit grey images with BILINEAR or BICUBIC to noise of 8 bits.
#
# Library:  Pillow 13.0.0
# Expected: rotate and transform of a 16-bit grey image (mode I;16, as 16-bit PNG and TIFF files open) give values between those
#           around them, as they do for 8 bits, for the same image in mode I and for resize.
# Instead:  low and high bytes of the values come interleaved, one byte for a pixel, and half of each row is lost. The mode stays
#           I;16, nothing warns. NEAREST, which is the default, is right.
# Seen:     the transform that changes nothing, row [1000, 2000, 3000, 4000]
#             NEAREST:  I;16 [1000, 2000, 3000, 4000], I [1000, 2000, 3000, 4000]
#             BILINEAR: I;16 [232, 3, 208, 7], I [1000, 2000, 3000, 4000]
#             BICUBIC:  I;16 [232, 3, 208, 7], I [1000, 2000, 3000, 4000]
#           rotate by 10 degrees with BILINEAR, a plane of 1000: centre I;16 210, I 1000
# Matters:  to turn a radiograph a little is a common augmentation, and libraries of transforms rotate Pillow images with this
#           call. Scaled to its own range the result has the outline of a picture, so that nobody looks twice.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pillow==13.0.0 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import warnings

import numpy as np
import PIL.Image
from PIL.Image import Resampling, Transform

warnings.simplefilter("error")
IDENTITY = (1, 0, 0, 0, 1, 0)
ramp = np.array([[1000, 2000, 3000, 4000]] * 4)
short, long = PIL.Image.fromarray(ramp.astype(np.uint16)), PIL.Image.fromarray(ramp.astype(np.int32))
assert (short.mode, long.mode) == ("I;16", "I")


def unchanged(image: PIL.Image.Image, resampling: Resampling) -> list[int]:
    return np.asarray(image.transform(image.size, Transform.AFFINE, IDENTITY, resampling))[1].tolist()


def turned(dtype: type) -> int:
    plane = PIL.Image.fromarray(np.full((16, 16), 1000, dtype))
    return int(np.asarray(plane.rotate(10, Resampling.BILINEAR))[8, 8])


for resampling in (Resampling.NEAREST, Resampling.BILINEAR, Resampling.BICUBIC):
    one, other = unchanged(short, resampling), unchanged(long, resampling)
    print(f"{resampling.name + ':':9} I;16 {one}, I {other}")
    assert other == ramp[0].tolist()
    assert (one == ramp[0].tolist()) == (resampling is Resampling.NEAREST)
    assert resampling is Resampling.NEAREST or max(one) < 256
print(f"rotate by 10 degrees with BILINEAR, a plane of 1000: centre I;16 {turned(np.uint16)}, I {turned(np.int32)}")
assert turned(np.uint16) < 256
assert turned(np.int32) == 1000
PYTHON
