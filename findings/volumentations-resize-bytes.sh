#!/usr/bin/env bash
# volumentations resizes in bytes: a CT from -1000 to 3000 comes out from 0 to 255 and run over, an image from 0 to 1 as 0 and 1 alone.
#
# Library:  volumentations-3D 1.0.4
# Expected: `Resize` changes the number of voxels and not their values; asked for the size that the volume has it changes nothing.
# Instead:  with its default, `resize_type=1`, each channel is cut to uint8 first, whatever type and range it has. With 0 it is not.
# Seen:     values 0, 255, 256, 300, 1000 become 0, 255, 0, 44, 232; an image from 0 to 1 has 2 values afterwards, of 4096 before;
#           with resize_type=0 the largest change is 0. `RandomResizedCrop` and `ResizedCropNonEmptyMaskIfExists` do the same
# Matters:  images are scaled to 0 to 1 or left in Hounsfield units before they are augmented. A network is then trained with black volumes, or
#           with soft tissue of 256 to 511 over again; nothing warns. Masks of more than 255 labels lose theirs too.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 scipy==1.17.1 scikit-image==0.26.0 opencv-python-headless==5.0.0.93
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps volumentations-3D==1.0.4
cd "$folder"
venv/bin/python - <<'PYTHON'
import random
import warnings

import numpy as np

warnings.simplefilter("ignore", DeprecationWarning)
import volumentations


def resized(volume, transform=volumentations.Resize, **options):
    """Resize a volume of 16 x 16 x 16 voxels and one channel to the very size that it has."""
    random.seed(0)
    return volumentations.Compose([transform((16, 16, 16), p=1, **options)])(image=volume)["image"]


steps = {value: int(resized(np.full((16, 16, 16, 1), value, np.float32)).max()) for value in (0, 255, 256, 300, 1000)}
print("values before and after:", steps)
assert steps == {0: 0, 255: 255, 256: 0, 300: 44, 1000: 232}
unit = np.linspace(0, 1, 16**3, dtype=np.float32).reshape(16, 16, 16, 1)
for transform in (volumentations.Resize, volumentations.RandomResizedCrop):
    options = {"scale_limit": (1, 1)} if transform is volumentations.RandomResizedCrop else {}
    levels = np.unique(resized(unit, transform, **options))
    print(f"{transform.__name__}, 0 to 1: {np.unique(unit).size} values before, {levels.size} after")
    assert levels.tolist() == [0, 1]
change = float(np.abs(resized(unit, resize_type=0) - unit).max())
print(f"resize_type=0: largest change {change:.6f}")
assert change < 1e-5
PYTHON
