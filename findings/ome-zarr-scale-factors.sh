#!/usr/bin/env bash
# ome-zarr halves each level whatever factors it is asked for: scale_factors=[4, 16] writes levels of 2 and 4, and one's own scales beside them.
#
# Library:  ome-zarr 0.16.0, with zarr 3.1.6 and dask 2026.8.0
# Expected: `scale_factors` are "the downsampling factors for each pyramid level", and a list of integers is for rows and columns: [4, 16] of 512
#           pixels gives levels of 128 and 32. Where one gives the scale of each level in mm as well, the two belong together.
# Instead:  of a list of integers only the length is used; the levels are half, a quarter and so on. A list of dicts is obeyed.
#           What is given for `coordinate_transformations` is written unchecked, as the docs say.
# Seen:     [4, 16]: levels of 512, 256 and 128 pixels; [8]: 512 and 256; [{"y": 4, "x": 4}, {"y": 16, "x": 16}]: 512, 128 and 32
#           with [4, 16] and scales of 0.1, 0.4 and 1.6 mm: a lesion 35 mm from the edge lies at 35, 70 and 140 mm in the three levels
# Matters:  the smallest level is what viewers open first and what is measured at low power: sixteen times as many pixels as was asked for, and
#           with one's own scales twice and four times as far away and as large.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    ome-zarr==0.16.0 zarr==3.1.6 dask==2026.8.0 scikit-image==0.26.0 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import numpy as np
import zarr
from ome_zarr.writer import write_image

picture = np.zeros((512, 512), np.uint16)
picture[345:357, 345:357] = 1000  # middle at 350.5
SCALES = [[{"type": "scale", "scale": [mm, mm]}] for mm in (0.1, 0.4, 1.6)]


def levels(name, factors, **more):
    """Write the picture and read its levels back: their arrays and what the file says of a pixel's size."""
    write_image(picture, name, scale_factors=factors, axes="yx", **more)
    group = zarr.open_group(name, mode="r")
    listed = group.attrs["ome"]["multiscales"][0]["datasets"]
    return [(group[item["path"]][:], item["coordinateTransformations"][0]["scale"][0]) for item in listed]


sizes = {}
for name, factors in (("four", [4, 16]), ("eight", [8]), ("dicts", [{"y": 4, "x": 4}, {"y": 16, "x": 16}])):
    sizes[name] = [len(array) for array, _ in levels(f"{name}.zarr", factors)]
    print(f"{name}: levels of {', '.join(map(str, sizes[name]))} pixels")
assert sizes == {"four": [512, 256, 128], "eight": [512, 256], "dicts": [512, 128, 32]}

places = []
for array, mm in levels("scaled.zarr", [4, 16], coordinate_transformations=SCALES):
    rows = array.astype(float).sum(1)
    places.append(float(mm * (rows * np.arange(len(rows))).sum() / rows.sum()))
print(f"with scales of 0.1, 0.4 and 1.6 mm: the lesion at {', '.join(f'{place:.0f}' for place in places)} mm")
assert abs(places[0] - 35) < 1 and abs(places[1] - 70) < 1 and abs(places[2] - 140) < 2
PYTHON
