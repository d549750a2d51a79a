"""Nets compiled by torch.compile, here with the backend of it that needs no compiler and changes no number."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tiny import after, make_fit, quick_vae
from torch import Tensor

from medgen.engine.train_settings import TrainSettings
from medgen.errors import ConfigError

SETTINGS = {"epochs": 2, "compile": "eager"}


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tensor]:
    """Return the weights of an uninterrupted training with compiled nets."""
    fit = make_fit(tmp_path_factory.mktemp("whole"), quick_vae(), **SETTINGS)
    fit.run(lambda row: None)
    return fit.model.state_dict()


def equal(one: dict[str, Tensor], two: dict[str, Tensor]) -> bool:
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


def test_every_net_of_a_player_is_compiled(tmp_path: Path) -> None:
    fit = make_fit(tmp_path, quick_vae(), **SETTINGS)
    nets = [net for player in fit.model.players.values() for net in player.weights]
    assert nets and all(net._compiled_call_impl is not None for net in nets)


def test_no_net_is_compiled_by_default(tmp_path: Path) -> None:
    fit = make_fit(tmp_path, quick_vae())
    assert all(net._compiled_call_impl is None for net in fit.model.modules())


def test_compiled_nets_learn_what_the_others_do(compiled: dict[str, Tensor], tmp_path: Path) -> None:
    plain = make_fit(tmp_path, quick_vae(), epochs=2)
    plain.run(lambda row: None)
    assert equal(plain.model.state_dict(), compiled)


def test_a_training_with_compiled_nets_resumes_to_the_same_bits(compiled: dict[str, Tensor], tmp_path: Path) -> None:
    make_fit(tmp_path, quick_vae(), **SETTINGS).run(lambda row: None, stop=after(4))
    fit = make_fit(tmp_path, quick_vae(), **SETTINGS)
    fit.resume()
    fit.run(lambda row: None)
    assert equal(fit.model.state_dict(), compiled)


def test_an_unknown_compiler_is_refused() -> None:
    with pytest.raises(ConfigError, match="compile"):
        TrainSettings.parse({"compile": "gcc"}, "settings")
