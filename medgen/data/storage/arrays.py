"""The arrays of a prepared set as they are stored: in one file each, in shards, or in shards that lie elsewhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from medgen.data.storage.elsewhere import files_elsewhere
from medgen.data.storage.shards import Arrays, FilesHere, Layout, open_shards


def open_arrays(folder: Path, layout: Layout | None, count: int, side: int, channels: int) -> Arrays:
    """Open the arrays of a data set of `count` frames: its shards, or one file of each, which are memory-mapped."""
    if layout:
        return open_shards(files_elsewhere(folder) or FilesHere(folder), layout, count, side, channels)
    masks = folder / "masks.npy"
    frames, valid = (np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("frames", "valid"))
    return Arrays(frames, valid, np.load(masks, mmap_mode="r") if masks.exists() else None)
