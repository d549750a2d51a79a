#!/usr/bin/env bash
# scikit-image's surface normals ignore the spacing that the surface itself is made with: on slices 4 mm apart they are off by 27 degrees.
#
# Library:  scikit-image 0.26.0
# Expected: marching_cubes(volume, spacing=...) gives a mesh in millimetres: vertices, and the normal at each vertex, "as calculated from the data".
# Instead:  the vertices are multiplied by the spacing, the normals are those of cubic voxels.
# Seen:     a ball of radius 20 mm, angle between a normal and the true one: voxels of 1 mm: 0.5 degrees on average, 1.3 at most;
#           1 mm and slices of 4 mm: 27.3 on average, 40.9 at most; computed from the triangles of the same mesh: 5.8 at most
# Matters:  smooth shading, curvature, thickness along the normal and displacement of a surface all use them. A flat volume of thick slices, as most CT
#           and MR are, gets wrong ones where its surface is tilted.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check scikit-image==0.26.0 numpy==2.4.6 scipy==1.17.1
cd "$folder"
venv/bin/python - <<'PYTHON'
import numpy as np
from skimage.measure import marching_cubes


def angles(thickness):
    """Return the angles, in degrees, between a ball's normals and the true ones: of marching_cubes and from the mesh's triangles."""
    spacing = (thickness, 1.0, 1.0)
    shape = (round(64 / thickness), 64, 64)
    centre = (np.array(shape) - 1) / 2 * spacing
    places = np.indices(shape).reshape(3, -1).T * spacing - centre
    depth = (20 - np.linalg.norm(places, axis=1)).reshape(shape)
    points, faces, normals, _ = marching_cubes(depth, 0, spacing=spacing)
    true = points - centre
    true /= np.linalg.norm(true, axis=1, keepdims=True)
    a, b, c = points[faces].transpose(1, 0, 2)
    cross = np.cross(b - a, c - a)
    own = np.zeros_like(points)
    for corner in faces.T:
        np.add.at(own, corner, cross)
    own /= np.linalg.norm(own, axis=1, keepdims=True)
    return [np.degrees(np.arccos(np.clip(np.abs((found * true).sum(1)), 0, 1))) for found in (normals, own)]


seen = {}
for thickness in (1.0, 4.0):
    given, own = angles(thickness)
    seen[thickness] = given.mean(), own.max()
    print(f"slices of {thickness} mm: off by {given.max():.1f} degrees at most, {given.mean():.1f} on average; from the triangles {own.max():.1f}")
assert seen[1.0][0] < 1 and 25 < seen[4.0][0] < 30 and seen[4.0][1] < 7
PYTHON
