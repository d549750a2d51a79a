"""Hold large work to its memory: `python tests/soak/ceilings.py OUT [--share SHARE]` writes OUT/ceilings.json.

Each work runs in a process of its own, whose peak of resident memory is compared with a ceiling that is stated here beforehand:

- 100,000 frames of 64 x 64 pixels are prepared: 160 MB for Python and the libraries, 2.5 kB a frame for what splits and
  near-duplicates need of all, and as much again for what the system has not taken back;
- 1,000 frames of 3840 x 2160 pixels are prepared by two workers: each holds a frame of 25 MB, its smaller copies and what is made
  of it, a few are waiting, and none of them may stay;
- a file of 10,000 pages of 256 x 256 pixels, 650 MB of pixels, is prepared: no more than a part of it at once;
- `vae` is trained for 10,000 steps of 4 frames of 32 x 32 pixels: what a step or an epoch leaves behind would add up.

SHARE of the frames and steps (1) makes a shorter trial of the script. What is measured already stays.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from memory_use import peak_megabytes

from medgen import api
from medgen.data.prepared import PrepareSettings
from medgen.files import read_json, write_json


def pictures(folder: Path, count: int, shape: tuple[int, int]) -> Path:
    """Write so many JPEG frames of a shape, each of another smooth picture, and return their folder."""
    folder.mkdir()
    for number in range(count):
        drawn = np.random.default_rng(number)
        coarse = drawn.normal(110, 35, (6, 6, 3)).clip(30, 220).astype(np.uint8)
        frame = cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(folder / f"{number:06}.jpg"), frame)
    return folder


def pages(path: Path, count: int) -> Path:
    """Write one TIFF of so many pages and return its path."""
    import tifffile

    def drawn() -> Any:
        for number in range(count):
            coarse = np.random.default_rng(number).normal(110, 35, (6, 6)).clip(30, 220).astype(np.uint8)
            yield cv2.resize(coarse, (256, 256), interpolation=cv2.INTER_CUBIC)

    tifffile.imwrite(path, drawn(), shape=(count, 256, 256), dtype=np.uint8, compression="zlib", photometric="minisblack")
    return path


def prepare(frames: Path, out: Path, size: int) -> None:
    api.prepare(frames, out, PrepareSettings(size=size, assume="normal"), workers=2)


def train(frames: Path, out: Path, steps: int) -> None:
    """Train for so many steps of 4 frames."""
    data = api.prepare(frames, out / "data", PrepareSettings(size=32, assume="normal"))
    settings = ("model.widths=[8,8]", "model.latents=2", "data.batch_size=4", "train.panel_epochs=0", "train.early_stopping=0")
    epochs = steps // (len(data.rows("train")) // 4)
    api.train(data.folder, out / "run", api.recipe("vae", None, [*settings, f"train.epochs={epochs}"]))


class Work(NamedTuple):
    """What is done so many times, of what, and the megabytes that it may take."""

    count: int
    ceiling_mb: int
    source: Callable[[Path, int], Path]
    run: Callable[[Path, Path, int], None]


WORKS = {
    "100,000 frames of 64 x 64, prepared": Work(
        100_000,
        660,
        lambda folder, count: pictures(folder / "frames", count, (64, 64)),
        lambda frames, out, _: prepare(frames, out, 64),
    ),
    "1,000 frames of 3840 x 2160, prepared": Work(
        1_000,
        900,
        lambda folder, count: pictures(folder / "frames", count, (2160, 3840)),
        lambda frames, out, _: prepare(frames, out, 96),
    ),
    "a file of 10,000 pages, prepared": Work(
        10_000, 500, lambda folder, count: pages(folder / "pages.tif", count), lambda frames, out, _: prepare(frames, out, 64)
    ),
    "10,000 training steps": Work(10_000, 600, lambda folder, _: pictures(folder / "frames", 20, (48, 48)), train),
}


def measure(name: str, share: float) -> dict[str, float]:
    """Do a work in a child, with frames that this process makes, and return what it took."""
    work = WORKS[name]
    count = max(20, round(work.count * share))
    with tempfile.TemporaryDirectory() as folder:
        source = work.source(Path(folder), count)
        began = time.monotonic()
        command = [sys.executable, __file__, "--child", name, str(source), f"{folder}/out", str(count)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return {
        "count": count,
        "peak_mb": round(json.loads(done.stdout.splitlines()[-1])),
        "ceiling_mb": work.ceiling_mb,
        "seconds": round(time.monotonic() - began),
    }


def main(out: Path, share: float) -> None:
    file = out / "ceilings.json"
    for name in WORKS:
        known = read_json(file)
        if name in known:
            continue
        facts = measure(name, share)
        write_json(file, {**known, name: facts})
        sys.stdout.write(f"{name}: {facts['peak_mb']} of {facts['ceiling_mb']} MB\n")
        sys.stdout.flush()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        name, source, place, count = sys.argv[2:]
        WORKS[name].run(Path(source), Path(place), int(count))
        sys.stdout.write(f"{peak_megabytes()}\n")
    else:
        parser = argparse.ArgumentParser()
        parser.add_argument("out", type=Path)
        parser.add_argument("--share", type=float, default=1.0)
        asked = parser.parse_args()
        asked.out.mkdir(parents=True, exist_ok=True)
        main(asked.out, asked.share)
