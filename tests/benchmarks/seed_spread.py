"""How far do runs of one recipe lie apart that differ in their seed alone?

python tests/benchmarks/seed_spread.py METRICS...

METRICS: ``metrics.json`` of the report of each run. Prints as JSON for each measure that all of them have its values in the order
given, their mean and standard deviation, and the 95 % interval of the mean by Student's t.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

MEASURES = {
    "auroc": ("detection", "auroc", "value"),
    "average_precision": ("detection", "average_precision", "value"),
    "pixel_auroc": ("pixel", "auroc"),
    "psnr_normal": ("quality", "normal", "psnr", "mean"),
    "ssim_normal": ("quality", "normal", "ssim", "mean"),
    "psnr_abnormal": ("quality", "abnormal", "psnr", "mean"),
    "ssim_abnormal": ("quality", "abnormal", "ssim", "mean"),
}


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Return mean, standard deviation and interval of at least two values."""
    found = np.asarray(values)
    half = stats.t.ppf(0.975, len(found) - 1) * stats.sem(found)
    ends = {"low": found.mean() - half, "high": found.mean() + half}
    return {"values": [*map(float, found)], "mean": found.mean(), "std": found.std(ddof=1), **ends}


def value_at(metrics: Mapping[str, Any], keys: Sequence[str]) -> float | None:
    """Return the number that stands there, None where there is none."""
    found: Any = metrics
    for key in keys:
        found = (found or {}).get(key)
    return found


def main(files: Sequence[Path]) -> None:
    if len(files) < 2:
        sys.exit("two runs or more are needed to see how far they lie apart")
    read = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    found = {name: [value_at(metrics, keys) for metrics in read] for name, keys in MEASURES.items()}
    known = {name: [value for value in values if value is not None] for name, values in found.items()}
    spreads = {name: spread(values) for name, values in known.items() if len(values) == len(files)}
    sys.stdout.write(json.dumps({"runs": len(files), **spreads}, indent=1) + "\n")


if __name__ == "__main__":
    from usage import arguments

    main([Path(word) for word in arguments(__doc__)])
