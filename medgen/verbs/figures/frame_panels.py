"""What a run makes of single frames, for pages: original, reconstruction, map."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch

from medgen.contract.backend import Backend, paired_target
from medgen.contract.capabilities import Reconstructs
from medgen.data.dataset import make_batch
from medgen.data.scorable import is_scored
from medgen.engine.fixed_shape import in_fixed_shape
from medgen.report.run_report_data import Panel
from medgen.report.study.comparison import FrameView
from medgen.runs.run import Run
from medgen.runs.score_table import ScoreTable
from medgen.runs.to_image import to_pixels

BLOCK = 64  # frames reconstructed at once
Chosen = tuple[str, int]  # what a frame stands for ("best", "median", ...), and its row of the scores


def chosen_by_score(table: pd.DataFrame) -> list[Chosen]:
    """Return the best, median and worst frames of each label by score: two of each, where there are enough."""
    chosen: list[Chosen] = []
    table = table[is_scored(table)]
    for label in ("normal", "abnormal", ""):
        order = table.index[table["label"] == label].to_numpy()
        order = order[np.argsort(table["score"].loc[order].to_numpy(), kind="stable")]
        if len(order) < 3:
            chosen += [("median", int(row)) for row in order]
            continue
        count = min(2, len(order) // 3)
        middle = (len(order) - count) // 2
        for rank, rows in (("best", order[:count]), ("median", order[middle : middle + count]), ("worst", order[-count:])):
            chosen += [(rank, int(row)) for row in rows]
    return chosen


@torch.inference_mode()
def frame_views(run: Run, model: Backend, scored: ScoreTable, score_rows: Sequence[int]) -> list[FrameView]:
    """Return what a run makes of some of the frames that it has scored; maps come from the scores, nothing is scored again.

    Parameters
    ----------
    model : the run's trained model; it is moved to the CPU
    score_rows : rows of the scores
    """
    model.cpu().eval()
    data, views = scored.data, []
    for start in range(0, len(score_rows), BLOCK):
        block = score_rows[start : start + BLOCK]
        rows = scored.rows[list(block)]
        batch = make_batch(data, rows, run.settings.data.overlay)
        drawn = to_pixels(in_fixed_shape(model.reconstruct, batch)) if isinstance(model, Reconstructs) else None
        originals, has_score = data.frames[rows], is_scored(scored.table.iloc[list(block)])
        for k, (score_row, row) in enumerate(zip(block, rows, strict=True)):
            views.append(
                FrameView(
                    original=np.repeat(originals[k], 3, axis=2) if originals.shape[3] == 1 else originals[k],
                    reconstruction=None if drawn is None else drawn[k],
                    error=None if scored.maps is None or not has_score[k] else np.asarray(scored.maps[score_row]),
                    valid=batch.valid[k, 0].numpy(),
                    mask=data.masks[row] if data.masks is not None and data.index["annotated"].iloc[row] == 1 else None,
                )
            )
    return views


def panels(run: Run, model: Backend, scored: ScoreTable, chosen: Sequence[Chosen]) -> list[Panel]:
    """Return the chosen frames with what is known of them.

    Parameters
    ----------
    model : the run's trained model; it is moved to the CPU
    """
    score_rows = [row for _, row in chosen]
    if not score_rows:
        return []
    batch = make_batch(scored.data, scored.rows[score_rows], run.settings.data.overlay)
    targets = None if (target := paired_target(model, batch)) is None else to_pixels(target)
    made = []
    for k, ((rank, row), view) in enumerate(zip(chosen, frame_views(run, model, scored, score_rows), strict=True)):
        facts = scored.table.iloc[row]
        made.append(
            Panel(
                rank=rank,
                label=facts["label"],
                finding=facts["finding"],
                path=facts["path"],
                score=float(facts["score"]),
                flagged=bool(facts["abnormal"]) if pd.notna(facts.get("abnormal")) else None,
                truth=None if targets is None else targets[k],
                **view._asdict(),
            )
        )
    return made
