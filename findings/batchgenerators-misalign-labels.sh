#!/usr/bin/env bash
# batchgenerators' misalignment turns and squeezes the labels by the list of image channels, and moves by one voxel what is to stay.
#
# Library:  batchgenerators 0.25.5, MisalignTransform (made for prostate MRI of several sequences)
# Expected: `label_channels_2_misalign` says on which label channels a transform is applied, and `p_transl_per_dir=0` moves nothing.
# Instead:  rotation and squeezing look the label channels up in `im_channels_2_misalign`; translation alone heeds the other list. Where a direction
#           is not drawn it is moved by 1, the neutral number of the squeezing, not by 0.
# Seen:     image channel 1 and label channel 0 to be misaligned, all of them alike before: a quarter turn moves the image and leaves the label where it
#           was; a squeezing as well; a translation moves both. No label channel to be misaligned, image channel 0: turn and squeezing move
#           the label. p_transl_per_dir=0: moved by 1 voxel up and 1 to the left
# Matters:  labels that follow one sequence (of diffusion, say, channel 1) part from it in each rotation, and the network is trained with both.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check batchgenerators==0.25.5 numpy==2.4.6 scipy==1.17.1 scikit-image==0.26.0 scikit-learn==1.9.1
cd "$folder"
venv/bin/python - <<'PYTHON'
import numpy as np
from batchgenerators.transforms.spatial_transforms import MisalignTransform

QUARTER = (np.pi / 2, np.pi / 2)
TRANSFORMS = {
    "rotation": {"do_rotation": True, "p_rot_per_sample": 1, "angle_z": QUARTER},
    "squeezing": {"do_squeeze": True, "p_sq_per_sample": 1, "sq_y": (0.5, 0.5), "sq_x": (1, 1)},
    "translation": {"do_transl": True, "p_transl_per_sample": 1, "tr_y": (8, 8), "tr_x": (0, 0)},
    "translation in no direction": {"do_transl": True, "p_transl_per_sample": 1, "p_transl_per_dir": 0},
}
BOX = np.zeros((64, 64), np.float32)
BOX[20:30, 40:60] = 1
OFF = {"do_squeeze": False, "do_rotation": False, "do_transl": False}


def moved(name, images, labels):
    """Return how far image channels 0 and 1 and the label move, in voxels."""
    transform = MisalignTransform(im_channels_2_misalign=images, label_channels_2_misalign=labels, **{**OFF, **TRANSFORMS[name]})
    out = transform(data=np.stack([BOX, BOX])[None].copy(), seg=BOX[None, None].copy())
    places = [np.argwhere(channel > 0.5).mean(axis=0) for channel in (*out["data"][0], out["seg"][0, 0])]
    shifts = [tuple((place - np.argwhere(BOX).mean(axis=0)).tolist()) for place in places]
    print(f"{name}, images {images}, labels {labels}: image 0 {shifts[0]}, image 1 {shifts[1]}, label {shifts[2]}")
    return shifts


for name in TRANSFORMS:
    first, second, label = moved(name, [1], [0])
    assert first == (0, 0) and second != (0, 0)
    assert label == (second if "translation" in name else (0, 0))
    first, second, label = moved(name, [0], [])
    assert second == (0, 0) and first != (0, 0)
    assert label == ((0, 0) if "translation" in name else first)
assert moved("translation in no direction", [1], [0])[1] == (-1, -1)
PYTHON
