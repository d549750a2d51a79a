#!/usr/bin/env bash
# The anisotropic diffusion of SimpleITK and MedPy has the spacing in it once where it belongs twice: through slices of 5 mm it blurs the most.
#
# Library:  SimpleITK 2.5.7, MedPy 0.5.2
# Expected: with the spacing of an image taken into account (MedPy's `voxelspacing`, "the distance between adjacent pixels in all img.ndim
#           directions") the diffusion is that of the tissue: a round spot stays round, whatever the distance of the slices. Perona and Malik's
#           equation has second derivatives in it, and these the square of the distance.
# Instead:  differences are divided by the distance once. Along an axis whose voxels are 5 mm long the spot spreads five times as fast as
#           along one of 1 mm, and the same spot in pixels of 1 and of 2 mm comes out unlike.
# Seen:     a spot with a deviation of 6 mm, over a time of 10 and with no edges to stop at, which adds 20 mm2: 7.48 mm is right; by each
#             pixels of 1 by 1 mm    7.48 and 7.48 mm
#             pixels of 2 by 2 mm    8.72 and 8.72 mm
#             pixels of 1 by 5 mm    7.48 and 11.66 mm
#           SimpleITK's recursive Gaussian of 20 mm2, which counts in mm as well: 7.40 mm along all axes of all three
# Matters:  in scans with thick slices the neighbours that lie farthest apart are mixed most: a lesion of one slice loses its contrast to the
#           next while its borders within the slice stay sharp, and settings found at one resolution do something else at another.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check medpy==0.5.2 SimpleITK==2.5.7 scipy==1.17.1 numpy==2.4.6
cd "$folder"
venv/bin/python -W ignore - <<'PYTHON'
import numpy as np
import SimpleITK as sitk
from medpy.filter.smoothing import anisotropic_diffusion

START, TIME = 6.0, 10.0
RIGHT = np.sqrt(START**2 + 2 * TIME)  # the heat equation adds twice the time to the variance of a Gaussian


def axes(spacing):
    return [np.arange(-60, 60.1, length) for length in spacing]


def spot(spacing):
    across, along = np.meshgrid(*axes(spacing), indexing="ij")
    return np.exp(-(across**2 + along**2) / (2 * START**2))


def deviations(picture, spacing):
    """Standard deviation of the spot along each axis, in mm."""
    profiles = picture.sum(axis=1), picture.sum(axis=0)
    return np.array([np.sqrt((profile * places**2).sum() / profile.sum()) for profile, places in zip(profiles, axes(spacing))])


def by_sitk(function, spacing):
    image = sitk.GetImageFromArray(spot(spacing).T.astype(np.float32))
    image.SetSpacing([float(length) for length in spacing])
    return deviations(sitk.GetArrayFromImage(function(image)).T, spacing)


def diffuse(image):
    return sitk.GradientAnisotropicDiffusion(image, timeStep=0.05, conductanceParameter=1e3, numberOfIterations=200)


sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
for spacing in ((1, 1), (2, 2), (1, 5)):
    medpy = deviations(anisotropic_diffusion(spot(spacing), 100, kappa=1e6, gamma=0.1, voxelspacing=spacing), spacing)
    itk, blurred = by_sitk(diffuse, spacing), by_sitk(lambda image: sitk.SmoothingRecursiveGaussian(image, np.sqrt(2 * TIME)), spacing)
    print(f"pixels of {spacing} mm, right {RIGHT:.2f}: MedPy {medpy.round(2)}, SimpleITK {itk.round(2)}, its Gaussian {blurred.round(2)}")
    wrong = np.sqrt(START**2 + 2 * TIME * np.array(spacing))
    assert np.allclose(medpy, wrong, atol=0.05) and np.allclose(itk, wrong, atol=0.05) and np.allclose(blurred, RIGHT, atol=0.1)
PYTHON
