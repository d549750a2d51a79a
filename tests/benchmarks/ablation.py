"""How well the runs of a study draw, by entry and seed, and what each entry changes against the one before it.

python tests/benchmarks/ablation.py STUDY [ENTRY...]

STUDY: the folder of a comparison of backends that draw frames, each run measured by ``medgen fid STUDY/runs/NAME --split
train --n 2048``. Prints as JSON for each ENTRY, in this order (else all, in that of study.toml), FID and perceptual path length:
the values by seed, mean, standard deviation and the 95 % interval of the mean by Student's t; and the same of the differences
from the entry before, seed by seed.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.append(str(Path(__file__).parents[1]))
from benchmarks.seed_spread import spread

from medgen import api
from medgen.nn.features.extractors import INCEPTION
from medgen.verbs.distance import FILE

SAMPLES = 2048


def training_fid(run: Path) -> float:
    """Return the FID of a run's samples from its training frames, as `medgen fid` has measured it of as many for every run."""
    asked = {"extractor": INCEPTION, "split": "train", "n_generated": SAMPLES, "seed": 0}
    path = run / FILE
    known = json.loads(path.read_text(encoding="utf-8")).values() if path.is_file() else ()
    fitting = [float(one["fid"]) for one in known if asked.items() <= one.items()]
    if not fitting:
        sys.exit(f"{run} has no FID of {SAMPLES} samples from its training frames: medgen fid {run} --split train --n {SAMPLES}")
    return fitting[0]


def measured(study: Path, run: str) -> dict[str, float]:
    """Return the FID from the training frames and the path length of a run."""
    metrics = json.loads((study / "pages" / run / "metrics.json").read_text(encoding="utf-8"))
    return {"fid": training_fid(study / "runs" / run), "path_length": metrics["path_length"]["value"]}


def against_the_one_before(values: dict[str, list[float]]) -> dict[str, dict[str, Any]]:
    """Return by entry its spread over seeds, and that of its differences from the entry before; one list of equal length each."""
    found: dict[str, dict[str, Any]] = {}
    before: list[float] | None = None
    for entry, own in values.items():
        found[entry] = spread(own)
        if before is not None:
            found[entry]["change"] = spread((np.asarray(own) - np.asarray(before)).tolist())
        before = own
    return found


def main(study: Path, entries: list[str]) -> None:
    asked = api.read_study(study / "study.toml")
    if unknown := set(entries) - set(asked.backends):
        sys.exit(f"the study has no {', '.join(sorted(unknown))}; it has {', '.join(asked.backends)}")
    runs = {entry: [measured(study, f"{entry}-seed{seed}") for seed in range(asked.seeds)] for entry in entries or asked.backends}
    measures = {
        name: against_the_one_before({entry: [one[name] for one in seeds] for entry, seeds in runs.items()})
        for name in ("fid", "path_length")
    }
    sys.stdout.write(json.dumps({"extractor": INCEPTION, "seeds": asked.seeds, **measures}, indent=1) + "\n")


if __name__ == "__main__":
    from usage import arguments

    study, *entries = arguments(__doc__)
    main(Path(study), entries)
