#!/usr/bin/env bash
# platipy stretches the votes of atlases to 1: an organ on which no more than two of five agree has the probability 1, and a mask of all their voxels.
#
# Library:  platipy 0.7.2, with SimpleITK 2.5.7
# Expected: `combine_labels` with equal weights gives each voxel the share of atlases that mark it, and `process_probability_image` with its threshold
#           of 0.5 what the majority marks, as SimpleITK's LabelVoting does.
# Instead:  the first rescales what comes out to 0 to 1, the second divides by the largest value once more, so that the threshold is a half of the best
#           agreement that there is.
# Seen:     five atlases that put the organ in five places, each overlapping the next by a half, weights of 1, no smoothing
#             share of votes    0.4 at most
#             combine_labels    1.0
#             mask              1536 voxels, by majority 0; where all five agree 512 and 512
# Matters:  how far the atlases agree is the one measure of whether a contour can be trusted. Here a registration that failed in each atlas gives as
#           sure a map as one that was right in all, and a mask in place of none.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    SimpleITK==2.5.7 scikit-image==0.26.0 scipy==1.17.1 matplotlib==3.11.2 numpy==2.4.6
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps platipy==0.7.2  # the rest is for servers and registration
cd "$folder"
venv/bin/python - <<'PYTHON'
import numpy as np
import SimpleITK as sitk
from platipy.imaging.label.fusion import combine_labels, process_probability_image


def atlas(start):
    """An atlas that puts an organ of 8 x 8 x 8 voxels at the given row."""
    organ = np.zeros((16, 40, 16), np.uint8)
    organ[4:12, start : start + 8, 4:12] = 1
    label = sitk.GetImageFromArray(organ)
    return {"DIR": {"Weight Map": sitk.Cast(label * 0 + 1, sitk.sitkFloat32), "organ": label}}


seen = {}
for title, starts in (("each elsewhere", (4, 8, 12, 16, 20)), ("all alike", (12,) * 5)):
    atlases = {str(index): atlas(start) for index, start in enumerate(starts)}
    labels = [case["DIR"]["organ"] for case in atlases.values()]
    share = np.mean([sitk.GetArrayFromImage(label) for label in labels], axis=0)
    combined = combine_labels(atlases, "organ", smooth_sigma=0)["organ"]
    mask = sitk.GetArrayFromImage(process_probability_image(combined, 0.5))
    majority = sitk.GetArrayFromImage(sitk.LabelVoting(labels, 0))
    seen[title] = float(share.max()), float(sitk.GetArrayFromImage(combined).max()), int(mask.sum()), int(majority.sum())
    print(f"{title}: share of votes {seen[title][0]:.1f} at most, combine_labels {seen[title][1]:.1f}, mask {seen[title][2]} voxels, by majority {seen[title][3]}")
    np.testing.assert_allclose(sitk.GetArrayFromImage(combined), share / share.max(), atol=1e-5)
    assert np.array_equal(majority, share > 0.5)
assert seen["each elsewhere"][1:] == (1.0, 1536, 0) and abs(seen["each elsewhere"][0] - 0.4) < 1e-6
assert seen["all alike"] == (1.0, 1.0, 512, 512)
PYTHON
