"""What a detector is given of a frame, its crop and which pixels of it count, does not depend on how the tissue is packed.

How far the scores of trained detectors move is measured by tests/benchmarks/packings.py.
"""

from __future__ import annotations

import numpy as np
import pytest
from packed_frames import HALF_DARK, PACKINGS, Pixels

from medgen.data.field.contour import crop, find_field
from medgen.data.phantom.frames import FrameKey, PhantomSettings, render
from medgen.data.pyramid import Pyramid
from medgen.types import Crop

SIZE, TESTED = 96, 4
LOSSY = [name for name in PACKINGS if "JPEG" in name or "scaled" in name]
INSIDE = 8  # pixels within the field of view, where a frame of the phantom has no half-dark line left


@pytest.fixture(scope="module")
def tissue() -> list[Pixels]:
    """Return what normal phantom frames show within their border."""
    frames = []
    for number in range(TESTED):
        pixels = render(PhantomSettings(), FrameKey(0, 0, 8 * number))[0]  # each of another patient
        box = find_field(pixels).box
        frames.append(pixels[box.top + INSIDE : box.bottom - INSIDE, box.left + INSIDE : box.right - INSIDE])
    return frames


def crops(frames: list[Pixels]) -> list[Crop]:
    return [crop(Pyramid.of(frame), SIZE)[0] for frame in frames]


def differences(packing: str, tissue: list[Pixels]) -> tuple[float, float]:
    """Return how far packed tissue differs from the tissue alone: in grey levels, and in the share of pixels that count."""
    pixels, masks = [], []
    for alone, packed in zip(crops(tissue), crops([PACKINGS[packing](frame) for frame in tissue]), strict=True):
        both = alone.valid & packed.valid
        pixels.append(np.abs(alone.pixels.astype(int) - packed.pixels)[both].mean())
        masks.append((alone.valid != packed.valid).mean())
    return float(np.max(pixels)), float(np.max(masks))


@pytest.mark.parametrize("packing", [name for name in PACKINGS if name != HALF_DARK and name not in LOSSY])
def test_a_border_changes_no_pixel_of_the_crop(packing: str, tissue: list[Pixels]) -> None:
    pixels, masks = differences(packing, tissue)
    assert pixels == 0 and masks < 0.02


@pytest.mark.parametrize("packing", LOSSY)
def test_compression_and_scale_change_the_crop_little(packing: str, tissue: list[Pixels]) -> None:
    pixels, masks = differences(packing, tissue)
    assert pixels < 1.5 and masks < 0.04
