"""Checkpoints: nothing is lost, nothing runs, and a half-written one is never seen."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from medgen.engine import checkpoint
from medgen.errors import RunError


def test_a_state_of_any_shape_survives(tmp_path: Path) -> None:
    state = {
        "moments": {0: {"step": torch.tensor(3.0), "mean": torch.rand(2, 3)}},
        "groups": [{"lr": 0.1, "betas": [0.9, 0.99]}],
        "empty": {},
    }
    tensors: dict[str, torch.Tensor] = {}
    plain = checkpoint.flatten("p", state, tensors)
    checkpoint.save(tmp_path / "s", tensors, {"plain": plain})
    read, about = checkpoint.load(tmp_path / "s")
    again = checkpoint.unflatten(about["plain"], read)
    assert torch.equal(again["moments"][0]["mean"], state["moments"][0]["mean"]) and again["groups"] == state["groups"]  # type: ignore[index]
    assert again["moments"][0]["step"].item() == 3.0 and again["empty"] == {}


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint.save(tmp_path / "s", {"a": torch.ones(1)}, {})

    def fail(tensors: object, path: Path, metadata: object) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "save_file", fail)
    with pytest.raises(Exception, match="No space left"):
        checkpoint.save(tmp_path / "s", {"a": torch.zeros(1)}, {})
    assert checkpoint.load(tmp_path / "s")[0]["a"].item() == 1 and [path.name for path in tmp_path.iterdir()] == ["s"]


def test_a_missing_state_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="train the run first"):
        checkpoint.load(tmp_path / "s")


def test_weights_of_another_model_are_refused(tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "s", torch.nn.Linear(2, 2).state_dict(), {})
    with pytest.raises(RunError, match="do not fit"):
        checkpoint.load_weights(torch.nn.Linear(3, 2), tmp_path / "s")


def test_random_states_come_back() -> None:
    states = checkpoint.random_states()
    first = torch.rand(3)
    checkpoint.restore_random_states(states)
    assert torch.equal(first, torch.rand(3))
