"""Stages of a training: where they begin, which weights they begin with, and a log of steps."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from tiny import Batches
from torch import nn

from medgen.config import Settings
from medgen.contract.backend import Backend, Losses, Optimizer, Player, Stage
from medgen.engine import checkpoint
from medgen.engine.device import make_fabric
from medgen.engine.fit import WEIGHTS, Fit, LogRow
from medgen.engine.running_means import Means
from medgen.engine.stages import Schedule
from medgen.engine.train_settings import TrainSettings
from medgen.errors import ConfigError
from medgen.types import Batch, Scores


def test_stages_begin_with_an_epoch() -> None:
    schedule = Schedule([Stage(0.7, "loss"), Stage(1.0, "loss")], 9)
    assert schedule.ends == [6, 9]
    assert schedule.progress(6) == pytest.approx(0.7) and schedule.progress(9) == 1.0
    assert [schedule.stage_index(epoch) for epoch in (0, 5, 6, 8)] == [0, 0, 1, 1]


def test_a_stage_is_validated_at_its_own_last_progress() -> None:
    schedule = Schedule([Stage(0.5, "loss"), Stage(1.0, "loss")], 4)
    assert 0.499 < schedule.last_progress(0) < 0.5 and schedule.last_progress(1) == 1.0


def test_a_short_training_still_has_every_stage() -> None:
    assert Schedule([Stage(0.9, "loss"), Stage(0.95, "loss"), Stage(1.0, "loss")], 3).ends == [1, 2, 3]


def test_one_stage_is_plain_progress() -> None:
    schedule = Schedule([Stage(1.0, "loss")], 10)
    assert [schedule.progress(done) for done in (0, 2.5, 10)] == [0.0, 0.25, 1.0]


class TwoStages(Backend):
    """Walks `first` away from its best in stage one (down to 1, up again), then `second` in stage two."""

    def __init__(self) -> None:
        super().__init__(Settings(), 32, 3)
        self.first, self.second = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
        nn.init.constant_(self.first.weight, 3.0)
        nn.init.constant_(self.second.weight, 3.0)
        self.seen: list[float] = []

    @property
    def stages(self) -> tuple[Stage, ...]:
        return Stage(0.5, "distance"), Stage(1.0, "loss")

    @property
    def players(self) -> dict[str, Player]:
        sgd = Optimizer(name="sgd", lr=1.0, plateau_epochs=1)
        return {"first": Player((self.first,), sgd), "second": Player((self.second,), sgd)}

    def turns(self, batch: Batch, progress: float) -> Iterator[tuple[str, Losses]]:
        self.notes = {"progress": torch.tensor(progress)}
        if progress < 0.5:  # always downwards, past the best place at 1
            slope = self.first.weight.sum() if self.training else self.first.weight.sum() * 0
            yield "first", {"distance": (self.first.weight - 1).abs().sum().detach() + slope - slope.detach()}
        else:
            self.seen.append(self.first.weight.item())
            yield "second", {"square": 0.1 * self.second.weight.square().sum()}

    def score(self, batch: Batch) -> Scores:
        return Scores(torch.zeros(len(batch)))


def two_stages(folder: Path, **settings: int) -> tuple[Fit, list[LogRow], list[LogRow]]:
    torch.manual_seed(0)
    chosen = TrainSettings(epochs=8, precision="float32", early_stopping=0, **settings)
    fit = Fit(TwoStages(), Batches(1), Batches(), chosen, make_fabric("cpu", "float32"), folder)
    rows: list[LogRow] = []
    steps: list[LogRow] = []
    fit.run(rows.append, on_steps=steps.append)
    return fit, rows, steps


def test_a_stage_goes_on_with_the_best_weights_of_the_one_before(tmp_path: Path) -> None:
    fit, rows, _ = two_stages(tmp_path)
    assert [row["val.distance"] for row in rows[:4]] == [1, 0, 1, 1.5]  # the weight went 2, 1, 0, -0.5: the rate had halved
    assert fit.model.seen[0] == 1.0  # type: ignore[index]


def test_the_weights_that_are_kept_are_the_best_of_the_last_stage(tmp_path: Path) -> None:
    _, rows, _ = two_stages(tmp_path)
    kept, _ = checkpoint.load(tmp_path / WEIGHTS)
    assert kept["first.weight"].item() == 1.0
    assert 0.1 * kept["second.weight"].item() ** 2 == pytest.approx(min(row["val.square"] for row in rows[4:]))


def test_a_player_without_a_turn_hears_no_validation_loss(tmp_path: Path) -> None:
    _, rows, _ = two_stages(tmp_path)
    assert rows[3]["lr.first"] < 1.0 and rows[4]["lr.second"] == 1.0


class Unjudged(TwoStages):
    @property
    def stages(self) -> tuple[Stage, ...]:
        return Stage(0.5, "distance"), Stage(1.0, "")


def test_a_rate_that_would_wait_for_a_loss_in_vain_is_refused(tmp_path: Path) -> None:
    chosen = TrainSettings(epochs=8, precision="float32", early_stopping=0)
    fit = Fit(Unjudged(), Batches(1), Batches(), chosen, make_fabric("cpu", "float32"), tmp_path)
    with pytest.raises(ConfigError, match=r"plateau_epochs = 1: the learning rate of 'second' would wait .* decay_from"):
        fit.run(lambda row: None)
    assert fit.position.epoch == 4  # the first stage has its loss


def test_a_stage_that_waits_in_vain_leaves_its_epochs_out(tmp_path: Path) -> None:
    chosen = TrainSettings(epochs=20, precision="float32", early_stopping=3)
    fit = Fit(TwoStages(), Batches(1), Batches(), chosen, make_fabric("cpu", "float32"), tmp_path)
    rows: list[LogRow] = []
    fit.run(rows.append)
    assert [row["epoch"] for row in rows][:6] == [1, 2, 3, 4, 5, 11]


def test_steps_are_logged_with_means_over_so_many(tmp_path: Path) -> None:
    _, _, steps = two_stages(tmp_path, log_steps=2)
    assert [row["step"] for row in steps] == [2, 4, 6, 8]
    assert steps[0]["note.progress"] == pytest.approx((0 + 1 / 8) / 2)


def test_means_survive_a_checkpoint() -> None:
    means, other = Means(), Means()
    for value in (1.0, 4.0):
        means.add({"a": torch.tensor(value)})
    tensors: dict[str, torch.Tensor] = {}
    means.save("epoch", tensors)
    other.load("epoch", tensors)
    assert other.row() == {"a": 2.5} == means.row()


def test_a_lengthened_run_that_is_back_in_its_first_stage_compares_losses_of_that_stage_alone(tmp_path: Path) -> None:
    two_stages(tmp_path)
    chosen = TrainSettings(epochs=40, precision="float32", early_stopping=0)
    again = Fit(TwoStages(), Batches(1), Batches(), chosen, make_fabric("cpu", "float32"), tmp_path)
    again.resume()
    assert (again.position.stage, again.position.best, again.position.best_epoch) == (0, float("inf"), 8)
