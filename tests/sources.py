"""Small data sets as they lie on disk: folders of frames, and archives as they are published."""

from __future__ import annotations

import gzip
import shutil
import struct
from pathlib import Path
from zlib import crc32

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from writers import save


def noise(*shape: int, seed: int = 0) -> NDArray[np.uint8]:
    """Return bytes drawn from a seed of their own, so that no test sees which tests ran before it."""
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


DIGITS = {"train": noise(6, 28, 28), "t10k": noise(3, 28, 28, seed=1)}
LABELS = {"train": np.array([5, 0, 4, 1, 9, 2], np.uint8), "t10k": np.array([7, 2, 1], np.uint8)}


def frame(side: int = 16, channels: int = 3, seed: int = 0) -> NDArray[np.uint8]:
    """Return a frame of noise, (side, side, 3) or, for one channel, (side, side)."""
    return noise(side, side, channels, seed=seed) if channels == 3 else noise(side, side, seed=seed)


def folder(root: Path, *names: str, count: int = 4, side: int = 16) -> Path:
    """Write so many frames into each named folder below the root, no two of them alike."""
    for name in names:
        (root / name).mkdir(parents=True, exist_ok=True)
        for k in range(count):
            save(root / name / f"{k:02}.png", frame(side, seed=crc32(f"{name}/{k}".encode())))
    return root


def side_by_side(root: Path) -> Path:
    """Write pairs whose halves lie side by side in one file, three for training and three for validation."""
    for split in ("train", "val"):
        (root / split).mkdir()
        for k in range(3):
            halves = [frame(seed=crc32(f"{split}/{k}/{half}".encode())) for half in ("left", "right")]
            save(root / split / f"{k}.png", np.concatenate(halves, axis=1))
    return root


def idx(values: NDArray[np.uint8]) -> bytes:
    """The bytes of an idx file, as its page describes them."""
    return bytes((0, 0, 8, values.ndim)) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


def mnist(folder: Path, packed: bool = False, mark: str = "-") -> Path:
    """Write the four files of MNIST, gzipped or not, with the mark that their names have before "idx"."""
    folder.mkdir(parents=True, exist_ok=True)
    for split in DIGITS:
        for what, axes, values in (("images", 3, DIGITS[split]), ("labels", 1, LABELS[split])):
            name = f"{split}-{what}{mark}idx{axes}-ubyte"
            (folder / (f"{name}.gz" if packed else name)).write_bytes(gzip.compress(idx(values)) if packed else idx(values))
    return folder


def dsprites(path: Path, count: int = 6, **changed: NDArray) -> Path:
    """Write an archive of dSprites, some of its arrays changed."""
    classes = np.stack([np.arange(count) * 0, np.arange(count) % 3, *np.arange(count) + np.zeros((4, 1), int)], axis=1)
    arrays = {"imgs": noise(count, 64, 64) % 2, "latents_classes": classes}
    arrays |= {"metadata": np.array({"author": "pickled, as in the published file"}, dtype=object)}
    np.savez_compressed(path, **(arrays | changed))
    return path


def medmnist(path: Path, tail: tuple[int, ...] = (28, 28), **changed: NDArray) -> Path:
    """Write an archive of MedMNIST with frames of that shape, some of its arrays changed."""
    arrays: dict[str, NDArray] = {}
    for split, count in (("train", 8), ("val", 4), ("test", 6)):
        arrays[f"{split}_images"] = noise(count, *tail, seed=count)
        arrays[f"{split}_labels"] = np.arange(count, dtype=np.uint8)[:, None] % 2
    np.savez(path, **(arrays | changed))
    return path


def with_replaced(data: Path, out: Path, column: str, value: str, other: str) -> Path:
    """Copy a prepared set, with another value in a column of its index."""
    shutil.copytree(data, out)
    index = pd.read_csv(out / "index.csv", keep_default_na=False)
    index.assign(**{column: index[column].replace(value, other)}).to_csv(out / "index.csv", index=False)
    return out
