#!/usr/bin/env bash
# MIRP's rotation-invariant local binary patterns are not so in 3D: a quarter turn of a volume changes three of five voxels.
#
# Library:  MIRP 2.7.0, with numpy 2.4.6
# Expected: `lbp_method="rotation_invariant"` is, as the docs say, "the unique minimal encoding pattern by rotating over the ring. This method is
#           rotationally invariant": turned, filtered and turned back, a volume has the patterns that it has without.
# Instead:  in 2D the 8 neighbours are a ring, and it is so. In 3D they come in the order of the array, and the bits of that list are shifted in
#           a circle, which is no turn of the neighbourhood about any axis. Its least value depends on how the patient lies.
# Seen:     voxels with the same pattern after a turn by 90 degrees about the axis of the slices: "lbp_2d" 100 %, "lbp_3d" 38 %; the kinds of
#           neighbourhood that 6 neighbours have when turns count as one are 10, MIRP has 14 patterns
# Matters:  radiomics are to be the same for the same tissue. Statistics of these maps differ between two scans of one patient in which the
#           head, or the order of the slices, is turned, and what is called texture is direction.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check mirp==2.7.0 numpy==2.4.6 scipy==1.17.1 pandas==3.1.1 scikit-image==0.26.0
cd "$folder"
venv/bin/python -W ignore - 2>/dev/null <<'PYTHON'
import itertools

import numpy as np
from mirp import extract_images
from scipy.ndimage import gaussian_filter
from scipy.spatial.transform import Rotation

volume = gaussian_filter(np.random.default_rng(0).normal(size=(16, 16, 16)), 1)
inner = (slice(2, -2),) * 3


def patterns(picture, kernel):
    """The map of rotation-invariant patterns of a volume, by MIRP."""
    made = extract_images(
        image=picture, mask=np.ones(picture.shape, int), filter_kernels=kernel, lbp_method="rotation_invariant", lbp_filter_distance=1.0,
        ibsi_compliant=False, export_images=True, image_export_format="numpy",
    )
    return made[0][0][-1]


same = {}
for kernel in ("lbp_2d", "lbp_3d"):
    straight, turned = patterns(volume, kernel), patterns(np.rot90(volume, axes=(1, 2)).copy(), kernel)
    back = np.rot90(turned, -1, axes=(1, 2))
    same[kernel] = (straight[inner] == back[inner]).mean()
    print(f"{kernel}: {100 * same[kernel]:.0f} % of the voxels have the same pattern after a quarter turn; {len(np.unique(straight[inner]))} patterns")
neighbours = np.array([step for step in itertools.product((-1, 0, 1), repeat=3) if np.abs(step).sum() == 1])
turns = [np.round(turn.as_matrix()).astype(int) for turn in Rotation.create_group("O")]
places = [[int(np.flatnonzero((neighbours == turn @ step).all(axis=1))[0]) for step in neighbours] for turn in turns]
kinds = {min(tuple(bits[place] for place in order) for order in places) for bits in itertools.product((0, 1), repeat=6)}
print(f"6 neighbours have {len(kinds)} kinds of patterns where turns count as one")
assert same["lbp_2d"] == 1 and same["lbp_3d"] < 0.6 and len(kinds) == 10
PYTHON
