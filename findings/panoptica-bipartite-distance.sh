#!/usr/bin/env bash
# panoptica's bipartite matching by distance leaves perfect instances unmatched and prefers the worst pair: of three exact lesions none is found.
#
# Library:  panoptica 2.1.7, with scipy 1.15.3
# Expected: MaxBipartiteMatching takes any of its metrics, distances as well, "decreasing" ones by its own words: the nearest instances within the
#           threshold belong together. NaiveThresholdMatching does so.
# Instead:  its cost is 1 minus the score for distances too, so that the greatest distance costs least; and a pair whose cost is not below 1, which
#           a distance of 0 has, counts as no match.
# Seen:     three lesions; average surface distance of up to 3, or Hausdorff distance of up to 5, as the metric of the matching
#             all marked exactly            none matched; by NaiveThresholdMatching all three
#             one of them a voxel too low   that one alone; all three
#             one of them in two parts      the smaller part (3 of 10 columns) by surface distance, the other lesions not; all three
#           by IoU both match all three
# Matters:  a recall of lesions by distance falls as the segmentation gets better, and what is matched is measured at its worst.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    panoptica==2.1.7 numpy==2.2.6 scipy==1.15.3 scikit-image==0.25.2 pandas==2.3.3 plotly==5.24.1
cd "$folder"
venv/bin/python -W ignore - <<'PYTHON'
import numpy as np
from panoptica import MaxBipartiteMatching, NaiveThresholdMatching
from panoptica.metrics import Metric
from panoptica.utils.processing_pair import UnmatchedInstancePair

truth = np.zeros((60, 60), np.uint8)
for number in (1, 2, 3):
    truth[8:16, 20 * number - 12 : 20 * number - 4] = number
moved = truth.copy()
moved[truth == 3] = 0
moved[9:17, 48:56] = 3
split = truth.copy()
split[truth == 1] = 0
split[8:16, 8:15] = 1
split[8:16, 15:18] = 4


def found(matching, marked):
    """Which of the three lesions has which mark."""
    pair = matching.match_instances(UnmatchedInstancePair(prediction_arr=marked.copy(), reference_arr=truth.copy()))
    return {n: np.unique(marked[pair.prediction_arr == n]).tolist() for n in (1, 2, 3)}


seen = {}
for metric, threshold in ((Metric.ASSD, 3.0), (Metric.HD, 5.0), (Metric.IOU, 0.1)):
    for name, marked in (("as they are", truth), ("one of them a voxel lower", moved), ("one of them in two parts", split)):
        one = found(MaxBipartiteMatching(metric, threshold), marked)
        other = found(NaiveThresholdMatching(metric, threshold), marked)
        seen[metric.name, name] = one, other
        print(f"{metric.name}, {name}: bipartite {one}; by the nearest {other}")
every = {1: [1], 2: [2], 3: [3]}
for name in ("ASSD", "HD"):
    assert seen[name, "as they are"] == ({1: [], 2: [], 3: []}, every)
    assert seen[name, "one of them a voxel lower"] == ({1: [], 2: [], 3: [3]}, every)
assert seen["ASSD", "one of them in two parts"] == ({1: [4], 2: [], 3: []}, every)
assert all(one == other == every for (name, _), (one, other) in seen.items() if name == "IOU")
PYTHON
