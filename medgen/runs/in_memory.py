"""Scores of a run that stays in memory: nothing is read again for a second call, and nothing is written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from medgen.contract.backend import Backend
from medgen.data.dataset import FixedBatches
from medgen.data.prepared import Prepared
from medgen.data.scorable import LEAST_VALID, valid_shares
from medgen.engine.score import score_batches
from medgen.nn.features.feature_gaussian import FeatureGaussian
from medgen.runs.calibrating.calibrate import decide
from medgen.runs.frame_columns import RawColumns, described, find_class
from medgen.runs.run import Run
from medgen.runs.score_table import ScoreTable
from medgen.types import OnProgress, no_progress


class ModelInMemory(NamedTuple):
    """What frames are scored with: a run, its trained model, and what normal training frames are like."""

    run: Run
    model: Backend
    normal_reference: Mapping[str, FeatureGaussian]
    device: torch.device


class Seen(NamedTuple):
    """What a run makes of frames.

    Attributes
    ----------
    scored : their scores and maps
    reconstructions : (N, S, S, C) float32 in [0, 1], NaN of a frame without a score; None where none were asked for or made
    """

    scored: ScoreTable
    reconstructions: NDArray[np.float32] | None


def look_at(
    loaded: ModelInMemory,
    data: Prepared,
    rows: NDArray[np.int64],
    *,
    label: str = "",
    keep_reconstructions: bool = False,
    on_progress: OnProgress = no_progress,
) -> Seen:
    """Score frames as `scores.score_rows` does, with the same bits, and keep what it would write.

    Raises
    ------
    BackendError : if the backend does not know the class.
    MedgenError : if the calibration does not belong to the weights.
    """
    run, model = loaded.run, loaded.model
    shares = valid_shares(data, rows, run.settings.data.overlay)
    places = np.flatnonzero(shares >= LEAST_VALID)  # of the frames that can be scored
    batches = FixedBatches(data, rows[places], run.settings.data, class_index=find_class(model, label))
    settings, reference = run.settings.scoring, loaded.normal_reference
    columns, start = RawColumns(len(rows), model), 0
    maps: NDArray[np.float32] | None = None
    drawn: NDArray[np.float32] | None = None
    for scored in score_batches(
        model, batches, loaded.device, "score", on_progress, settings=settings, normal_reference=reference
    ):
        into = places[start : start + len(scored.batch)]
        columns.add(into, scored)
        if scored.scores.map is not None:
            maps = np.full((len(rows), data.size, data.size), np.nan, np.float32) if maps is None else maps
            maps[into] = scored.scores.map[:, 0].numpy()
        if keep_reconstructions and scored.reconstruction is not None:
            images = scored.reconstruction.float().permute(0, 2, 3, 1).numpy()  # (B, C, S, S) -> (B, S, S, C)
            drawn = np.full((len(rows), *images.shape[1:]), np.nan, np.float32) if drawn is None else drawn
            drawn[into] = images
        start += len(into)
    raw = columns.table()
    raw = raw.astype(dict.fromkeys(raw.select_dtypes("float32"), np.float64))  # as they are read from a file
    table = decide(run, pd.concat([described(data, rows, shares), raw], axis=1))
    return Seen(ScoreTable(table, maps, data, rows, run), drawn)
