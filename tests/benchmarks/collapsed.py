"""Which runs of a study collapsed to one mean frame, and when the others left it?

python tests/benchmarks/collapsed.py STUDY

STUDY: the folder of a comparison of variational autoencoders. A run is collapsed in an epoch where its reconstructions of the
validation frames vary less than 5 % as much as the frames do, or where no latent is in use. Prints as JSON for each run: whether
its last epoch is collapsed, the epoch from which on none is, and both diagnoses of the last one.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pandas as pd

from medgen.backends._vae import COLLAPSED
from medgen.runs.run import open_run


def collapse(history: pd.DataFrame) -> dict[str, Any]:
    """Return what the log of a run says: columns epoch, diagnosis.spread and diagnosis.active_latents."""
    known = history.dropna(subset=["diagnosis.spread"])
    flat = ((known["diagnosis.spread"] < COLLAPSED) | (known["diagnosis.active_latents"] == 0)).to_numpy()
    last, epochs = known.iloc[-1], known["epoch"].to_numpy()
    alive_from = None if flat[-1] else int(epochs[flat.nonzero()[0][-1] + 1] if flat.any() else epochs[0])
    return {
        "collapsed": bool(flat[-1]),
        "alive_from_epoch": alive_from,
        "epochs": int(epochs[-1]),
        "spread": float(last["diagnosis.spread"]),
        "active_latents": int(last["diagnosis.active_latents"]),
    }


def main(study: Path) -> None:
    runs = sorted(path.parent for path in (study / "runs").glob("*/run.toml"))
    sys.stdout.write(json.dumps({run.name: collapse(open_run(run).history()) for run in runs}, indent=1) + "\n")


if __name__ == "__main__":
    from usage import arguments

    main(Path(arguments(__doc__)[0]))
