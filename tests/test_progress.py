"""Progress without a terminal is plain lines, now and then."""

from __future__ import annotations

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


def test_a_message_is_told_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    with Display() as display:
        display(Progress("train", 5, 100, {}, "posterior collapse"))
    assert capsys.readouterr().err == "posterior collapse\n"
