#!/usr/bin/env bash
# The Hausdorff distance of two masks: MONAI and SimpleITK give 0 and 19, or 19 and 1, for the same masks.
#
# Libraries: MONAI 1.6.1 (torch 2.13.0, scipy 1.17.1), SimpleITK 2.5.7, scikit-image 0.26.0
# Expected:  the Hausdorff distance is a textbook measure of two sets. On two small masks without spacing, libraries agree.
# Instead:   MONAI takes the distance between the edges of the masks, SimpleITK and scikit-image that between all their pixels.
#            A filled lesion and its mere outline are equal to MONAI and far apart to the others; one pixel missing in the
#            middle is far to MONAI and next to nothing to the others.
# Seen:      filled square against its outline:          MONAI 0.0, SimpleITK 19.0, scikit-image 19.0
#            filled square against one without a pixel:  MONAI 19.0, SimpleITK 1.0, scikit-image 1.0
# Matters:   segmentations from anomaly maps have holes, and annotators draw outlines. Hausdorff distances of papers can be
#            compared only if they come from the same library, and a prediction that is a thin ring can score as perfect.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    monai==1.6.1 torch==2.13.0 scipy==1.17.1 SimpleITK==2.5.7 scikit-image==0.26.0 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import warnings

import numpy as np
import SimpleITK as sitk
import torch
from monai.metrics import compute_hausdorff_distance
from skimage.metrics import hausdorff_distance

warnings.simplefilter("ignore", FutureWarning)  # MONAI warns of a change in its own code
filled = np.zeros((64, 64), np.uint8)
filled[10:50, 10:50] = 1
outline = filled.copy()
outline[11:49, 11:49] = 0
holed = filled.copy()
holed[30, 30] = 0


def distances(name: str, other: np.ndarray) -> list[float]:
    batches = [torch.from_numpy(mask)[None, None].float() for mask in (filled, other)]
    itk = sitk.HausdorffDistanceImageFilter()
    itk.Execute(sitk.GetImageFromArray(filled), sitk.GetImageFromArray(other))
    found = [
        compute_hausdorff_distance(*batches, include_background=True).item(),
        itk.GetHausdorffDistance(),
        float(hausdorff_distance(filled, other)),
    ]
    print(f"{name:43} MONAI {found[0]}, SimpleITK {found[1]}, scikit-image {found[2]}")
    return found


np.testing.assert_allclose(distances("filled square against its outline:", outline), [0, 19, 19], atol=1e-4)
np.testing.assert_allclose(distances("filled square against one without a pixel:", holed), [19, 1, 1], atol=1e-4)
PYTHON
