"""Figures that a run allows because of what its backend can do; no backend is asked for its name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from medgen.contract.backend import Backend
from medgen.contract.capabilities import Classifies, Codes, Conditional, Decodes, Embeds, Reconstructs, Redraws, Styles
from medgen.data.dataset import FixedBatches
from medgen.data.prepared import evenly_spaced
from medgen.data.scorable import is_scored
from medgen.engine.device import seed_all
from medgen.engine.fixed_shape import in_fixed_shape
from medgen.metrics.control import step_response
from medgen.report.figures import image_grid, squares, stacked
from medgen.report.latent import class_ranges, code_chart, control_chart, latent_scatter
from medgen.report.run_report_data import ExtraFigure
from medgen.runs.run import Run
from medgen.runs.score_table import ScoreTable
from medgen.runs.to_image import to_pixels
from medgen.verbs.figures.classified import classified_figures
from medgen.verbs.figures.latents import between, decoded
from medgen.verbs.figures.player_losses import player_losses
from medgen.verbs.figures.styles import style_figures

EMBEDDED = 10_000  # test frames in a scatter
N_CLASSES = 10  # classes that are drawn
PER_CLASS = 8
SMALL, BESIDE = 64, 100  # side in pixels up to which inputs and outputs are shown beside each other, and how many
N_PANELS = 5  # of the training that are shown, spread over it


@torch.inference_mode()
def extra_figures(run: Run, model: Backend, scored: ScoreTable) -> list[ExtraFigure]:
    """Return the figures of a run beside its charts and panels.

    Parameters
    ----------
    model : the run's trained model; it is moved to the CPU
    """
    model.cpu().eval()
    seed_all(run.settings.train.seed)
    figures = [*_learning(run), *player_losses(run), *_control(run)]
    shown = is_scored(scored.table).any()
    if isinstance(model, Embeds) and shown:
        latents, score_rows = _embed(run, model, scored)
        if latents.shape[1] >= 2 and len(latents) > 1:
            figures.append(_scatter(latents, scored.table["finding"].iloc[score_rows].tolist()))
        if isinstance(model, Decodes):
            figures += decoded(model.decode, latents)
        if isinstance(model, Decodes | Redraws):
            originals = scored.data.frames[scored.rows[score_rows]]
            figures += between(model.decode if isinstance(model, Decodes) else model.redraw, latents, originals)
    if isinstance(model, Reconstructs) and scored.data.size <= SMALL and is_scored(scored.table).sum() >= BESIDE:
        figures.append(_inputs_and_outputs(run, model, scored))
    if isinstance(model, Codes) and shown:
        figures.append(_code_use(run, model, scored))
    if isinstance(model, Classifies) and shown:
        figures += classified_figures(run, model, scored)
    if isinstance(model, Conditional) and model.classes:
        figures.append(_class_samples(model))
    if isinstance(model, Styles):
        figures += style_figures(model)
    return figures


def control(run: Run) -> dict[str, Any]:
    """Return how well a controller held the KL divergence at its target: {} for a run without one. Times are optimizer steps."""
    rows = _controlled(run)
    if not len(rows):
        return {}
    response = step_response(rows["note.kl"].to_numpy(), rows["note.kl_target"].to_numpy())
    pace = float(rows["step"].diff().median())
    times = {name: None if (at := response[name]) is None else at * pace for name in ("settling_step", "final_from")}
    return {**response, **times, "target": float(rows["note.kl_target"].iloc[-1]), "mean_last_tenth": _last_tenth(rows)}


def _in_words(response: Mapping[str, Any]) -> str:
    settled_at = response["settling_step"]
    settled = "not settled" if settled_at is None else f"settled within 2 % from step {settled_at:.0f}"
    return (
        f"Target {response['target']:.4g} nats, reached by the set point at step {response['final_from']:.0f}; mean KL over the "
        f"last tenth {response['mean_last_tenth']:.3f}, steady-state error {response['steady_state_error']:+.3f} nats, "
        f"overshoot {100 * response['overshoot']:.1f} %, {settled}."
    )


def _last_tenth(rows: pd.DataFrame) -> float:
    return float(rows["note.kl"].tail(max(1, len(rows) // 10)).mean())


def _controlled(run: Run) -> pd.DataFrame:
    """Return one row every few steps, or an epoch where that is all there is; empty without a controller."""
    rows = run.history("steps.csv")
    if not len(rows):
        rows = run.history()
        rows = rows.rename(columns={"epoch": "step"})
    return rows if "note.kl_target" in rows else pd.DataFrame()


def _control(run: Run) -> Iterator[ExtraFigure]:
    rows = _controlled(run)
    if len(rows) > 1:
        columns = (rows[name].to_numpy() for name in ("step", "note.kl", "note.kl_target", "note.beta"))
        yield ExtraFigure(
            "control",
            "The controller and the KL divergence",
            "KL divergence against its set point, and the weight of the KL term, over the training",
            "Above: the KL divergence of the training batches and the set point that the controller steers to. Below: the weight "
            f"(beta) of the KL term that it chose. {_in_words(control(run))}",
            control_chart(*columns),
        )


def _learning(run: Run) -> Iterator[ExtraFigure]:
    panels = sorted((run.folder / "panels").glob("epoch-*.png"))
    if panels:
        chosen = [panels[k] for k in evenly_spaced(len(panels), N_PANELS)]
        epochs = [f"epoch {int(path.stem.removeprefix('epoch-'))}" for path in chosen]
        yield ExtraFigure(
            "learning",
            "While it learnt",
            "What the backend made of the same validation frames as the training went on",
            "The same frames and, below them, what the backend made of them, and samples where it draws any; of two domains "
            "frame, translation, there and back, and translated into its own domain. After "
            f"{', '.join(epochs)}. The folder panels/ of the run has them all.",
            stacked([path.read_bytes() for path in chosen], epochs),
        )


def _evenly(run: Run, scored: ScoreTable) -> tuple[FixedBatches, NDArray[np.int64]]:
    """Return test frames that have a score, spread evenly where there are many, and their rows in the table."""
    known = np.flatnonzero(is_scored(scored.table))
    score_rows = known[evenly_spaced(len(known), EMBEDDED)]
    return FixedBatches(scored.data, scored.rows[score_rows], run.settings.data), score_rows


def _embed(run: Run, model: Embeds, scored: ScoreTable) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the embeddings (N, Z) of test frames and their rows in the table."""
    batches, score_rows = _evenly(run, scored)
    return np.concatenate([model.embed(batch).float().numpy() for batch in batches]), score_rows


