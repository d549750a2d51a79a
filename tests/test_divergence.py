"""A training whose numbers are no longer finite goes back, more slowly, a stated number of times, and then ends for good."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from commands import fail, medgen
from tiny import SIZE, Batches
from torch import nn
from untrained import make_frames

from medgen.config import Settings
from medgen.contract.backend import Backend, Losses, Optimizer, Player
from medgen.engine import checkpoint
from medgen.engine.device import make_fabric
from medgen.engine.divergence import TRIES, DivergedError
from medgen.engine.fit import STATE, WEIGHTS, Fit
from medgen.engine.train_settings import TrainSettings
from medgen.errors import RunError
from medgen.types import Batch, Progress, Scores
from medgen.verbs.several.job import _go_back


class Steep(Backend):
    """One weight that a loss moves by its learning rate in each step; above a height the loss is no number."""

    def __init__(self, height: float, lr: float = 1.0) -> None:
        super().__init__(Settings(), SIZE, 3)
        self.weight, self.height, self.lr = nn.Linear(1, 1, bias=False), height, lr
        nn.init.zeros_(self.weight.weight)
        self.rates: list[float] = []

    @property
    def players(self) -> dict[str, Player]:
        return {"one": Player((self.weight,), Optimizer(name="sgd", lr=self.lr))}

    def turns(self, batch: Batch, progress: float) -> Iterator[tuple[str, Losses]]:
        value = self.weight.weight.sum()
        before = value.item()
        yield "one", {"loss": -value * 100 + (math.nan if before > self.height else 0.0)}
        self.rates.append(self.weight.weight.item() - before)

    def score(self, batch: Batch) -> Scores:
        raise NotImplementedError


def make(folder: Path, height: float, epochs: int = 4) -> Fit:
    return Fit(Steep(height), Batches(2), [], TrainSettings(epochs=epochs), make_fabric("cpu", "float32"), folder)


def train(fit: Fit) -> list[str]:
    """Train as `medgen train` does; return what was said."""
    said: list[Progress] = []
    while True:
        try:
            fit.run(lambda row: None)
            return [progress.message for progress in said]
        except DivergedError as error:
            _go_back(fit, error, said.append)


def test_it_goes_back_and_on_with_half_the_rate_and_clipped_gradients(tmp_path: Path) -> None:
    fit = make(tmp_path, height=150.0)
    (said,) = train(fit)
    assert said.startswith("the loss 'loss' became nan in epoch 2, step 1; back to epoch 1, from where it goes on with 0.5 of")
    assert isinstance(fit.model, Steep) and fit.model.rates[0] == 100.0 and set(fit.model.rates[-8:]) == {0.5}
    assert fit.position.finished == "all 4 epochs done" and fit.position.returns == 1


def test_it_ends_for_good_and_a_resume_meets_the_same_line_at_once(tmp_path: Path) -> None:
    fit = make(tmp_path, height=-1.0)
    with pytest.raises(RunError, match=rf"became nan in epoch 1, step 1, after {TRIES} returns to its last good state"):
        train(fit)
    again = make(tmp_path, height=-1.0)
    again.resume()
    with pytest.raises(RunError, match=rf"^this training broke for good: {TRIES} returns .* train anew with a lower one"):
        again.run(lambda row: None)
    assert isinstance(again.model, Steep) and not again.model.rates


def test_a_killed_training_goes_on_as_slowly_as_it_went(tmp_path: Path) -> None:
    train(make(tmp_path, height=150.0, epochs=2))
    longer = make(tmp_path, height=150.0, epochs=3)
    longer.resume()
    longer.run(lambda row: None)
    assert isinstance(longer.model, Steep) and set(longer.model.rates) == {0.5}


@pytest.mark.parametrize("name", [STATE, WEIGHTS])
def test_nothing_broken_goes_to_disk(name: str, tmp_path: Path) -> None:
    fit = make(tmp_path, height=1e9)
    with torch.no_grad():
        fit.model.players["one"].parameters()[0].fill_(math.inf)
    with pytest.raises(DivergedError, match=r"the weights 'weight.weight' are no longer finite numbers in epoch 1, step 0"):
        fit.save() if name == STATE else fit.keep()
    assert not (tmp_path / name).exists()


def test_there_is_a_state_to_go_back_to_before_the_first_step(tmp_path: Path) -> None:
    fit = make(tmp_path, height=1e9)
    fit.run(lambda row: None, stop=lambda: pytest.fail("unreached") if not (tmp_path / STATE).is_file() else True)
    assert checkpoint.load(tmp_path / STATE)[1]["position"]["epoch"] == 0


def test_the_state_never_holds_the_lowered_rate_itself(tmp_path: Path) -> None:
    fit = make(tmp_path, height=150.0)
    train(fit)
    assert fit.optimizers["one"].lr == 1.0


def test_the_command_says_what_happened_and_counts_it_in_the_run(tmp_path: Path) -> None:
    frames = make_frames(tmp_path / "F")
    broken = ("--set", "model.widths=[8]", "--set", "model.optimizer.lr=1e30", "--epochs", 2, "--set", "data.batch_size=4")
    told = medgen("train", "vae", f"folder:{frames}", "--out", tmp_path / "R", *broken).output.splitlines()[-1]
    assert f"after {TRIES} returns to its last good state" in told and "--set model.optimizer.lr=" in told
    assert "this training broke for good" in fail("train", "vae", f"folder:{frames}", "--out", tmp_path / "R", "--resume")
