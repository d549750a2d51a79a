"""How far an exported graph is from its run, measured on frames of the run's own data set."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from medgen.data.dataset import FixedBatches
from medgen.data.prepared import Prepared, evenly_spaced
from medgen.data.scorable import scorable
from medgen.engine.graph.formats import Run as RunGraph
from medgen.engine.runtime import TOLERANCE
from medgen.engine.score import score_batches
from medgen.errors import DataError, MedgenError
from medgen.metrics.detection import auroc
from medgen.runs.calibrating.calibrate import decide
from medgen.runs.calibrating.normal_frames import component_table
from medgen.runs.run import Run
from medgen.types import LABELS, OnProgress, Progress
from medgen.verbs.exporting.frame_graph import MAP, SCORE, run_in_parts

AGAINST = "PyTorch in float32 on the processor, which is what `medgen score --device cpu` computes"


def parity_rows(run: Run, data: Prepared, most: int) -> NDArray[np.int64]:
    """Return the rows that are compared: normal validation frames and test frames, at most so many of each at even steps.

    Raises
    ------
    DataError : if there are none that can be scored.
    """
    chosen = []
    for split in ("val", "test"):
        rows = scorable(data, data.rows(split), run.settings.data.overlay)
        chosen.append(rows[evenly_spaced(len(rows), most)] if len(rows) > most else rows)
    rows = np.unique(np.concatenate(chosen))
    if not len(rows):
        raise DataError(f"'{data.address}' has no validation or test frame to compare the graph with the run by")
    return rows


def parity(
    run: Run,
    data: Prepared,
    rows: NDArray[np.int64],
    graph: RunGraph,
    inputs: tuple[str, ...],
    outputs: tuple[str, ...],
    count: int,
    on_progress: OnProgress,
) -> dict[str, Any]:
    """Return the facts of ``parity.json``: differences of each output, AUROC and decisions by the run and by the graph.

    A difference is the largest of all frames, as it is and as a share of the largest value of that output; `TOLERANCE` is
    allowed of the share.
    """
    scores: dict[str, list[NDArray[np.float64]]] = {"run": [], "graph": []}
    largest, scale = dict.fromkeys(outputs, 0.0), dict.fromkeys(outputs, 0.0)
    batches = FixedBatches(data, rows, run.settings.data)
    scored_batches = score_batches(
        run.trained_model(),
        batches,
        torch.device("cpu"),
        "export",
        scores_alone=True,
        settings=run.settings.scoring,
        normal_reference=run.normal_reference(),
    )
    done = 0
    for scored in scored_batches:
        here = rows[done : done + len(scored.batch)]
        done += len(here)
        stored = [np.asarray(data.frames[here]), np.asarray(data.valid[here])]
        found = dict(zip(outputs, run_in_parts(graph, stored[: len(inputs)], count), strict=True))
        own = decide(run, component_table(scored))
        expected = {name: own[name].to_numpy() for name in outputs if name != MAP}
        if scored.scores.map is not None:
            expected[MAP] = scored.scores.map[:, 0].numpy()
        for name in outputs:
            wanted = expected[name].astype(np.float64)
            difference = float(np.abs(found[name].astype(np.float64) - wanted).max())
            largest[name] = max(largest[name], difference) if np.isfinite(difference) else np.inf
            scale[name] = max(scale[name], float(np.abs(wanted).max()))
        scores["run"].append(expected[SCORE])
        scores["graph"].append(found[SCORE].astype(np.float64))
        on_progress(Progress("export", done, len(rows)))
    shares = {name: largest[name] / max(scale[name], float(np.finfo(np.float32).tiny)) for name in outputs}
    return {
        "against": AGAINST,
        "frames": len(rows),
        "splits": data.index["split"].iloc[rows].value_counts().to_dict(),
        "largest_difference": largest,
        "share_of_largest_value": shares,
        "tolerance": TOLERANCE,
        "beyond_tolerance": [name for name in outputs if not shares[name] <= TOLERANCE],
        **_measured(run, data, rows, {name: np.concatenate(parts) for name, parts in scores.items()}),
    }


def check_parity(facts: dict[str, Any]) -> str:
    """Refuse a graph whose score differs; return a warning where anything else does, "" where nothing does.

    Raises
    ------
    MedgenError : if the score is further from the run's than `TOLERANCE` of its largest value.
    """
    beyond, shares = facts["beyond_tolerance"], facts["share_of_largest_value"]
    if SCORE in beyond:
        raise MedgenError(
            f"the graph gives other scores than the run: they differ by {shares[SCORE]:.1e} of their largest value, "
            f"{TOLERANCE:g} is allowed; nothing was exported, try another --format"
        )
    if not beyond:
        return ""
    which = ", ".join(f"{name} by {shares[name]:.1e}" for name in beyond)
    return f"the score is the run's, but not all of the graph is: {which} of the largest value, {TOLERANCE:g} is allowed"


def _measured(run: Run, data: Prepared, rows: NDArray[np.int64], scores: dict[str, NDArray[np.float64]]) -> dict[str, Any]:
    """Return AUROC on the test frames, and how many decisions differ, by the scores of the run and of the graph."""
    index = data.index.iloc[rows]
    labels = index["label"].map({label: code for code, label in enumerate(LABELS)})
    measured = ((index["split"] == "test") & labels.notna()).to_numpy()
    facts: dict[str, Any] = {"auroc": dict.fromkeys(scores), "auroc_frames": int(measured.sum()), "decisions_that_differ": None}
    if set(labels[measured]) == {0, 1}:
        truth = labels[measured].to_numpy(dtype=np.int64)
        facts["auroc"] = {name: float(auroc(truth, own[measured])) for name, own in scores.items()}
    if (level := run.threshold().get("value")) is not None:
        facts["decisions_that_differ"] = int(((scores["run"] > level) != (scores["graph"] > level)).sum())
    return facts
