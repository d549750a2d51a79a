"""The losses of the players of an adversarial training, by step and by the last step of each epoch."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from medgen.verbs.figures import player_losses
from medgen.verbs.figures.player_losses import last_of_epochs, thinned

STEPS = pd.DataFrame(
    {"step": range(1, 7), "epoch": [1, 1, 2, 2, 3, 3], "player.critic": [9, 8, 7, 6, np.nan, np.nan], "player.encoder": 4.0}
)


def test_the_last_step_of_an_epoch_is_its_last_row() -> None:
    assert last_of_epochs(STEPS)["step"].tolist() == [2, 4, 6]
    assert last_of_epochs(STEPS)["player.critic"].tolist()[:2] == [8, 6]


def test_many_steps_are_means_of_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(player_losses, "DRAWN", 2)
    assert thinned(STEPS[["step"]])["step"].tolist() == [2.0, 5.0]


def test_a_run_of_several_players_gets_the_figure_and_one_without_none() -> None:
    tables = {"several": STEPS, "one": STEPS[["step", "epoch"]], "none": pd.DataFrame()}
    found = {}
    for name, table in tables.items():
        run = SimpleNamespace(folder=Path("run"), history=lambda file, table=table: table)
        found[name] = [figure.key for figure in player_losses.player_losses(run)]  # type: ignore[arg-type]
    assert found == {"several": ["player-losses"], "one": [], "none": []}


def test_both_charts_name_their_players() -> None:
    drawn = player_losses.player_chart(STEPS).decode()
    assert all(word in drawn for word in ("critic", "encoder", "by the last step of each epoch"))
