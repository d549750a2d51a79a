#!/usr/bin/env bash
# MONAI's coarse dropout cuts its holes into the data set itself, so that each epoch adds its own to those of the epochs before.
#
# Library:  monai 1.6.1, with torch 2.13.0
# Expected: an augmentation returns another picture and leaves the one that it was given; the tenth epoch has as many holes as the first.
# Instead:  RandCoarseDropout, RandCoarseShuffle, RandStdShiftIntensity, NormalizeIntensity by channel and RandRicianNoise by channel write
#           into the tensor or NumPy array that they are given; their sister transforms do not, nor do they with other options.
# Seen:     pictures in memory, one hole of 16 x 16 in 64 x 64: share of pixels that are gone 0.06 in epoch 1, 0.42 in epoch 10, 0.90 in epoch 100;
#           Rician noise of 5 by channel: standard deviation 5.0 in epoch 1, 15.7 in epoch 10
# Matters:  pictures that fit into memory are kept there, and a validation that has the same arrays gets the holes too. Read from
#           files, or through CacheDataset, which copies, all is well, so that a test with a loader in front does not show it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check monai==1.6.1 torch==2.13.0 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import numpy as np
from monai.data import CacheDataset, Dataset
from monai.transforms import Compose, Identity, NormalizeIntensity, RandCoarseDropout, RandCoarseShuffle
from monai.transforms import RandGaussianNoise, RandRicianNoise, RandStdShiftIntensity, StdShiftIntensity


def epochs(transform, measure, kind=Dataset, count=100, **options):
    """Return what `measure` says of the pictures of each epoch."""
    transforms = Compose([Identity(), transform])
    transforms.set_random_state(0)
    pictures = kind([np.full((1, 64, 64), 100, np.float32) for _ in range(4)], transforms, **options)
    return [np.mean([measure(np.asarray(picture)) for picture in pictures]) for _ in range(count)]


holes = epochs(RandCoarseDropout(holes=1, spatial_size=16, fill_value=0, prob=1), lambda picture: (picture == 0).mean())
cached = epochs(RandCoarseDropout(holes=1, spatial_size=16, fill_value=0, prob=1), lambda picture: (picture == 0).mean(),
                CacheDataset, progress=False)
noise = epochs(RandRicianNoise(prob=1, std=5.0, channel_wise=True, sample_std=False), np.std, count=10)
print(f"share of pixels that are gone: {holes[0]:.2f} in epoch 1, {holes[9]:.2f} in epoch 10, {holes[99]:.2f} in epoch 100")
print(f"the same through CacheDataset: {cached[0]:.2f}, {cached[9]:.2f}, {cached[99]:.2f}")
print(f"Rician noise by channel, standard deviation: {noise[0]:.1f} in epoch 1, {noise[9]:.1f} in epoch 10")
assert holes[0] < 0.07 and holes[9] > 0.3 and holes[99] > 0.8 and max(cached) < 0.07
assert noise[0] < 5.1 and noise[9] > 15


def changes(transform):
    picture = np.random.default_rng(0).random((1, 64, 64)).astype(np.float32)
    before = picture.copy()
    transform(picture)
    return not np.array_equal(before, picture)


assert all(map(changes, [RandCoarseShuffle(1, 16, prob=1), StdShiftIntensity(1.0), RandStdShiftIntensity(1.0, prob=1),
                         NormalizeIntensity(channel_wise=True), RandRicianNoise(prob=1, channel_wise=True)]))
assert not any(map(changes, [NormalizeIntensity(), RandRicianNoise(prob=1), RandGaussianNoise(prob=1)]))
PYTHON
