#!/usr/bin/env bash
# TIAToolbox's imresize chooses its interpolation by the inverse of the scale where a size is given: averages to enlarge, single points to shrink.
#
# Library:  tiatoolbox 2.1.3, with OpenCV 4.14.0
# Expected: `imresize(picture, output_size=(16, 16))` of 64 x 64 pixels is `imresize(picture, scale_factor=0.25)`: area averages, as the
#           docstring has it for scales below 1, and cubic above.
# Instead:  the scale is worked out as old size by new size, 4.0 here, and so is taken for an enlargement; enlargements for a reduction.
# Seen:     a bright pixel each 4 x 4: by scale_factor=0.25 grey of 16 all over, by output_size of 2: next to nothing is left of them
#           8 x 8 pixels to 32 x 32: by scale_factor=4 a smooth edge of 10 values, by output_size blocks of 2
# Matters:  thumbnails, masks and maps that are brought to a size lose small things and gain moire, and look unlike those that were scaled; a
#           model that reads one sort is shown the other.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    opencv-python-headless==4.14.0.94 scikit-image==0.26.0 scikit-learn==1.9.1 dask==2026.8.0 zarr==3.1.6 tifffile==2026.3.3 \
    matplotlib==3.11.2 pandas==3.1.1 shapely==2.2.0 psutil==7.2.2 requests==2.34.2 filelock==4.3.1 PyYAML==6.0.4 tqdm==4.70.1 numpy==2.4.6
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps tiatoolbox==2.1.3  # it asks for more than this part needs
cd "$folder"
venv/bin/python - <<'PYTHON'
import sys
import types

import numpy as np
import tiatoolbox

for name in ("utils", "tools"):  # enter them without their first file, which imports all that the package asks for
    package = types.ModuleType(f"tiatoolbox.{name}")
    package.__path__ = [f"{tiatoolbox.__path__[0]}/{name}"]
    sys.modules[package.__name__] = package

from tiatoolbox.utils.transforms import imresize  # noqa: E402

dots = np.zeros((64, 64), np.uint8)
dots[::4, ::4] = 255
by_scale, by_size = imresize(dots, scale_factor=0.25), imresize(dots, output_size=(16, 16))
assert by_scale.shape == by_size.shape == (16, 16)
print(f"a pixel of 255 each 4 x 4, to a quarter: by scale {by_scale.min()} to {by_scale.max()}, by size {by_size.min()} to {by_size.max()}")
assert by_scale.min() == by_scale.max() == 16 and by_size.max() < 4

edge = np.zeros((8, 8), np.uint8)
edge[:, 4:] = 200
by_scale, by_size = imresize(edge, scale_factor=4.0), imresize(edge, output_size=(32, 32))
print(f"an edge, four times as large: by scale {len(np.unique(by_scale))} values, by size {len(np.unique(by_size))}")
assert by_scale.shape == by_size.shape == (32, 32)
assert len(np.unique(by_scale)) > 5 and len(np.unique(by_size)) == 2
PYTHON
