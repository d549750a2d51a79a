"""How much the scores of a run depend on how the same frames are packed.

python tests/benchmarks/packings.py HYPERKVASIR INSIDE RUN [RUN ...]

HYPERKVASIR: a folder with the frames and their manifest.csv. 40 normal test frames are cut to their tissue, INSIDE pixels more
at each side (8 leaves the half-dark lines out that these frames have at their edges, 0 keeps them), written as PNG, and packed in
each of `packed_frames.PACKINGS`; each folder of them is prepared as the data set of the run was, and scored. Prints as JSON, by
run and packing: by how much the median score moves from that of the tissue alone, and the median and largest move of a frame, in
standard deviations of the scores of normal validation frames; how many frames are flagged at the run's threshold, and the most
that its false-alarm rate explains (97.5 % point of the binomial distribution).
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.stats import binom

sys.path.append(str(Path(__file__).parents[1]))

from packed_frames import PACKINGS, Pixels

from medgen import api
from medgen.data.field.contour import find_field
from medgen.data.images import read_image
from medgen.data.pixel_format import to_uint8
from medgen.data.prepared import PrepareSettings
from medgen.runs.calibrating.calibrate import renew_calibration
from medgen.runs.run import Run, open_run

FRAMES = 40


def tissue(source: Path, inside: int) -> dict[str, Pixels]:
    """Return normal test frames by name, at even steps, each cut to the field of view."""
    with (source / "manifest.csv").open() as file:
        names = sorted(row["file"] for row in csv.DictReader(file) if row["split"] == "test" and row["label"] == "normal")
    found = {}
    for name in [names[k * len(names) // FRAMES] for k in range(FRAMES)]:
        pixels = to_uint8(read_image(source / name).pixels)
        box = find_field(pixels).box
        within = (slice(box.top + inside, box.bottom - inside), slice(box.left + inside, box.right - inside))
        found[f"{Path(name).stem}.png"] = pixels[within]
    return found


def prepared(frames: dict[str, Pixels], pack: Callable[[Pixels], Pixels], run: Run, folder: Path) -> Path:
    """Return the folder of the packed frames, prepared as the run's own were; made once for all runs of its size."""
    if not (folder / "set").is_dir():
        (folder / "frames").mkdir(parents=True)
        for name, pixels in frames.items():
            Image.fromarray(pack(pixels)).save(folder / "frames" / name, compress_level=1)
        settings = PrepareSettings.parse({**run.origin.prepare.model_dump(), "copies": 0, "all_test": True, "assume": "normal"})
        api.prepare(folder / "frames", folder / "set", settings)
    return folder / "set"


def scores(run: Run, data: Path, names: list[str], out: Path) -> NDArray[np.float64]:
    table = api.score(run.folder, data, out, split="all", pictures=False).table
    by_name = dict(zip(table["path"].map(lambda path: Path(path).name), table["score"], strict=True))
    return np.array([by_name.get(name, np.nan) for name in names])


def measure(
    run: Run, frames: dict[str, Pixels], folder: Path, packings: Mapping[str, Callable[[Pixels], Pixels]] = PACKINGS
) -> dict[str, Any]:
    """Return the numbers of a run, by packing."""
    renew_calibration(run)
    calibration = run.calibration()
    spread, rate = float(np.std(calibration["scores"], ddof=1)), calibration["false_alarm_rate"]
    most = int(binom.ppf(0.975, len(frames), rate))
    result: dict[str, Any] = {"spread": spread, "false_alarm_rate": rate, "frames": len(frames), "most_flagged": most}
    alone: NDArray[np.float64] | None = None
    for number, (name, pack) in enumerate({"tissue alone": lambda pixels: pixels, **packings}.items()):
        size = f"{run.origin.prepare.size}-{number}"
        data = prepared(frames, pack, run, folder / size)
        found = scores(run, data, [*frames], folder / f"{run.name}-{number}")
        alone = found if alone is None else alone
        flagged = int((found > calibration["value"]).sum())
        result[name] = {
            "shift": round(float(np.nanmedian(found) - np.nanmedian(alone)) / spread, 4),
            "median_move": round(float(np.nanmedian(found - alone)) / spread, 4),
            "largest_move": round(float(np.nanmax(np.abs(found - alone))) / spread, 3),
            "flagged": flagged,
            "scored": int(np.isfinite(found).sum()),
        }
        sys.stderr.write(f"{run.name}: {name}: {result[name]}\n")
    return result


def main(source: Path, inside: int, runs: list[Path]) -> None:
    frames = tissue(source, inside)
    with TemporaryDirectory() as folder:
        result = {run.name: measure(run, frames, Path(folder)) for run in map(open_run, runs)}
    sys.stdout.write(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    from usage import arguments

    words = arguments(__doc__)
    main(Path(words[0]), int(words[1]), [Path(run) for run in words[2:]])
