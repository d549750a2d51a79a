#!/usr/bin/env bash
# MONAI's average precision counts a class without lesions as -1: every lesion found and no false mark, and a score of 0 with one such class of two.
#
# Library:  monai 1.6.1, with torch 2.13.0
# Expected: COCOMetric leaves classes out that do not occur in the test set, as the COCO code does that it is adapted from, and as its own
#           average recall does.
# Instead:  the precision of an absent class is -1, a mark for "leave out", and the average precision takes the mean over all classes.
# Seen:     two lesions of class 0, found with their very boxes: with classes=["nodule"] AP and AR at IoU 0.10 are 1.00 and 1.00; with one more class
#           that does not occur 0.00 and 1.00, with two more -0.33 and 1.00
# Matters:  test sets of one clinic, folds and subgroups often lack a rare class. Their score goes down by whole classes, not by what the network
#           did; with as many absent classes as present ones it is 0 at best.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check monai==1.6.1 torch==2.13.0 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import logging

import numpy as np
from monai.apps.detection.metrics.coco import COCOMetric
from monai.apps.detection.metrics.matching import matching_batch
from monai.data.box_utils import box_iou

logging.disable(logging.WARNING)
boxes = np.array([[0, 0, 0, 10, 10, 10], [20, 20, 20, 30, 30, 30]], np.float32)
kinds, scores = np.array([0, 0]), np.array([0.9, 0.8])


def measured(classes):
    """Return average precision and average recall at an IoU of 0.1 of detections that are the truth itself."""
    metric = COCOMetric(classes=classes, iou_list=[0.1], max_detection=[100])
    matches = matching_batch(
        iou_fn=box_iou,
        iou_thresholds=metric.iou_thresholds,
        pred_boxes=[boxes],
        pred_classes=[kinds],
        pred_scores=[scores],
        gt_boxes=[boxes],
        gt_classes=[kinds],
    )
    found = metric(matches)[0]
    both = tuple(round(found[f"{name}_IoU_0.10_MaxDet_100"], 2) for name in ("AP", "AR"))
    print(f"classes {', '.join(classes)}: average precision {both[0]:.2f}, average recall {both[1]:.2f}")
    return both


assert measured(["nodule"]) == (1, 1)
assert measured(["nodule", "mass"]) == (0, 1)
assert measured(["nodule", "mass", "cyst"]) == (-0.33, 1)
PYTHON
