#!/usr/bin/env bash
# TIAToolbox's StainAugmentor takes the stains of the first picture it sees for those of all later ones, and shifts their colours by it.
#
# Library:  tiatoolbox 2.1.3, with scikit-learn 1.9.1
# Expected: without a `stain_matrix` of one's own "the stain matrix is extracted from the input image", from each one that is handed over. With
#           both sigmas 0 a picture comes back as it was.
# Instead:  what was extracted is kept where one's own would stand, and is found there the next time. Two stains that are not those of the picture
#           cannot make up its colours.
# Seen:     two slides of unlike haematoxylin and eosin, both sigmas 0
#             the second alone               changed by 0.5 grey levels on average
#             the second after the first     changed by 11.8, its blue from 165 to 191
# Matters:  one augmentor stands in a training's transforms, and each worker's first tile decides on the colours of all others. What is meant to
#           make a net indifferent to the laboratory gives it colours of none.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    opencv-python-headless==4.14.0.94 scikit-image==0.26.0 scikit-learn==1.9.1 dask==2026.8.0 zarr==3.1.6 tifffile==2026.3.3 \
    matplotlib==3.11.2 pandas==3.1.1 shapely==2.2.0 psutil==7.2.2 requests==2.34.2 filelock==4.3.1 PyYAML==6.0.4 tqdm==4.70.1 numpy==2.4.6
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps tiatoolbox==2.1.3  # it asks for more than this part needs
cd "$folder"
venv/bin/python - <<'PYTHON'
import sys
import types

import numpy as np
import tiatoolbox

for name in ("utils", "tools"):  # enter them without their first file, which imports all that the package asks for
    package = types.ModuleType(f"tiatoolbox.{name}")
    package.__path__ = [f"{tiatoolbox.__path__[0]}/{name}"]
    sys.modules[package.__name__] = package

from tiatoolbox.tools.stainaugment import StainAugmentor  # noqa: E402

random = np.random.default_rng(0)


def slide(haematoxylin, eosin):
    """A tile of 64 x 64 pixels that is stained at random, a tenth of it glass."""
    stains = np.array([np.array(stain) / np.linalg.norm(stain) for stain in (haematoxylin, eosin)])
    amounts = random.uniform(0.2, 1.2, (64 * 64, 2))
    amounts[:400] = 0
    return np.clip(255 * np.exp(-amounts @ stains), 0, 255).astype(np.uint8).reshape(64, 64, 3)


def change(result, tile):
    return float(np.abs(result.astype(int) - tile).mean())


first, second = slide((0.65, 0.70, 0.29), (0.07, 0.99, 0.11)), slide((0.35, 0.80, 0.45), (0.45, 0.85, 0.25))
alone = StainAugmentor("macenko", sigma1=0, sigma2=0)(second.copy())
augmentor = StainAugmentor("macenko", sigma1=0, sigma2=0)
augmentor(first.copy())
kept = augmentor.stain_matrix.copy()
after = augmentor(second.copy())
print(f"the second alone: changed by {change(alone, second):.1f} grey levels on average")
print(f"the second after the first: changed by {change(after, second):.1f}, its blue from {second[..., 2].mean():.0f} to {after[..., 2].mean():.0f}")
assert np.array_equal(augmentor.stain_matrix, kept)
assert change(alone, second) < 1 and change(after, second) > 8
PYTHON
