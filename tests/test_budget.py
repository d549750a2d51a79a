"""How many epochs fit into a budget."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from sources import folder
from tiny import training_batch

from medgen import api
from medgen.contract.backend import Stage
from medgen.engine import fit
from medgen.errors import RunError
from medgen.types import Batch
from medgen.verbs.study import budget
from medgen.verbs.study.budget import STEPS, WARM, TimedBatches, fitting, planned, stage_seconds
from medgen.verbs.train import TrainingInputs, open_inputs

ONE, TWO = (Stage(1.0, "loss"),), (Stage(0.5, "loss"), Stage(1.0, "loss"))


def test_as_many_epochs_are_chosen_as_fit() -> None:
    assert fitting(ONE, [2.0], 100, 20.0) == 10 and fitting(ONE, [2.0], 100, 19.9) == 9


def test_never_more_than_a_trainings_own_epochs() -> None:
    assert fitting(ONE, [2.0], 6, 1e9) == 6


def test_each_stage_counts_with_its_own_speed() -> None:
    assert fitting(TWO, [1.0, 3.0], 100, 40.0) == 20


def test_where_an_epoch_of_each_stage_does_not_fit_there_are_none() -> None:
    assert fitting(TWO, [1.0, 3.0], 100, 3.9) == 0


class Slow:
    """A hundred batches, each of which takes so long to get."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __len__(self) -> int:
        return 100

    def epoch(
        self, number: int, start: int = 0, device: torch.device | str = "cpu", part: tuple[int, int] = (0, 1)
    ) -> Iterator[Batch]:
        for _ in range(len(self)):
            time.sleep(self.seconds)
            yield training_batch()


def test_a_trial_ends_after_a_few_steps_and_speaks_of_a_whole_epoch() -> None:
    trial = TimedBatches(Slow(0.01), limit=60.0)
    assert len(list(trial.epoch(0))) == STEPS
    assert trial.epoch_seconds() >= 100 * 0.01 and len(trial) == 100


def test_a_slow_trial_ends_once_it_has_enough_steps() -> None:
    assert len(list(TimedBatches(Slow(0.02), limit=0.0).epoch(0))) == WARM + 1


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder(tmp_path_factory.mktemp("frames"), "train/good", "val/good", "test/good", "test/bad", count=12)


def made(frames: Path, backend: str, *assignments: str) -> TrainingInputs:
    settings = api.recipe(backend, None, ("data.batch_size=4", "train.epochs=50", *assignments))
    return open_inputs(f"folder:{frames}", settings)


def test_every_stage_of_a_backend_is_timed(frames: Path) -> None:
    took = stage_seconds(made(frames, "vqvae2", "data.resize_to=32"), "cpu", 60.0)
    assert len(took) == 2 and min(took) > 0


def test_the_plan_is_kept_and_not_measured_again(frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    speeds = iter([[2.0]])
    monkeypatch.setattr(budget, "stage_seconds", lambda *arguments: next(speeds))
    inputs = made(frames, "vae")
    assert [planned(inputs, "a", "20s", tmp_path) for _ in range(2)] == [9, 9]
    assert json.loads((tmp_path / "plan.json").read_text())["a"]["epoch_seconds"] == [2.0]


def test_another_budget_is_another_plan(frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "stage_seconds", lambda *arguments: [2.0])
    inputs = made(frames, "vae")
    assert [planned(inputs, "a", allowed, tmp_path) for allowed in ("20s", "1m", "1h")] == [9, 27, 50]


def test_a_budget_that_is_too_short_says_what_an_epoch_takes(
    frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "stage_seconds", lambda *arguments: [7.0])
    with pytest.raises(RunError, match="a budget of 5s is too short: an epoch of each stage takes about 7 s"):
        planned(made(frames, "vae"), "a", "5s", tmp_path)


def test_without_a_budget_and_in_one_pass_epochs_stay(frames: Path, tmp_path: Path) -> None:
    assert planned(made(frames, "vae"), "a", "", tmp_path) == 50
    assert planned(made(frames, "padim", "data.resize_to=32"), "a", "1s", tmp_path) == 1


def test_a_training_planned_for_a_budget_ends_within_it(frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = count()  # a clock that moves whenever it is read, so that a busy machine changes nothing
    for module in (budget, fit):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: next(ticks) / 1000))
    inputs = made(frames, "vae", "train.panel_epochs=0", "train.epochs=100000")
    epochs = planned(inputs, "a", "1s", tmp_path)
    settings = inputs.settings.model_copy(update={"train": inputs.settings.train.model_copy(update={"epochs": epochs})})
    run = api.train(Path(f"folder:{frames}"), tmp_path / "run", settings)
    assert run.finished() and 0.2 < run.history()["seconds"].max() < 1
