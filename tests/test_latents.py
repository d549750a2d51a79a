"""Figures of what a backend decodes: the way between two frames."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image

from medgen.verbs.figures.latents import N_STEPS, between


@pytest.mark.parametrize(("frames", "rows"), [(2, 1), (40, 5)])
def test_the_way_begins_at_one_frame_and_ends_at_the_other(frames: int, rows: int) -> None:
    grey = np.linspace(0, 1, frames, dtype=np.float32)
    originals = (255 * grey).round().astype(np.uint8)[:, None, None, None].repeat(8, 1).repeat(8, 2).repeat(3, 3)
    asked = []

    def decode(latent: torch.Tensor) -> torch.Tensor:
        asked.append(latent.numpy())
        return latent[:, :1, None, None].expand(-1, 3, 8, 8)

    (extra,) = between(decode, np.stack([grey, -grey], axis=1), originals)
    assert len(asked) == rows
    for way in asked:
        assert len(way) == N_STEPS and np.allclose(np.diff(way, 2, axis=0), 0, atol=1e-6)  # straight
    drawn = np.asarray(Image.open(BytesIO(extra.picture)))
    tile, gap = 64, 4
    row = drawn[gap + tile // 2, gap + tile // 2 :: tile + gap, 0].astype(int)
    assert row[0] == row[1] == 0 and row[-1] == row[-2] and (np.diff(row) >= 0).all() and row[-1] > 100
