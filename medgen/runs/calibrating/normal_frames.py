"""What a detector says of the normal frames that a run is calibrated by, and what those are like that it was trained on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from medgen import registry
from medgen.contract.backend import Backend
from medgen.contract.capabilities import LeavesOut
from medgen.data.dataset import FixedBatches
from medgen.data.prepared import Prepared, evenly_spaced
from medgen.data.scorable import left_out, scorable
from medgen.engine import checkpoint
from medgen.engine.ahead import ahead
from medgen.engine.fit import WEIGHTS
from medgen.engine.fixed_shape import in_fixed_shape
from medgen.engine.score import Scored, Scorer, score_batches
from medgen.metrics.calibration import group_shares
from medgen.nn.features.feature_gaussian import FeatureGaussian
from medgen.report.evaluate import COMPONENT
from medgen.runs.folds import find_folds
from medgen.runs.run import Run, write_normal_reference
from medgen.types import OnProgress, Progress

MAX_FITTED = 5000  # training frames that Gaussians are fitted to
MAX_PIXELS = 10_000_000  # pixels that a quantile is taken of; of more, every second, third, ...


class NormalFrames(NamedTuple):
    """Normal frames, each scored by a detector that it had no part in.

    Attributes
    ----------
    rows : (n,) of the data set
    table : raw scores and components, n rows
    pixels : (m,) of their maps; None where there are none
    groups : (n,) names, equal for frames that belong together
    shares : (n,) what each counts for; None where each counts for one
    """

    rows: NDArray[np.int64]
    table: pd.DataFrame
    pixels: NDArray[np.float32] | None
    groups: NDArray[np.str_]
    shares: NDArray[np.float64] | None


def validation_frames(run: Run, data: Prepared, device: torch.device, on_progress: OnProgress) -> NormalFrames | None:
    """Score the normal validation frames, to which nothing was fitted; None where there are none.

    Frames that show next to nothing (`data/scorable.py`) are left out.
    """
    normal = data.rows("val")
    rows = scorable(data, normal, run.settings.data.overlay)
    if len(rows) < len(normal):
        what = left_out(len(normal) - len(rows), len(normal), "normal validation frames")
        on_progress(Progress("calibrate", 0, 0, {}, f"left out of the calibration: {what}"))
    if not len(rows):
        return None
    model = run.trained_model()
    if run.settings.scoring.needs_reference:
        fit_normal_reference(run, data, model, device, on_progress)
    table, pixels = score_normals(run, data, rows, model, run.normal_reference(), device, on_progress)
    return NormalFrames(rows, table, pixels, data.index["group"].iloc[rows].to_numpy(), None)


def frames_left_out(run: Run, data: Prepared, device: torch.device, on_progress: OnProgress) -> NormalFrames:
    """Score all frames that a run was fitted to, each without its fold, and write what they have into its weights."""
    model, settings = run.trained_model(), run.settings
    if settings.scoring.needs_reference:
        fit_normal_reference(run, data, model, device, on_progress)
    detector, reference = registry.require(model, LeavesOut), run.normal_reference()
    found = find_folds(data, settings.data, settings.scoring, settings.train.seed)
    rows, folds, groups = found
    detector.divide(torch.from_numpy(found.of_rows(len(data.index))))
    detector.leave_out("own")
    table, pixels = score_normals(run, data, rows, model, reference, device, on_progress)
    detector.leave_out(None)
    shares = group_shares(groups) if settings.scoring.by_group else None
    each = np.ones(len(rows)) if shares is None else shares
    detector.keep_own(torch.tensor(table["score"].to_list()), torch.from_numpy(folds), torch.from_numpy(each))
    checkpoint.save(run.folder / WEIGHTS, model.state_dict(), checkpoint.load(run.folder / WEIGHTS)[1])
    return NormalFrames(rows, table, pixels, groups, shares)


def score_normals(
    run: Run,
    data: Prepared,
    rows: NDArray[np.int64],
    model: Backend,
    reference: Mapping[str, FeatureGaussian],
    device: torch.device,
    on_progress: OnProgress,
) -> tuple[pd.DataFrame, NDArray[np.float32] | None]:
    """Return raw scores and components, one row a frame, by a model and reference that need not be the run's own.

    Pixels of the maps (n,) come with them; None where there are no maps.
    """
    batches = FixedBatches(data, rows, run.settings.data)
    step = -(-len(rows) * data.size**2 // MAX_PIXELS)
    tables, pixels = [], []
    for scored in score_batches(
        model,
        batches,
        device,
        "calibrate",
        on_progress,
        scores_alone=True,
        settings=run.settings.scoring,
        normal_reference=reference,
    ):
        tables.append(component_table(scored))
        if scored.scores.map is not None:
            pixels.append(scored.scores.map[scored.batch.valid][::step].numpy())
    return pd.concat(tables, ignore_index=True), np.concatenate(pixels) if pixels else None


@torch.inference_mode()
def fit_normal_reference(run: Run, data: Prepared, model: Backend, device: torch.device, on_progress: OnProgress) -> None:
    """Store what features of normal training frames, and their residuals from the reconstructions, are like."""
    rows = scorable(data, data.rows("train", originals=True), run.settings.data.overlay)
    rows = rows[evenly_spaced(len(rows), MAX_FITTED)]
    batches = FixedBatches(data, rows, run.settings.data)
    scorer = Scorer(model.to(device).eval(), run.settings.scoring)
    pooled_batches: list[dict[str, list[Tensor]]] = []
    for done, batch in enumerate(ahead(batches), start=1):
        pooled = in_fixed_shape(scorer.pooled, batch.to(device))
        pooled_batches.append({name: [block.cpu() for block in blocks] for name, blocks in pooled.items()})
        on_progress(Progress("contrast", done, len(batches)))
    reference: dict[str, FeatureGaussian] = {}
    for name in pooled_batches[0]:
        blocks = [torch.cat(parts) for parts in zip(*(pooled[name] for pooled in pooled_batches), strict=True)]
        reference[name] = FeatureGaussian.fit(blocks, torch.from_numpy(rows))
    write_normal_reference(run.folder, reference)


def component_table(scored: Scored) -> pd.DataFrame:
    """Return the raw score ("score") and its components ("component_NAME"), one row a frame.

    In float64, of which a CSV keeps every bit: a float32 is written in fewer digits, and read back beside another number, so that
    a frame exactly at the threshold would change sides.
    """
    components = {f"{COMPONENT}{name}": values for name, values in scored.scores.components.items()}
    table = {"score": scored.scores.score, **components}
    return pd.DataFrame({name: values.double().numpy() for name, values in table.items()})
