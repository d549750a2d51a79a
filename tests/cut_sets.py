"""Frames of a few pixels, some of them annotated, for data sets in shards."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image as Picture

from medgen.data.prepared import PrepareSettings

SMALL = PrepareSettings(size=32, copies=1, overlay="dark")
SHARD = 12  # frames; the third shard holds the last originals and the first copies


def make_frames(root: Path) -> Path:
    """Write 34 frames, 20 of them for training, and return their folder."""
    folder = root / "frames"
    folder.mkdir()
    draws, rows = np.random.default_rng(0), ["file,finding,label,split,mask"]
    for number in range(34):
        split = "train" if number < 20 else "val" if number < 26 else "test"
        finding, label, mask = ("polyp", "abnormal", "mask.png") if number >= 30 else ("normal", "normal", "")
        coarse = Picture.fromarray(draws.integers(40, 200, (6, 6, 3), dtype=np.uint8))
        coarse.resize((40, 40), Picture.Resampling.NEAREST).save(folder / f"{number}.png")
        rows.append(f"{number}.png,{finding},{label},{split},{mask}")
    Picture.fromarray(np.eye(40, dtype=np.uint8) * 255).save(folder / "mask.png")
    (folder / "manifest.csv").write_text("\n".join(rows))
    return folder
