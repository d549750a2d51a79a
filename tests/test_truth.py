"""What a mask marks, whatever its numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from medgen.data.source_file import MaskFile
from medgen.data.truth import read_mask

Y, X = np.mgrid[:96, :96]
DISC = (X - 48) ** 2 + (Y - 48) ** 2 < 15**2


@pytest.mark.parametrize("number", [1, 2, 4, 127, 255])
def test_any_number_but_zero_marks(tmp_path: Path, number: int) -> None:
    PIL.Image.fromarray((DISC * number).astype(np.uint8)).save(tmp_path / "m.png")
    np.testing.assert_array_equal(read_mask(MaskFile(tmp_path / "m.png")), DISC)


def test_a_palette_says_nothing_of_what_is_marked(tmp_path: Path) -> None:
    mask = PIL.Image.fromarray(DISC.astype(np.uint8), mode="P")
    mask.putpalette([0, 0, 0, 3, 3, 3])
    mask.save(tmp_path / "m.png")
    np.testing.assert_array_equal(read_mask(MaskFile(tmp_path / "m.png")), DISC)


def test_blurred_edges_of_a_jpeg_end_at_half_of_its_range(tmp_path: Path) -> None:
    PIL.Image.fromarray((DISC * 90).astype(np.uint8)).save(tmp_path / "m.jpg", quality=60)
    assert (read_mask(MaskFile(tmp_path / "m.jpg")) != DISC).sum() < 10
