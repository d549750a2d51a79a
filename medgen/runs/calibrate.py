"""The normal validation frames of a run: how rare a score is among them, and where the threshold lies."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from lightning.fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor

from medgen import registry
from medgen.contract.backend import Backend
from medgen.data.dataset import FixedBatches, make_batch
from medgen.data.prepared import Prepared, evenly_spaced
from medgen.engine import checkpoint
from medgen.engine.score import PLAIN, Scored, Scorer, score_batches
from medgen.errors import ConfigError, DataError, MedgenError, RunError, did_you_mean
from medgen.files import write_json
from medgen.metrics.calibration import quantile, threshold
from medgen.metrics.fusion import FEWEST, fuse
from medgen.nn.features.feature_gaussian import FeatureGaussian
from medgen.report.evaluate import COMPONENT
from medgen.runs.run import CONTRAST, Run, RunSettings, open_run
from medgen.types import OnProgress, Progress, no_progress

PIXELS_BELOW = 99.0  # per cent of the pixels of normal validation frames below the level at which a map is cut
ENOUGH = 5000  # training frames that Gaussians are fitted to
MOST = 10_000_000  # pixels that a quantile is taken of; of more, every second, third, ...


def calibrate(run: Run, data: Prepared, fabric: Fabric, on_progress: OnProgress = no_progress) -> None:
    """Score the normal validation frames and store their scores, with the threshold for the stated false-alarm rate, in the run.

    Where the backend draws maps, the level below which 99 % of their pixels lie is stored, too.

    Without enough normal frames for that rate there is no threshold, and ``calibration.json`` says why.
    """
    rows = data.rows("val")
    if not len(rows):
        return
    batches = FixedBatches(data, rows, run.settings.data)
    chosen = run.settings.scoring
    model = run.trained_model()
    if chosen.distances:
        _fit_contrast(run, data, model, fabric, on_progress)
    normal_reference = run.normal_reference()
    step = -(-len(rows) * data.size**2 // MOST)
    tables, pixels = [], []
    for scored in score_batches(
        model, batches, fabric, "calibrate", on_progress, scores_alone=True, settings=chosen, normal_reference=normal_reference
    ):
        tables.append(component_table(scored))
        if scored.scores.map is not None:
            pixels.append(scored.scores.map[scored.batch.valid][::step].numpy())
    table = pd.concat(tables, ignore_index=True)
    rate = run.settings.false_alarm_rate
    facts: dict[str, Any] = {"false_alarm_rate": rate, "value": None, "reason": ""}
    if chosen.fuse:  # one half says how rare a part is, the other, which had no say in that, where the threshold is
        facts["components"] = {name: table[name][::2].tolist() for name in _fused_components([*table.columns], chosen.fuse)}
        table = table[1::2].reset_index(drop=True)
        table["score"] = _fused(facts["components"], table)
        rows = rows[1::2]
    if pixels:
        facts["pixel_level"] = float(np.percentile(np.concatenate(pixels), PIXELS_BELOW))
    scores = table["score"].to_numpy(dtype=np.float64)
    facts |= {"normals": len(scores), "groups": data.index["group"].iloc[rows].nunique()}
    try:
        facts["value"] = float(threshold(scores, rate))
    except MedgenError as error:
        facts["reason"] = str(error)
        on_progress(Progress("calibrate", 0, 0, {}, f"no threshold: {error}"))
    facts |= {"weights": run.weights_digest(), "scores": sorted(float(score) for score in scores)}
    write_json(run.folder / "calibration.json", facts)


@torch.inference_mode()
def _fit_contrast(run: Run, data: Prepared, model: Backend, fabric: Fabric, on_progress: OnProgress) -> None:
    """Store what normal training frames, and what they differ in from their reconstructions, are like in the run."""
    rows = data.rows("train", originals=True)
    rows = rows[evenly_spaced(len(rows), ENOUGH)]
    batches = FixedBatches(data, rows, run.settings.data)
    scorer = Scorer(model.to(fabric.device).eval(), run.settings.scoring)
    found: list[dict[str, list[Tensor]]] = []
    for done, batch in enumerate(batches, start=1):
        pooled = scorer.pooled(batch.to(fabric.device))
        found.append({name: [block.cpu() for block in blocks] for name, blocks in pooled.items()})
        on_progress(Progress("contrast", done, len(batches)))
    places = torch.from_numpy(rows)
    normal_reference = {
        name: FeatureGaussian.fit([torch.cat(parts) for parts in zip(*(blocks[name] for blocks in found), strict=True)], places)
        for name in found[0]
    }
    tensors = {
        f"{name}/{key}": tensor for name, contrast in normal_reference.items() for key, tensor in contrast.tensors().items()
    }
    checkpoint.save(run.folder / CONTRAST, tensors, {})


def set_threshold(run_folder: Path, false_alarm_rate: float) -> dict[str, Any]:
    """Put the threshold of a run where another false-alarm rate has it; no weight, score or quantile changes.

    Returns
    -------
    "value" (the threshold), "false_alarm_rate", "normals" and "groups" (how many normal validation frames it rests on, and of
        how many groups they are)

    Raises
    ------
    RunError : if the run has no scores of normal validation frames.
    MedgenError : if they are too few for the rate; the run stays as it was.
    """
    run = open_run(run_folder)
    facts = run.calibration()
    if not facts:
        raise RunError(
            f"'{run_folder}' has no scores of normal validation frames, so no rate can be promised; train it with some"
        )
    found = {"value": threshold(facts["scores"], false_alarm_rate), "false_alarm_rate": false_alarm_rate}
    write_json(run.folder / "calibration.json", facts | found | {"reason": ""})
    return found | {key: facts[key] for key in ("normals", "groups") if key in facts}


def check_scoring(settings: RunSettings, data: Prepared) -> None:
    """Refuse, before a training, what could not be scored after it.

    Raises
    ------
    BackendError, ConfigError, DataError, MedgenError : if the backend has no such part, nothing to compare perceptually, or there
        are too few normal validation frames for a fusion and its threshold.
    """
    if settings.scoring == PLAIN:
        return
    model = registry.create(settings.backend, settings.model, data.size, data.channels).eval()
    rows = data.rows("val")
    if settings.scoring.fuse and len(rows) < 2 * FEWEST:
        raise DataError(
            f"scoring.fuse needs at least {2 * FEWEST} normal validation frames, one half to weigh parts and one for the "
            f"threshold; '{data.address}' has {len(rows)}"
        )
    batch = make_batch(data, data.rows()[:1], settings.data.overlay)
    with torch.inference_mode():
        scorer = Scorer(model, settings.scoring)
        scorer.normal_reference = {
            name: FeatureGaussian.fit(blocks, batch.index) for name, blocks in scorer.pooled(batch).items()
        }
        scores = scorer(batch)
    _fused_components([f"{COMPONENT}{name}" for name in scores.components], settings.scoring.fuse)


def component_table(scored: Scored) -> pd.DataFrame:
    """Return the raw score and its components, one row a frame.

    In float64, of which a CSV keeps every bit: a float32 is written in fewer digits, and read back beside another number, so that
    a frame exactly at the threshold would change sides.
    """
    columns = {"score": scored.scores.score, **{f"{COMPONENT}{name}": part for name, part in scored.scores.components.items()}}
    return pd.DataFrame({name: values.double().numpy() for name, values in columns.items()})


def _fused_components(columns: Sequence[str], names: Sequence[str]) -> list[str]:
    """Return the columns of the parts that are fused.

    Raises
    ------
    ConfigError : if there is no such part.
    """
    there = [name.removeprefix(COMPONENT) for name in columns if name.startswith(COMPONENT)]
    if names == ("*",):
        return [f"{COMPONENT}{name}" for name in there]
    if unknown := [name for name in names if name not in there]:
        raise ConfigError(f"scoring.fuse names '{unknown[0]}', which is no part of this score; {did_you_mean(unknown[0], there)}")
    return [f"{COMPONENT}{name}" for name in names]


def decide(run: Run, table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with what the calibration makes of the raw score: its quantile among normals, and the decision."""
    table = table.drop(columns=["quantile", "abnormal"], errors="ignore")
    calibration = run.calibration()
    if not calibration:
        if run.settings.scoring.fuse:
            raise MedgenError(
                f"'{run.folder}' fuses parts, which takes normal validation frames, and had none; train without fuse"
            )
        return table
    if calibration["weights"] != run.weights_digest():
        raise MedgenError(f"the calibration of '{run.folder}' belongs to other weights; finish the training with --resume")
    if "components" in calibration:
        table["score"] = _fused(calibration["components"], table)
    place = table.columns.get_loc("score")
    assert isinstance(place, int)
    table.insert(place + 1, "quantile", quantile(np.array(calibration["scores"]), table["score"].to_numpy()))
    if calibration["value"] is not None:
        table.insert(place + 2, "abnormal", table["score"].to_numpy(dtype=np.float64) > calibration["value"])
    return table


def _fused(reference: dict[str, list[float]], table: pd.DataFrame) -> NDArray[np.float64]:
    return fuse(reference, {name: table[name].to_numpy() for name in reference})
