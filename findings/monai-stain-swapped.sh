#!/usr/bin/env bash
# MONAI's stain normalisation takes haematoxylin for eosin: nuclei come out pink and the tissue around them dark.
#
# Library:  monai 1.6.1, with torch 2.13.0
# Expected: NormalizeHEStains leaves a picture that has the stains of its own reference about as it is: `target_he` has haematoxylin in its
#           first column, which absorbs red more than blue (0.56 against 0.41), and eosin in its second (0.22 against 0.56).
# Instead:  ExtractHEStains puts the stain with the lower ratio of red to blue first and says "haematoxylin: high blue, lower red". That is so
#           of the light that is left. It is said of absorbances, where it is the other way round, and so each stain gets the other's colour.
# Seen:     a nucleus in stroma, made with the reference's own two stains, mean red, green and blue: the nucleus goes from 93, 65, 112 to
#           179, 104, 136, the stroma from 184, 116, 146 to 103, 78, 126; the extracted columns are the true ones, exchanged
# Matters:  slides that are normalised so, as the transform is meant for, show a network nuclei that are paler than what lies around
#           them. Both halves of a study are turned alike, and nothing fails.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check monai==1.6.1 torch==2.13.0 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import numpy as np
from monai.apps.pathology.transforms import ExtractHEStains, NormalizeHEStains

STAINS = np.array([[0.5626, 0.2159], [0.7201, 0.8012], [0.4062, 0.5581]])  # MONAI's own target: haematoxylin, eosin
draws = np.random.default_rng(0)
amount = np.stack([draws.uniform(0.05, 0.3, (64, 64)), draws.uniform(0.5, 1.0, (64, 64))])
amount[0, 16:32, 16:32] = draws.uniform(1.2, 2.0, (16, 16))
amount[1, 16:32, 16:32] = draws.uniform(0.05, 0.3, (16, 16))
slide = (240 * np.exp(-np.einsum("rs,shw->hwr", STAINS, amount))).astype(np.uint8)


def colours(picture):
    """Return the mean red, green and blue of the nucleus and of the stroma."""
    return [picture[region].reshape(-1, 3).mean(axis=0).round().astype(int).tolist() for region in (np.s_[18:30, 18:30], np.s_[40:60, 40:60])]


before, after = colours(slide), colours(NormalizeHEStains()(slide))
print(f"nucleus {before[0]} becomes {after[0]}; stroma {before[1]} becomes {after[1]}")
found = ExtractHEStains()(slide)
print("extracted stains:", found.T.round(2).tolist(), "the true ones:", STAINS.T.round(2).tolist())
assert sum(before[0]) < sum(before[1]) - 100 and sum(after[0]) > sum(after[1]) + 100
assert np.abs(found[:, 0] - STAINS[:, 1]).max() < 0.05 and np.abs(found[:, 1] - STAINS[:, 0]).max() < 0.05
PYTHON