def _inputs_and_outputs(run: Run, model: Reconstructs, scored: ScoreTable) -> ExtraFigure:
    known = np.flatnonzero(is_scored(scored.table))
    rows = scored.rows[known[evenly_spaced(len(known), BESIDE)]]
    batches = FixedBatches(scored.data, rows, run.settings.data)
    outputs = np.concatenate([to_pixels(in_fixed_shape(model.reconstruct, batch)) for batch in batches])
    inputs = np.broadcast_to(scored.data.frames[rows], outputs.shape)  # grey ones as three channels
    return ExtraFigure(
        "inputs-outputs",
        "Inputs beside outputs",
        f"{BESIDE} test frames on the left and what the backend makes of each on the right",
        f"{BESIDE} test frames, evenly spread, as a square on the left; at the same places on the right their reconstructions.",
        squares([inputs, outputs]),
    )


def _code_use(run: Run, model: Codes, scored: ScoreTable) -> ExtraFigure:
    batches, score_rows = _evenly(run, scored)
    counts = {level: np.zeros(size, dtype=np.int64) for level, size in model.codebooks.items()}
    for batch in batches:
        for count, codes in zip(counts.values(), model.codes(batch.image), strict=True):
            count += np.bincount(codes.flatten().numpy(), minlength=len(count))
    return ExtraFigure(
        "code-use",
        "Use of the codes",
        "How often each code of each codebook is used, the most used one first",
        f"Share of all codes of {len(score_rows)} test frames that each code has, by rank. A codebook in full use is a line that "
        "falls slowly; a collapsed one falls at once. Perplexity: how many codes, all equally used, would be as varied.",
        code_chart(counts),
    )


def _scatter(latents: NDArray[np.float32], findings: list[str]) -> ExtraFigure:
    return ExtraFigure(
        "latent-scatter",
        "Latent space",
        "Scatter of the latents of the test frames by finding",
        "Where the backend puts the test frames in its latent space, by finding. Labels colour the points; they had no part in "
        "the training. Below, the least and the largest value that a frame of each finding has in each latent.",
        latent_scatter(latents, findings),
        class_ranges(latents, findings),
    )


def _class_samples(model: Conditional) -> ExtraFigure:
    names = model.classes[:N_CLASSES]
    rows = [list(to_pixels(model.sample(PER_CLASS, class_index))) for class_index in range(len(names))]
    return ExtraFigure(
        "classes",
        "Samples of each class",
        "Frames generated for each class, a row a class",
        f"Frames that the model made up when it was told the class; rows from the top: {', '.join(names)}.",
        image_grid(rows, side=64),
    )
