"""How much the half-dark rim around the field of view says of a frame's label, and how a crop without it depends on the packing.

python tests/benchmarks/rims.py HYPERKVASIR

HYPERKVASIR: a folder with the frames and their manifest.csv. Prints as JSON, of the test frames: the mean width of the rim in
pixels and the share of frames with one, by label, and the AUROC of its absence (1 tells normal frames from others by it alone).
Besides: of 40 normal frames, packed in a black border of 20 pixels once with a sharp edge and once with two half-dark lines, how
many have the same crop of 448 pixels in both to the last bit, and the largest mean difference in grey levels.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from medgen.data.field.contour import crop
from medgen.data.images import read_image
from medgen.data.pixel_format import to_uint8
from medgen.data.pyramid import Pyramid

SIZE, BORDER, SHARES, PACKED = 448, 20, (0.25, 0.7), 40


def packed(pixels: NDArray[np.uint8], shares: Sequence[float]) -> Pyramid:
    """Return a frame in a black border, whose innermost lines have `shares` of the brightness of the frame's outermost ones."""
    lines = len(shares)
    frame = np.pad(pixels, ((lines, lines), (lines, lines), (0, 0)), mode="edge").astype(np.float64)
    for row, share in enumerate(shares):
        for line in (frame[row], frame[-1 - row], frame[:, row], frame[:, -1 - row]):
            line *= share
    black = BORDER - lines
    return Pyramid.of(np.pad(frame.round().astype(np.uint8), ((black, black), (black, black), (0, 0))))


def main(source: Path) -> None:
    with (source / "manifest.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "test"]
    frames = {row["file"]: to_uint8(read_image(source / row["file"]).pixels) for row in rows}
    rims = np.array([crop(Pyramid.of(frames[row["file"]]), SIZE)[1].rim for row in rows])
    abnormal = np.array([row["label"] == "abnormal" for row in rows])
    result: dict[str, Any] = {"auroc_of_no_rim": round(float(roc_auc_score(abnormal, -rims)), 4)}
    for name, of in (("normal", rims[~abnormal]), ("abnormal", rims[abnormal])):
        mean, share = float(of.mean()), float((of > 0).mean())
        result[name] = {"frames": len(of), "mean_rim": round(mean, 3), "share_with_rim": round(share, 4)}
    normal = sorted(row["file"] for row in rows if row["label"] == "normal")[:PACKED]
    changes = []
    for name in normal:
        sharp, soft = (crop(packed(frames[name], shares), SIZE)[0].pixels.astype(int) for shares in ((), SHARES))
        changes.append(float(np.abs(sharp - soft).mean()))
    result["packed"] = {"frames": len(changes), "same_bits": changes.count(0), "largest_mean_change": round(max(changes), 2)}
    sys.stdout.write(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    from usage import arguments

    words = arguments(__doc__)
    main(Path(words[0]))
