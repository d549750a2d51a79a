#!/usr/bin/env bash
# panoptica's surface Dice is the mean of two shares and not the share of both surfaces: a corner of an organ marked has 0.50 for 0.00.
#
# Library:  panoptica 2.1.7, with surface-distance 0.1, scipy 1.15.3
# Expected: the normalised surface Dice is the part of both surfaces together that lies within the tolerance of the other one, as in the package of
#           its authors (surface-distance) and in MONAI. What is missed of a large surface counts by its size.
# Instead:  the share of the reference's surface and that of the prediction's are worked out each on its own and averaged.
# Seen:     an organ of 40 voxels a side, tolerance of one voxel
#             marked                  panoptica   by hand   surface-distance
#             a corner of 2 voxels        0.501     0.003              0.005
#             4 of 40 slices              0.437     0.351              0.364
#             all, 2 voxels lower         0.683     0.683              0.683
# Matters:  a prediction that marks next to nothing of an organ has half of the score if it touches its surface. Two surfaces of the same size
#           give the same, so that it does not show with good predictions.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    panoptica==2.1.7 numpy==2.2.6 scipy==1.15.3 scikit-image==0.25.2 pandas==2.3.3 plotly==5.24.1 surface-distance==0.1
cd "$folder"
venv/bin/python -W ignore - <<'PYTHON'
import numpy as np
from panoptica.metrics import Metric
from scipy.ndimage import binary_erosion, distance_transform_edt
from surface_distance.metrics import compute_surface_dice_at_tolerance, compute_surface_distances

organ = np.zeros((60, 60, 60), bool)
organ[10:50, 10:50, 10:50] = True
speck, tenth, shifted, moved = (np.zeros_like(organ) for _ in range(4))
speck[10:12, 10:12, 10:12] = True
tenth[10:14, 10:50, 10:50] = True
shifted[12:52, 10:50, 10:50] = True
for name, marked in (("a corner of 2 voxels", speck), ("4 of 40 slices", tenth), ("2 voxels lower", shifted), ("the organ", organ)):
    stated = float(Metric.NSD(organ, marked, threshold=1.0))
    edges = [mask & ~binary_erosion(mask) for mask in (organ, marked)]
    near = [(distance_transform_edt(~other)[edge] <= 1.0) for edge, other in (edges, edges[::-1])]
    by_hand = float(np.concatenate(near).mean())
    authors = float(compute_surface_dice_at_tolerance(compute_surface_distances(organ, marked, (1, 1, 1)), 1.0))
    shares = [float(share.mean()) for share in near]
    print(f"{name}: panoptica {stated:.3f}, by hand {by_hand:.3f}, its authors {authors:.3f}; the two shares {shares}")
    assert abs(stated - sum(shares) / 2) < 1e-9
    if name.startswith("a corner"):
        assert stated > 0.49 and by_hand < 0.02 and authors < 0.02
PYTHON
