"""When the reconstructions of a variational autoencoder stop being one mean frame, by its log."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from benchmarks.collapsed import collapse

from medgen import api
from medgen.backends.endovae import Config

CONFIGS = Path(__file__).parents[1] / "configs"


@pytest.mark.parametrize(
    ("spread", "active", "alive_from"),
    [
        ([0.01, 0.2, 0.04, 0.3, 0.4], [6, 6, 6, 6, 6], 4),
        ([0.2, 0.2, 0.2, 0.2, 0.2], [6, 0, 1, 6, 6], 3),
        ([0.2, 0.2, 0.2, 0.2, 0.2], [6, 6, 6, 6, 6], 1),
        ([0.2, 0.2, 0.2, 0.2, 0.01], [6, 6, 6, 6, 6], None),
    ],
)
def test_a_run_is_alive_after_its_last_collapsed_epoch(spread: list[float], active: list[int], alive_from: int | None) -> None:
    history = pd.DataFrame({"epoch": [1, 2, 3, 4, 5], "diagnosis.spread": spread, "diagnosis.active_latents": active})
    found = collapse(history)
    assert (found["alive_from_epoch"], found["collapsed"]) == (alive_from, alive_from is None)


def test_the_study_of_warm_ups_crosses_both() -> None:
    recipes = api.read_study(CONFIGS / "study-warmups.toml").recipes()
    models = {name: Config.parse(one.model) for name, one in recipes.items()}
    crossed = {name: (model.kl_warmup, model.optimizer.warmup_steps) for name, model in models.items()}
    assert crossed == {"both": (0.3, 100), "kl-alone": (0.3, 0), "rate-alone": (0.0, 100), "none": (0.0, 0)}
