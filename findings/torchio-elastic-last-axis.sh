#!/usr/bin/env bash
# TorchIO's elastic deformation locks the borders of two axes and leaves the third free.
#
# Library:  torchio 1.2.1, with torch 2.13.0 and SimpleITK 2.5.7
# Expected: with locked_borders=2, the default, the displacement at the border of the image is set to 0: on all six faces.
# Instead:  rows of the grid are set to 0 along the first and the second axis; the third, in most files from foot to head, is left out.
# Seen:     64 x 64 x 64 at 1 mm, mean displacement in the middle of each face over 100 drawings: 0.6, 0.7, 0.6, 0.7, 2.3, 2.4 mm;
#           in the middle of the volume 2.6 mm
# Matters:  the first and the last slices move out of the volume and the fill value moves in, which locked borders are there to prevent;
#           of a mask whatever touches the top or the bottom changes its volume.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torchio==1.2.1 torch==2.13.0 simpleitk==2.5.7 scipy==1.17.1 numpy==2.4.6
cd "$folder"
venv/bin/python -W ignore::RuntimeWarning - <<'PYTHON'
import numpy as np
import torch
import torchio

torch.manual_seed(0)
volume = torchio.ScalarImage(tensor=torch.rand(1, 64, 64, 64))
faces = [tuple(at if axis == of else 31 for axis in range(3)) for of in range(3) for at in (0, 63)]
moved, edges = [], []
for _ in range(100):
    grid = torchio.RandomElasticDeformation.get_params((7, 7, 7), (7.5, 7.5, 7.5), 2)
    spline = torchio.ElasticDeformation(grid, (7.5, 7.5, 7.5)).get_bspline_transform(volume.as_sitk())
    points = [volume.as_sitk().TransformIndexToPhysicalPoint(point) for point in [*faces, (31, 31, 31)]]
    moved.append([np.linalg.norm(np.subtract(spline.TransformPoint(point), point)) for point in points])
mean = np.mean(moved, 0)
print("mean displacement in the middle of each face", *mean[:6].round(1), "mm, in the middle of the volume", mean[6].round(1))
assert (mean[:4] < 1).all() and (mean[4:6] > 2).all()
filled = []
for _ in range(20):
    ones = torch.ones(1, 64, 64, 64)
    ones[0, 0, 0, 0] = 0  # what is outside is filled with the smallest value
    result = torchio.RandomElasticDeformation()(torchio.ScalarImage(tensor=ones)).data[0]
    filled.append([float((result.select(axis, at)[8:-8, 8:-8] < 0.5).float().mean()) for axis in range(3) for at in (0, 63)])
print("share of each face that is filled in from outside", *np.mean(filled, 0).round(2))
PYTHON
