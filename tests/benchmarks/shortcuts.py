"""What does masking do to each run's AUROC?

python tests/benchmarks/shortcuts.py RUN...

The test frames of each run's data set are scored by its weights three times: with nothing blanked, with each frame's own overlay
blanked, and with the common mask, where nothing is learnt anew. Then the AUROC of the frames with and without a black box, each
against the normal frames that have one: a score that sees the box finds polyps better where it is missing. 95 % intervals by
bootstrap over groups.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medgen.data.common_mask import common_mask, with_common_mask
from medgen.data.dataset import FixedBatches
from medgen.data.native.addresses import open_dataset
from medgen.data.prepared import Prepared
from medgen.data.shortcut_features import overlay_traits
from medgen.engine.device import find_device
from medgen.engine.score import score_batches
from medgen.metrics.detection import auroc, bootstrap
from medgen.runs.calibrating.calibrate import decide
from medgen.runs.calibrating.normal_frames import component_table
from medgen.runs.datasets import open_trained_on
from medgen.runs.run import Run, open_run
from medgen.runs.scores import score_rows

WAYS = ("keep", "mask", "common")


def main(folders: list[Path]) -> None:
    result: dict[str, Any] = {}
    for folder in folders:
        run = open_run(folder)
        plain = open_dataset(run.origin.dataset, run.settings.data)
        rows = plain.rows("test")
        index = plain.index.iloc[rows]
        boxed = np.array([overlay_traits(plain.frames[row], plain.valid[row])["black_box"] > 0 for row in rows])
        result[run.name] = {
            "backend": run.settings.backend,
            "trained_with": run.settings.data.overlay,
            **{way: _areas(index, _scores(run, plain, rows, way), boxed) for way in WAYS},
        }
        sys.stderr.write(f"{run.name}\n")
    sys.stdout.write(json.dumps(result, indent=1) + "\n")


def _scores(run: Run, data: Prepared, rows: NDArray[np.int64], way: Any) -> NDArray[np.float64]:
    """Return the scores of rows of a data set, (N,), where overlay is masked in one of the ways; its own from its report."""
    if way == run.settings.data.overlay:
        known = score_rows(run, open_trained_on(run), rows, run.folder / "scores")
        return known.table["score"].to_numpy(dtype=float)
    settings = run.settings.model_copy(update={"data": run.settings.data.model_copy(update={"overlay": way})})
    if way == "common":
        mask = run.common_mask()
        data = with_common_mask(data, common_mask(data) if mask is None else mask)
    scored = score_batches(
        run.trained_model(),
        FixedBatches(data, rows, settings.data),
        find_device(),
        scores_alone=True,
        settings=settings.scoring,
        normal_reference=run.normal_reference(),
    )
    table = pd.concat([component_table(batch) for batch in scored], ignore_index=True)
    return decide(replace(run), table)["score"].to_numpy(dtype=float)


def _areas(index: pd.DataFrame, scores: NDArray[np.float64], boxed: NDArray[np.bool_]) -> dict[str, Any]:
    """Return the AUROC over all frames, and over those abnormal ones that have the box, or have none, against normals with it."""
    abnormal = (index["label"] == "abnormal").to_numpy()
    chosen = {
        "all": np.ones_like(boxed),
        "with_box": boxed,
        "abnormal_without_box": np.where(abnormal, ~boxed, boxed),
    }
    groups = index["group"].to_numpy(dtype=str)
    found: dict[str, Any] = {}
    for name, some in chosen.items():
        interval = bootstrap(auroc, abnormal[some].astype(int), scores[some], groups[some], 2000, 0.95, 0)
        found[name] = {**interval._asdict(), "normal": int((some & ~abnormal).sum()), "abnormal": int((some & abnormal).sum())}
    return found


if __name__ == "__main__":
    from usage import arguments

    words = arguments(__doc__)
    main([Path(given) for given in words])
