"""Figures that a run allows because of what its backend can do; no backend is asked for its name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from medgen.backends import _base
from medgen.backends._capabilities import Conditional, Decodes, Embeds, Styles
from medgen.data.dataset import FixedBatches
from medgen.engine.device import seed_all
from medgen.metrics.control import step_response
from medgen.report.evidence import Extra
from medgen.report.figures import image_grid
from medgen.report.latent import TRAVERSED, control_chart, latent_plane, latent_scatter, traversals
from medgen.verbs.pixels import to_pixels
from medgen.verbs.run import Run
from medgen.verbs.score import ScoreTable
from medgen.verbs.styles import style_figures

EMBEDDED = 10_000  # test frames in a scatter
SIDE = 10  # frames along each side of a latent plane
SHOWN = 10  # classes, or latents of a traversal, that are drawn
PER_CLASS = 8


@torch.inference_mode()
def extras(run: Run, model: _base.Backend, scored: ScoreTable) -> list[Extra]:
    """Return the figures of a run beside its charts and panels."""
    model.cpu().eval()
    seed_all(run.settings.train.seed)
    found = [*_control(run)]
    if isinstance(model, Embeds):
        latents, places = _embed(run, model, scored)
        if latents.shape[1] >= 2 and len(latents) > 1:
            found.append(_scatter(latents, [scored.table["finding"].iloc[place] for place in places]))
        if isinstance(model, Decodes):
            found += _decoded(model, latents)
    if isinstance(model, Conditional) and model.classes:
        found.append(_each_class(model))
    if isinstance(model, Styles):
        found += style_figures(model)
    return found


def control(run: Run) -> dict[str, Any]:
    """Return how well a controller held the KL divergence at its target: {} for a run without one. Times are optimizer steps."""
    rows = _controlled(run)
    if not len(rows):
        return {}
    response = step_response(rows["note.kl"].to_numpy(), rows["note.kl_target"].to_numpy())
    pace = float(rows["step"].diff().median())
    times = {name: None if (at := response[name]) is None else at * pace for name in ("settling_step", "final_from")}
    return {**response, **times, "target": float(rows["note.kl_target"].iloc[-1]), "mean_last_tenth": _last_tenth(rows)}


def _in_words(held: dict[str, Any]) -> str:
    settled = "not settled" if held["settling_step"] is None else f"settled within 2 % from step {held['settling_step']:.0f}"
    return (
        f"Target {held['target']:.4g} nats, reached by the set point at step {held['final_from']:.0f}; mean KL over the last "
        f"tenth {held['mean_last_tenth']:.3f}, steady-state error {held['steady_state_error']:+.3f} nats, "
        f"overshoot {100 * held['overshoot']:.1f} %, {settled}."
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


def _control(run: Run) -> Iterator[Extra]:
    rows = _controlled(run)
    if len(rows) > 1:
        columns = (rows[name].to_numpy() for name in ("step", "note.kl", "note.kl_target", "note.beta"))
        yield Extra(
            "control",
            "The controller and the KL divergence",
            "KL divergence against its set point, and the weight of the KL term, over the training",
            "Above: the KL divergence of the training batches and the set point that the controller steers to. Below: the weight "
            f"(beta) of the KL term that it chose. {_in_words(control(run))}",
            control_chart(*columns),
        )


def _embed(run: Run, model: Embeds, scored: ScoreTable) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the embeddings (N, Z) of test frames, spread evenly where there are many, and their rows in the table."""
    places = np.unique(np.linspace(0, len(scored.rows) - 1, min(EMBEDDED, len(scored.rows))).astype(np.int64))
    batches = FixedBatches(scored.data, scored.rows[places], run.settings.data)
    return np.concatenate([model.embed(batch).float().numpy() for batch in batches]), places


def _scatter(latents: NDArray[np.float32], findings: list[str]) -> Extra:
    return Extra(
        "latent-scatter",
        "Latent space",
        "Scatter of the latents of the test frames by finding",
        "Where the backend puts the test frames in its latent space, by finding. Labels colour the points; they had no part in "
        "the training.",
        latent_scatter(latents, findings),
    )


def _decoded(model: Decodes, latents: NDArray[np.float32]) -> Iterator[Extra]:
    """Draw the plane of two latents, or how a frame changes along each of its latents that carry most."""
    if latents.shape[1] == 2:
        drawn = to_pixels(model.decode(torch.from_numpy(latent_plane(SIDE))))
        yield Extra(
            "latent-plane",
            "The latent plane",
            "Frames decoded from a grid over the two latents",
            "Frames decoded from a grid over the two latents, from the 5 % to the 95 % quantile of the prior.",
            image_grid([list(drawn[start : start + SIDE]) for start in range(0, SIDE**2, SIDE)], side=64),
        )
        return
    centre = np.median(latents, axis=0)
    start = latents[np.square(latents - centre).sum(axis=1).argmin()]
    most = np.argsort(-latents.var(axis=0), kind="stable")[:SHOWN]
    steps = len(TRAVERSED)
    chosen = traversals(start).reshape(latents.shape[1], steps, -1)[most].reshape(-1, latents.shape[1])
    drawn = to_pixels(model.decode(torch.from_numpy(chosen)))
    yield Extra(
        "traversals",
        "Latent traversals",
        "Frames decoded while one latent at a time is changed",
        "Each row changes one latent of the test frame nearest to the median from -3 to 3 and keeps the others; the latents "
        "whose means vary most between frames come first.",
        image_grid([list(drawn[row : row + steps]) for row in range(0, len(drawn), steps)], side=64),
    )


def _each_class(model: Conditional) -> Extra:
    names = model.classes[:SHOWN]
    rows = [list(to_pixels(model.sample(PER_CLASS, place))) for place in range(len(names))]
    return Extra(
        "classes",
        "Samples of each class",
        "Frames generated for each class, a row a class",
        f"Frames that the model made up when it was told the class; rows from the top: {', '.join(names)}.",
        image_grid(rows, side=64),
    )
