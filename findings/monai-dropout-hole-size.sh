#!/usr/bin/env bash
# Of the holes of one picture MONAI's coarse dropout makes each at least as large as the one before.
#
# Library:  monai 1.6.1, with torch 2.13.0
# Expected: with spatial_size=4 and max_spatial_size=32 each hole has a size between 4 and 32, 18 on average, however many there are.
# Instead:  a hole's size is drawn from the last hole's on, not from spatial_size on, and so ends at the largest within a few holes.
# Seen:     8 holes, mean side of the first 18.4, second 25.1, third 28.4, eighth 31.9; share of a 256 x 256 picture that is gone: 0.097,
#           where eight holes with sizes of their own take 0.039; twice as many holes, from 4 to 8, take 2.40 times as much
# Matters:  the smaller sizes that were asked for hardly occur, and more of the picture is missing than was meant. RandCoarseShuffle has it too.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check monai==1.6.1 torch==2.13.0 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import numpy as np
from monai.transforms import RandCoarseDropout

sides = {"spatial_size": 4, "max_spatial_size": 32, "fill_value": 0, "prob": 1}


def gone(transforms, count=2000):
    """Return the share of a picture that is gone after these transforms, and the sides of the first one's holes."""
    for seed, transform in enumerate(transforms):
        transform.set_random_state(seed)
    shares, holes = [], []
    for _ in range(count):
        picture = np.ones((1, 256, 256), np.float32)
        for transform in transforms:
            picture = np.asarray(transform(picture))
        shares.append(1 - picture.mean())
        holes.append([hole[1].stop - hole[1].start for hole in transforms[0].hole_coords])
    return np.mean(shares), np.mean(holes, 0)


share, mean = gone([RandCoarseDropout(holes=8, **sides)])
apart, first = gone([RandCoarseDropout(holes=1, **sides) for _ in range(8)])
four, _ = gone([RandCoarseDropout(holes=4, **sides)])
print("mean sides of 8 holes", *mean.round(1), f"share gone {share:.3f}; 8 times one hole: {first[0]:.1f}, share gone {apart:.3f}")
print(f"4 holes: share gone {four:.3f}, 8 holes: {share / four:.2f} times as much")
assert abs(mean[0] - 18) < 0.5 and mean[1] > 24 and mean[7] > 31 and (np.diff(mean) > 0).all() and share > 1.5 * apart
PYTHON
