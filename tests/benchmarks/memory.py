"""How the memory of scoring grows with the number of frames: the peak of a process that scores few, against one that scores many.

python tests/benchmarks/memory.py [FEW [MANY [ROUNDS]]]

Generated frames of 48 x 48 pixels, no two alike, are written as JPEG files into folders of FEW (1,000) and of MANY (50,000). A
run of `vae` at 32 pixels, trained for an epoch, scores each folder of raw frames, and then the prepared set that this has left;
no pictures. Each scoring is a process of its own. Prints as JSON its peak of resident memory in megabytes, with memory that
belongs to no file beside it (mapped files count as resident while the system leaves them there), the seconds it took, and the
growth: the share by which the peak of MANY is above that of FEW. The processes are run in turn, ROUNDS (1) times; three rounds
with fewer frames show how far a peak varies.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from memory_use import of_process, peak_megabytes
from usage import arguments

SIDE, SIZE, COARSE = 48, 32, 6
TRAINED_ON = 200


def write_frames(folder: Path, count: int) -> Path:
    """Write so many frames of smooth random colours, each a file; none is a near-duplicate of another."""
    generator = np.random.default_rng(0)
    folder.mkdir()
    for number in range(count):
        coarse = generator.integers(40, 220, (COARSE, COARSE, 3), dtype=np.uint8)
        pixels = cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(folder / f"{number:06}.jpg"), pixels, [cv2.IMWRITE_JPEG_QUALITY, 95])
    return folder


def trained(folder: Path) -> Path:
    """Return a run that was trained for an epoch."""
    from medgen import api
    from medgen.data.prepared import PrepareSettings

    data = api.prepare(
        write_frames(folder / "trained_on", TRAINED_ON), folder / "data", PrepareSettings(size=SIZE, assume="normal")
    )
    settings = api.recipe("vae", assignments=["train.epochs=1", "train.panel_epochs=0", "train.precision=float32"])
    return api.train(data.folder, folder / "run", settings, device="cpu").folder


class Anonymous:
    """Looks every tenth of a second how much memory that belongs to no file the process has."""

    def __init__(self) -> None:
        self.most, self.over = 0, threading.Event()
        self.thread = threading.Thread(target=self._look, daemon=True)
        self.thread.start()

    def _look(self) -> None:
        while not self.over.wait(0.1):
            self.most = max(self.most, of_process("RssAnon"))

    def end(self) -> int:
        """Return the most there was, in kilobytes."""
        self.over.set()
        self.thread.join()
        return self.most


def score(run: Path, frames: Path, out: Path) -> dict[str, float]:
    """Score in this process and return what it took."""
    from medgen import api

    anonymous, began = Anonymous(), time.perf_counter()
    scored = api.score(run, frames, out, split="all", pictures=False, device="cpu")
    return {
        "frames": len(scored.table),
        "peak_memory_mb": round(peak_megabytes(), 1),
        "anonymous_memory_mb": round(anonymous.end() / 1024, 1),
        "seconds": round(time.perf_counter() - began, 1),
    }


def apart(run: Path, frames: Path, out: Path) -> dict[str, Any]:
    """Score in a process of its own."""
    command = [sys.executable, __file__, "score", str(run), str(frames), str(out)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def main(counts: tuple[int, int], rounds: int) -> None:
    result: dict[str, Any] = {"raw": {count: [] for count in counts}, "prepared": {count: [] for count in counts}}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        run = trained(folder)
        folders = {count: write_frames(folder / f"frames{count}", count) for count in counts}
        for turn in range(rounds):
            for count, frames in folders.items():
                out = folder / f"{turn}-{count}"
                result["raw"][count].append(apart(run, frames, out / "raw"))
                result["prepared"][count].append(apart(run, out / "raw" / "prepared", out / "prepared"))
    for kind in ("raw", "prepared"):
        few, many = (np.array([one["peak_memory_mb"] for one in result[kind][count]]) for count in counts)
        each = many / few - 1
        result[kind]["growth"] = {name: round(float(of(each)), 3) for name, of in WORDS.items()}
    sys.stdout.write(json.dumps(result, indent=1) + "\n")


WORDS = {"median": np.median, "low": np.min, "high": np.max}

if __name__ == "__main__":
    if sys.argv[1:2] == ["score"]:
        sys.stdout.write(json.dumps(score(*map(Path, sys.argv[2:5]))) + "\n")
    else:
        numbers = [int(number) for number in arguments(__doc__)]
        few, many, times = numbers + [1000, 50_000, 1][len(numbers) :]
        main((few, many), times)
