"""Progress without a terminal is plain lines, now and then."""

from __future__ import annotations

import sys

import pytest
from medgen_cli.progress import Display

from medgen.types import Progress


def test_the_first_and_the_last_step_are_told_and_few_between(capsys: pytest.CaptureFixture[str]) -> None:
    with Display() as display:
        for done in range(1, 101):
            display(Progress("train", done, 100, {"loss": 1 / 3, "epoch": 2}))
    lines = capsys.readouterr().err.splitlines()
    assert [line.split("  ")[0] for line in lines] == ["train: 1/100", "train: 100/100"]
    assert "loss 0.3333  epoch 2" in lines[0]


def test_a_task_that_begins_again_is_told_of_again(capsys: pytest.CaptureFixture[str]) -> None:
    with Display() as display:
        for done in (1, 2, 1, 2):
            display(Progress("watch", done, 2))
    assert capsys.readouterr().err.splitlines() == ["watch: 1/2", "watch: 2/2"] * 2


def test_a_message_is_told_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    with Display() as display:
        display(Progress("train", 5, 100, {}, "posterior collapse"))
    assert capsys.readouterr().err == "posterior collapse\n"


def test_the_time_left_of_a_resumed_task_counts_from_where_it_went_on(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([0.0, 20.0])
    monkeypatch.setattr("medgen_cli.progress.time.monotonic", lambda: next(clock))
    with Display() as display:
        display(Progress("train", 900, 1000))
        display(Progress("train", 910, 1000))
    assert capsys.readouterr().err.splitlines()[-1] == "train: 910/1000    3:00 left"


def test_the_time_left_counts_anew_where_the_task_before_ended_early(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([0.0, 600.0, 620.0, 640.0])
    monkeypatch.setattr("medgen_cli.progress.time.monotonic", lambda: next(clock))
    with Display() as display:
        for done in (1, 700, 10, 20):
            display(Progress("train", done, 1000))
    assert capsys.readouterr().err.splitlines()[2:] == ["train: 10/1000", "train: 20/1000    32:40 left"]


def test_the_bar_of_a_task_that_begins_again_is_no_longer_finished(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with Display() as display:
        for done in (1, 2, 1):
            display(Progress("train", done, 2))
        (bar,) = display.bars.tasks
        assert bar.completed == 1 and not bar.finished
