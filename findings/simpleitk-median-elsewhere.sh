#!/usr/bin/env bash
# SimpleITK's median of a region depends on voxels outside of it: one of metal moves the median of soft tissue from 50 to 29, or to 90.
#
# Library:  SimpleITK 2.5.7, with numpy 2.4.6
# Expected: the median of a label is that of its voxels, or near to it, whatever the rest of the image holds.
# Instead:  both filters that measure labels read it off a histogram of a fixed number of bins from the darkest to the brightest voxel of
#           the whole image. The documentation of one says that the median is as good as a bin is wide, not that an image makes it so wide.
# Seen:     32,000 voxels of int16 with a median of 50 and, elsewhere, air at -1000 and one voxel of v: for v = 200 LabelStatistics has 52.3
#           and LabelIntensityStatistics 54.7, for v = 3071 57.5 and 65.5, for v = 30000 29.3 and 89.8; the mean is 50.0 each time
# Matters:  the median is what one takes because it stands outliers. An implant, a marker or a hot pixel anywhere changes that of a liver, by
#           more than what tells a fatty one from a sound one, and the two filters disagree.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check SimpleITK==2.5.7 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import numpy as np
import SimpleITK as sitk

voxels = np.clip(np.random.default_rng(0).normal(50, 15, (40, 40, 40)), 0, None).round().astype(np.int16)
region = np.zeros(voxels.shape, np.uint8)
region[:20] = 1
voxels[30, 1, 0] = -1000
label = sitk.GetImageFromArray(region)
off = {}
for metal in (200, 3071, 30000):
    voxels[30, 0, 0] = metal
    image = sitk.GetImageFromArray(voxels)
    one, other = sitk.LabelStatisticsImageFilter(), sitk.LabelIntensityStatisticsImageFilter()
    one.Execute(image, label)
    other.Execute(label, image)
    exact = float(np.median(voxels[:20]))
    off[metal] = one.GetMedian(1) - exact, other.GetMedian(1) - exact
    print(f"brightest {metal}: numpy {exact}, LabelStatistics {one.GetMedian(1):.1f}, LabelIntensityStatistics {other.GetMedian(1):.1f}")
    assert abs(one.GetMean(1) - voxels[:20].mean()) < 1e-9 and abs(other.GetMean(1) - voxels[:20].mean()) < 1e-9
    print(f"mean {one.GetMean(1):.1f} and {other.GetMean(1):.1f}")
assert max(map(abs, off[200])) < 5 and off[30000][0] < -20 and off[30000][1] > 39
PYTHON
