#!/usr/bin/env bash
# ome-zarr's levels are written without the half voxel by which their centres move: at a factor of 16 a lesion lies 7.5 voxels further off.
#
# Library:  ome-zarr 0.16.0, with zarr 3.1.6 and dask 2026.8.0
# Expected: a place that a file gives in mm is the same in each level. A voxel that is the mean of 16 lies in their middle, 7.5 voxels from the
#           centre of the first; a file says so by a translation beside the scale, which the format has.
# Instead:  each level has its scale alone, so that its first voxel lies on the first of the full picture.
# Seen:     voxels of 1 mm, the middle of a lesion at 255.5 mm; by the levels of factor 1, 2, 4, 8 and 16: 255.5, 255.0, 254.0, 252.0 and 248.0 mm
# Matters:  what is found in a small level, as detectors on whole slides and viewers do, is marked elsewhere in the large one, by more than a
#           cell; masks and pictures of unlike levels do not lie on one another. Programs that write the translation differ from it by as much.
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
from ome_zarr.scale import Methods
from ome_zarr.writer import write_image

picture = np.zeros((512, 512), np.float32)
picture[192:320, 192:320] = 1000  # middle at 255.5, on the grid of all levels
for method in (Methods.RESIZE, Methods.LOCAL_MEAN, Methods.NEAREST):
    write_image(picture, f"{method.value}.zarr", scale_factors=[2, 4, 8, 16], method=method, axes="yx")
    group = zarr.open_group(f"{method.value}.zarr", mode="r")
    places = []
    for item in group.attrs["ome"]["multiscales"][0]["datasets"]:
        (transform,) = item["coordinateTransformations"]  # a scale and nothing else
        rows = group[item["path"]][:].astype(float).sum(1)
        places.append(float(transform["scale"][0] * (rows * np.arange(len(rows))).sum() / rows.sum()))
    print(f"{method.value}: {', '.join(f'{place:.1f}' for place in places)} mm")
    assert np.allclose(places, [255.5 - (factor - 1) / 2 for factor in (1, 2, 4, 8, 16)], atol=0.2)
PYTHON
