"""Does the threshold keep its promise?

python tests/benchmarks/false_alarms.py RUN [RATE] [SPLITS]

The normal validation and test frames of the run's data set, none of which it was trained on, are divided SPLITS (20) times at
random, by group, into one half that the threshold at the false-alarm rate RATE (0.05) comes from and one that is held out. For
each division the share of false alarms among the held-out frames, its exact binomial 95 % interval, and whether the promised
rate lies in it; that interval leaves out the chance that lies in the frames the threshold comes from, so that somewhat more
than one in twenty may miss.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from medgen.metrics.calibration import threshold
from medgen.metrics.decisions import false_alarms
from medgen.runs.datasets import open_trained_on
from medgen.runs.run import open_run
from medgen.runs.scores import score_rows


def main(folder: Path, rate: float, splits: int) -> None:
    run = open_run(folder)
    data = open_trained_on(run)
    rows = data.rows("val", "test")
    rows = rows[(data.index["label"].iloc[rows] == "normal").to_numpy()]
    with TemporaryDirectory() as out:
        scores = score_rows(run, data, rows, Path(out)).table["score"].to_numpy()
    groups = data.index["group"].iloc[rows].to_numpy()
    names, rates = np.unique(groups), []
    for seed in range(splits):
        chosen = np.random.default_rng(seed).permutation(names)[: len(names) // 2]
        ours = np.isin(groups, chosen)
        found = false_alarms(scores[~ours] > threshold(scores[ours], rate), rate)
        rates.append({"calibration": int(ours.sum()), "held_out": int((~ours).sum()), **found._asdict()})
    alarms = sum(entry["value"] * entry["held_out"] for entry in rates)
    total = sum(entry["held_out"] for entry in rates)
    result = {"promised": rate, "normals": len(rows), "mean_rate": alarms / total,
              "within": sum(entry["low"] <= rate <= entry["high"] for entry in rates), "of": splits, "splits": rates}  # fmt: skip
    sys.stdout.write(json.dumps(result, indent=1, default=float) + "\n")


if __name__ == "__main__":
    from usage import arguments

    words = arguments(__doc__)
    numbers = words[1:]
    main(Path(words[0]), float(numbers[0]) if numbers else 0.05, int(numbers[1]) if len(numbers) > 1 else 20)
