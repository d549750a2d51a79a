"""The training loop: players, learning rates, stopping, and a resume that nobody can tell from an uninterrupted run."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from kills import run_in_child
from tiny import SIZE, Batches, after, batch, make_fit, quick_vae
from torch import nn

from medgen.config import Settings
from medgen.contract.backend import Backend, Losses, Optimizer, Player
from medgen.engine import checkpoint
from medgen.engine import fit as module
from medgen.engine.device import make_fabric
from medgen.engine.fit import STATE, WEIGHTS, Fit, LogRow
from medgen.engine.train_settings import TrainSettings
from medgen.engine.validate import validate
from medgen.errors import RunError
from medgen.types import Batch, Progress, Scores


def weights(folder: Path) -> dict[str, torch.Tensor]:
    tensors, _ = checkpoint.load(folder / STATE)
    return tensors


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("stops", [(2,), (5,), (1, 2, 3)])
def test_a_stopped_and_resumed_run_ends_at_the_same_bits(tmp_path: Path, stops: tuple[int, ...], precision: str) -> None:
    make_fit(tmp_path / "whole", precision=precision).run(lambda row: None)
    first = make_fit(tmp_path / "parts", precision=precision)
    first.run(lambda row: None, stop=after(stops[0]))
    for steps in (*stops[1:], 10**6):
        again = make_fit(tmp_path / "parts", precision=precision)
        again.resume()
        again.run(lambda row: None, stop=after(steps))
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "parts"))
    assert same(checkpoint.load(tmp_path / "whole" / WEIGHTS)[0], checkpoint.load(tmp_path / "parts" / WEIGHTS)[0])


def test_fabric_tells_the_user_nothing_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    logger, said = logging.getLogger("lightning_fabric.utilities.rank_zero"), list[str]()
    level = logger.level
    logger.setLevel(logging.INFO)  # another test may have left it quiet
    monkeypatch.setattr(logger, "handle", lambda record: said.append(record.getMessage()))
    make_fabric("cpu", "bfloat16")
    logger.info("another training")  # which may say what it likes
    logger.setLevel(level)
    assert said == ["another training"]


def killed(folder: Path) -> None:
    """Train until a moment after the third epoch, and die by the own hand: another process may come too late."""
    module.SAVE_SECONDS = 0.0
    third = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGKILL))
    make_fit(folder, epochs=200).run(lambda row: third.start() if row["epoch"] == 3 else None)


def test_a_killed_run_resumes_to_the_same_bits(tmp_path: Path) -> None:
    assert run_in_child(killed, tmp_path / "killed") == -signal.SIGKILL
    resumed = make_fit(tmp_path / "killed", epochs=200)
    resumed.resume()
    at = resumed.position.epoch
    assert 0 < at < 100
    resumed.settings = resumed.settings.model_copy(update={"epochs": 200})
    resumed.run(lambda row: None, stop=after(3 * 3))
    whole = make_fit(tmp_path / "whole", epochs=200)
    whole.run(
        lambda row: None,
        stop=lambda: (whole.position.epoch, whole.position.step) == (resumed.position.epoch, resumed.position.step),
    )
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "killed"))


def test_the_best_weights_are_kept_and_not_the_last(tmp_path: Path) -> None:
    rows: list[LogRow] = []
    make_fit(tmp_path, epochs=6).run(rows.append)
    best = min(rows, key=lambda row: row["val.loss"])
    assert checkpoint.load(tmp_path / WEIGHTS)[1]["epoch"] == best["epoch"]


class Stubborn(Backend):
    """Two players of one weight each, whose validation loss never falls."""

    def __init__(self, loss: float = 1.0) -> None:
        super().__init__(Settings(), SIZE, 3)
        self.left, self.right = nn.Linear(1, 1), nn.Linear(1, 1)
        self.loss = loss
        self.seen: list[tuple[float, float]] = []

    @property
    def players(self) -> dict[str, Player]:
        return {
            "left": Player((self.left,), Optimizer(lr=0.1, plateau_epochs=2, min_lr=0.02)),
            "right": Player((self.right,), Optimizer(lr=0.1, warmup_steps=4)),
        }

    def turns(self, batch: Batch, progress: float) -> Iterator[tuple[str, Losses]]:
        if not self.training:
            yield "left", {"loss": torch.tensor(self.loss)}
            return
        both = self.left.weight.sum() + self.right.weight.sum()
        self.seen.append((self.left.weight.item(), self.right.weight.item()))
        yield "left", {"both": both * self.loss}
        self.seen.append((self.left.weight.item(), self.right.weight.item()))
        yield "right", {"again": self.left.weight.sum().detach() + self.right.weight.sum()}
        self.seen.append((self.left.weight.item(), self.right.weight.item()))

    def score(self, batch: Batch) -> Scores:
        return Scores(batch.image.mean((1, 2, 3)))


def test_a_turn_moves_its_own_player_only(tmp_path: Path) -> None:
    model = Stubborn()
    make_fit(tmp_path, model, epochs=1, steps=1).run(lambda row: None)
    before, between, later = model.seen
    assert before[0] != between[0] and before[1] == between[1] and between[0] == later[0] and between[1] != later[1]


def test_the_rate_halves_after_the_stated_epochs_without_a_better_loss(tmp_path: Path) -> None:
    rows: list[LogRow] = []
    make_fit(tmp_path, Stubborn(), epochs=7, steps=1).run(rows.append)
    assert [round(row["lr.left"], 3) for row in rows] == [0.1, 0.1, 0.1, 0.05, 0.05, 0.025, 0.025]


def test_the_rate_rises_over_the_warm_up(tmp_path: Path) -> None:
    rows: list[LogRow] = []
    make_fit(tmp_path, Stubborn(), epochs=5, steps=1).run(rows.append)
    assert [round(row["lr.right"], 4) for row in rows] == [0.0438, 0.0625, 0.0813, 0.1, 0.1]


def test_training_stops_early_and_says_so(tmp_path: Path) -> None:
    position = make_fit(tmp_path, Stubborn(), epochs=50, steps=1, early_stopping=3).run(lambda row: None)
    assert position.epoch == 4 and position.finished == "no better validation loss for 3 epochs"


@pytest.mark.parametrize("early_stopping", [0, 50])
def test_a_finished_training_can_be_lengthened(tmp_path: Path, early_stopping: int) -> None:
    make_fit(tmp_path, epochs=2, early_stopping=early_stopping).run(lambda row: None)
    longer = make_fit(tmp_path, epochs=3, early_stopping=early_stopping)
    longer.resume()
    assert longer.run(lambda row: None).epoch == 3


def test_a_training_that_stopped_early_stays_stopped(tmp_path: Path) -> None:
    make_fit(tmp_path, Stubborn(), epochs=50, steps=1, early_stopping=3).run(lambda row: None)
    again = make_fit(tmp_path, Stubborn(), epochs=50, steps=1, early_stopping=3)
    again.resume()
    assert again.run(lambda row: None).epoch == 4


def test_a_loss_that_is_not_finite_ends_the_training_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="the loss 'both' became nan in epoch 1, step 1"):
        make_fit(tmp_path, Stubborn(float("nan"))).run(lambda row: None)


def test_a_minute_budget_stops_the_training(tmp_path: Path) -> None:
    position = make_fit(tmp_path, epochs=10**6).run(lambda row: None, max_minutes=0.005)
    assert not position.finished and (tmp_path / STATE).is_file()


def test_a_signal_stops_where_an_epoch_is_one_step(tmp_path: Path) -> None:
    assert make_fit(tmp_path, steps=1).run(lambda row: None, stop=after(2)).epoch == 2


def test_validation_leaves_the_random_numbers_of_training_alone(tmp_path: Path) -> None:
    training = make_fit(tmp_path)
    before = torch.get_rng_state()
    first, again = (validate(training.model, training.val, training.fabric)[0] for _ in range(2))
    assert first == again
    assert torch.equal(before, torch.get_rng_state())


def test_progress_reports_loss_speed_and_position(tmp_path: Path) -> None:
    seen: list[Progress] = []
    make_fit(tmp_path, epochs=1).run(lambda row: None, seen.append)
    assert {"loss", "frames/s", "epoch"} <= set(seen[0].values) and (seen[-1].done, seen[-1].total) == (3, 3)


def test_training_lowers_the_loss(tmp_path: Path) -> None:
    rows: list[LogRow] = []
    make_fit(tmp_path, epochs=8).run(rows.append)
    assert rows[-1]["train.reconstruction"] < rows[0]["train.reconstruction"]


def test_a_damaged_state_is_one_line(tmp_path: Path) -> None:
    (tmp_path / STATE).write_bytes(b"no state")
    with pytest.raises(RunError, match="damaged"):
        make_fit(tmp_path).resume()


def test_a_state_of_other_settings_is_one_line(tmp_path: Path) -> None:
    Fit(Line(), Batches(1), [], TrainSettings(), make_fabric("cpu", "float32"), tmp_path).save()
    with pytest.raises(RunError, match=r"does not fit the settings in run\.toml"):
        Fit(Line(ema=0.9), Batches(1), [], TrainSettings(), make_fabric("cpu", "float32"), tmp_path).resume()


def test_a_lone_batch_is_enough(tmp_path: Path) -> None:
    assert len(batch(1)) == 1 and make_fit(tmp_path, steps=1, epochs=1).run(lambda row: None).epoch == 1


class Line(Backend):
    """One weight that rises by 1 with each step at a learning rate of 1."""

    def __init__(self, **optimizer: Any) -> None:
        super().__init__(Settings(), SIZE, 3)
        self.line = nn.Linear(1, 1, bias=False)
        nn.init.zeros_(self.line.weight)
        self.optimizer = Optimizer(name="sgd", lr=1.0, **optimizer)

    @property
    def players(self) -> dict[str, Player]:
        return {"line": Player((self.line,), self.optimizer)}

    def turns(self, batch: Batch, progress: float) -> Iterator[tuple[str, Losses]]:
        yield "line", {"height": -self.line.weight.sum()}

    def score(self, batch: Batch) -> Scores:
        return Scores(torch.zeros(len(batch)))


def test_weights_that_are_kept_are_their_moving_average_where_a_player_has_one(tmp_path: Path) -> None:
    plain, averaged = Line(ema=0.0), Line(ema=0.5)
    for name, model in (("plain", plain), ("averaged", averaged)):
        training = Fit(model, Batches(3), [], TrainSettings(epochs=1), make_fabric("cpu", "float32"), tmp_path / name)
        training.run(lambda row: None)
    # the weight goes 1, 2, 3; the average starts at 0 and keeps 1/11, 2/12 and 3/13 of itself
    expected = 0.0
    for weight, kept in ((1, 1 / 11), (2, 2 / 12), (3, 3 / 13)):
        expected = kept * expected + (1 - kept) * weight
    assert checkpoint.load(tmp_path / "plain" / WEIGHTS)[0]["line.weight"].item() == pytest.approx(3.0)
    assert checkpoint.load(tmp_path / "averaged" / WEIGHTS)[0]["line.weight"].item() == pytest.approx(expected, rel=1e-6)
    assert averaged.line.weight.item() == pytest.approx(3.0)


def test_no_gradient_is_longer_than_the_stated_norm(tmp_path: Path) -> None:
    model = Line()
    Fit(model, Batches(3), [], TrainSettings(epochs=1, clip=0.25), make_fabric("cpu", "float32"), tmp_path).run(lambda row: None)
    assert model.line.weight.item() == pytest.approx(3 * 0.25)


@pytest.mark.parametrize(("least", "last"), [(0.1, 0.5), (0.7, 0.7), (2.0, 1.0)], ids=["falls", "stops", "never-rises"])
def test_the_learning_rate_falls_linearly_to_its_least_over_the_end_of_a_stage(tmp_path: Path, least: float, last: float) -> None:
    rates: list[float] = []
    model, chosen = Line(decay_from=0.5, min_lr=least), TrainSettings(epochs=4)
    Fit(model, Batches(1), [], chosen, make_fabric("cpu", "float32"), tmp_path).run(lambda row: rates.append(row["lr.line"]))
    assert rates == pytest.approx([1.0, 1.0, 1.0, last])


def test_the_learning_rate_is_multiplied_every_so_many_steps_across_a_resume(tmp_path: Path) -> None:
    rates: list[float] = []
    for epochs in (2, 5):
        chosen = TrainSettings(epochs=epochs, early_stopping=0)
        training = Fit(Line(decay_every=2, decay_factor=0.5), Batches(1), [], chosen, make_fabric("cpu", "float32"), tmp_path)
        if epochs == 5:
            training.resume()
        training.run(lambda row: rates.append(row["lr.line"]))
    assert rates == pytest.approx([1.0, 0.5, 0.5, 0.25, 0.25])


def test_a_lengthened_run_gets_its_learning_rate_back(tmp_path: Path) -> None:
    for epochs in (4, 40):
        chosen = TrainSettings(epochs=epochs, early_stopping=0)
        training = Fit(Line(decay_from=0.5, min_lr=0.1), Batches(1), [], chosen, make_fabric("cpu", "float32"), tmp_path)
        rates: list[float] = []
        if epochs == 40:
            training.resume()
        training.run(lambda row, rates=rates: rates.append(row["lr.line"]))  # type: ignore[misc]
    assert rates[0] == pytest.approx(1.0) and rates[-1] < 0.2


def test_a_resumed_run_has_the_same_moving_average(tmp_path: Path) -> None:
    averaged = {"optimizer": {"ema": 0.9}}
    make_fit(tmp_path / "whole", quick_vae(**averaged)).run(lambda row: None)
    make_fit(tmp_path / "parts", quick_vae(**averaged)).run(lambda row: None, stop=after(4))
    again = make_fit(tmp_path / "parts", quick_vae(**averaged))
    again.resume()
    again.run(lambda row: None)
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "parts"))
    assert same(checkpoint.load(tmp_path / "whole" / WEIGHTS)[0], checkpoint.load(tmp_path / "parts" / WEIGHTS)[0])
