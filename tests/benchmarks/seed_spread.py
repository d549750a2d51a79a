"""How far do runs of one recipe lie apart that differ in their seed alone?

python tests/benchmarks/seed_spread.py METRICS...

METRICS: ``metrics.json`` of the report of each run. Prints as JSON for each measure its values in the order given, their mean and
standard deviation, and the 95 % interval of the mean by Student's t.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

MEASURES = {
    "auroc": ("detection", "auroc", "value"),
    "average_precision": ("detection", "average_precision", "value"),
    "pixel_auroc": ("pixel", "auroc"),
    "psnr_abnormal": ("quality", "abnormal", "psnr", "mean"),
    "ssim_abnormal": ("quality", "abnormal", "ssim", "mean"),
}


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Return mean, standard deviation and interval of at least two values."""
    found = np.asarray(values)
    low, high = stats.t.interval(0.95, len(found) - 1, found.mean(), stats.sem(found))
    return {"values": [*map(float, found)], "mean": found.mean(), "std": found.std(ddof=1), "low": low, "high": high}


def main(files: Sequence[Path]) -> None:
    if len(files) < 2:
        sys.exit("two runs or more are needed to see how far they lie apart")
    read = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    found: dict[str, list[float]] = {name: [] for name in MEASURES}
    for metrics in read:
        for name, keys in MEASURES.items():
            value = metrics
            for key in keys:
                value = value[key]
            found[name].append(value)
    result = {"runs": len(files)} | {name: spread(values) for name, values in found.items()}
    sys.stdout.write(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    from usage import arguments

    main([Path(word) for word in arguments(__doc__)])
